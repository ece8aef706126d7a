import { rm } from 'node:fs/promises'
import { Failure } from '../run/outcome.ts'
import { busyFiles, type Engine, rsyncFiles } from './engine.ts'
import { type Changes, changesSince, differences, flush, readTree, type Tree, treeBytes } from './tree.ts'
import { Update, within } from './update.ts'

// How many differences a message names.
const NAMED = 5

/** A tree and its copy. */
export interface Copied extends Tree {
  /** Paths of files that were being written, the largest last. */
  readonly busy: readonly string[]
}

/**
 * Copy a tree that is changing into an empty folder, and then once more what changed during that: the first pass takes
 * time in proportion to the data, the second leaves little to copy.
 *
 * @returns what `copyChanges` needs, with everything that can be computed beforehand
 */
export async function copyWhileRunning(
  engine: Engine,
  source: string,
  target: string,
  signal?: AbortSignal,
): Promise<Copied> {
  const first = await readFlushed(source, signal)
  await engine.copyTree(plain(source), plain(target), first, signal)
  const second = await readFlushed(source, signal)
  const changes = changesSince(first, second)
  const update = new Update(source, target)
  await applyChanges(source, target, { tree: second, changes, update }, { changing: true, ...(signal && { signal }) })
  await update.write(second, new Set(changes.touched), signal)
  // Unwritten pages of the copy would slow down Rancher's last writes.
  await flush(target, signal)
  const sizeOf = (path: string) => second.entries.get(path)?.bytes ?? 0
  // Not files with several names: which of these are still the same file is known only after the next look.
  const busy = busyFiles(second)
    .filter(path => second.entries.get(path)?.links === 1)
    .sort((a, b) => sizeOf(a) - sizeOf(b))
  return { ...second, busy }
}

async function readFlushed(source: string, signal?: AbortSignal): Promise<Tree> {
  await flush(source, signal)
  return await readTree(source, { changing: true, ...(signal && { signal }) })
}

/**
 * Update a copy of `before` from the tree, which must not change until this returns.
 *
 * @returns the tree as it is now, for `checkCopy`; how much of it was examined; and the remaining work, which
 *   no longer needs the tree
 */
export async function copyChanges(
  source: string,
  target: string,
  before: Copied,
  signal?: AbortSignal,
): Promise<{ tree: Tree; files: number; bytes: number; complete: (signal: AbortSignal) => Promise<void> }> {
  const update = new Update(source, target)
  // Files that were being written have changed since, so they are compared while the tree is read.
  const busy = [...before.busy]
  const look = async () => {
    const now = await readTree(source, { changing: false, ...(signal && { signal }) })
    busy.length = 0
    return now
  }
  const [tree] = await Promise.all([look(), update.compare(busy, signal)])
  const changes = changesSince(before, tree)
  await applyChanges(source, target, { tree, changes, update }, { changing: false, ...(signal && { signal }) })
  const touched = new Set(changes.touched)
  return {
    tree,
    files: touched.size,
    bytes: treeBytes(tree, touched),
    complete: stop => update.write(tree, touched, stop),
  }
}

/** Do everything that needs the source; `update.write` remains. */
async function applyChanges(
  source: string,
  target: string,
  { tree, changes, update }: { tree: Tree; changes: Changes; update: Update },
  options: { changing: boolean; signal?: AbortSignal },
): Promise<void> {
  for (const path of changes.obsolete) await rm(within(target, path), { recursive: true, force: true })
  await update.compare(
    changes.inPlace.filter(path => !update.has(path)),
    options.signal,
  )
  // The contents are there or found: what rsync adds is new files, all other kinds, several names of a file, and
  // everyone's rights and times but those of files that the update writes.
  const single = new Set(changes.inPlace.filter(path => tree.entries.get(path)?.links === 1))
  const others = changes.touched.filter(path => !single.has(path))
  await rsyncFiles(['--size-only'], plain(source), plain(target), others, options)
}

/**
 * Compare a finished copy with the tree that it was made from, entry by entry, and remove what the tree does not have.
 *
 * @throws Failure copy naming the first differences
 */
export async function checkCopy(target: string, tree: Tree, signal?: AbortSignal): Promise<void> {
  const { extra, wrong } = differences(tree, await readTree(target, { changing: false, ...(signal && { signal }) }))
  for (const path of extra) await rm(within(target, path), { recursive: true, force: true })
  if (wrong.length > 0) {
    const named = wrong.slice(0, NAMED).map(text => Buffer.from(text, 'latin1').toString())
    throw new Failure('copy', `the copy differs from Rancher's data in ${wrong.length} places: ${named.join('; ')}`)
  }
}

function plain(folder: string): string {
  return folder.replace(/\/+$/, '')
}
