import { rm } from 'node:fs/promises'
import { Failure } from '../run/outcome.ts'
import { busyFiles, type Engine, rsyncFiles } from './engine.ts'
import { type Changes, changesSince, differences, flush, readTree, type Tree, treeBytes } from './tree.ts'
import { Update, within } from './update.ts'

// What a message names of very many.
const NAMED = 5

/** A tree as a copy has it. */
export interface Copied extends Tree {
  /** Paths of files that were being written, the largest last. */
  readonly busy: readonly string[]
}

/**
 * Copy a tree that is changing into an empty folder, and then once more what changed during that: the first pass takes
 * as long as there is data, the second makes the rest small.
 *
 * @returns what `copyChanges` needs, with all that can be found out of it beforehand
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
  // What the disk still has to take in of the copy would slow Rancher's own last writes down.
  await flush(target, signal)
  const sizeOf = (path: string) => second.entries.get(path)?.bytes ?? 0
  // Not what has several names: which of them are still the same file, only the next look tells.
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
 * Bring a copy of `before` up to date with the tree, which no longer changes until this returns.
 *
 * @returns the tree as it is now, for `checkCopy`; how much of it had to be looked at; and what is left to do, which
 *   needs the tree no more
 */
export async function copyChanges(
  source: string,
  target: string,
  before: Copied,
  signal?: AbortSignal,
): Promise<{ tree: Tree; files: number; bytes: number; complete: (signal: AbortSignal) => Promise<void> }> {
  const update = new Update(source, target)
  // What was being written then was written since, and is compared while the whole tree is looked at.
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

/** Do all that needs the source; what is left is `update.write`. */
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
