import { rm } from 'node:fs/promises'
import { Failure } from '../outcome.ts'
import { type Engine, rsync } from './engine.ts'
import { bytesOf, type Changes, changesSince, differences, flush, readTree, type Tree } from './tree.ts'

// Files that are compared at the same time: as many as libuv reads at once.
const AT_ONCE = 4
// What a message names of very many.
const NAMED = 5

/**
 * Copy a tree that is changing into an empty folder, and then bring what changed during that up to date, or take it out
 * again: the first pass takes as long as there is data, the second makes the rest small.
 *
 * @returns the tree as the copy has it, for `copyChanges`
 */
export async function copyWhileRunning(
  engine: Engine,
  source: string,
  target: string,
  signal?: AbortSignal,
): Promise<Tree> {
  const first = await readFlushed(source, signal)
  await engine.copyTree(source, target, signal)
  const second = await readFlushed(source, signal)
  const changes = changesSince(first, second)
  let copied = second
  if (engine.busyLast) copied = await withoutChanged(target, second, changes)
  else await applyChanges(engine, source, target, second, changes, { changing: true, ...(signal && { signal }) })
  // What the disk still has to take in of the copy would slow Rancher's own last writes down.
  await flush(target, signal)
  return copied
}

/** Take what changed out of a copy. @returns the tree without it, as the copy has it now */
async function withoutChanged(target: string, tree: Tree, { touched, obsolete }: Changes): Promise<Tree> {
  for (const path of obsolete) await rm(within(target, path), { recursive: true, force: true })
  const entries = new Map(tree.entries)
  for (const path of touched) {
    if (entries.get(path)?.kind !== 'd') await rm(within(target, path), { force: true })
    entries.delete(path)
  }
  return { taken: tree.taken, entries }
}

async function readFlushed(source: string, signal?: AbortSignal): Promise<Tree> {
  await flush(source, signal)
  return await readTree(source, { changing: true, ...(signal && { signal }) })
}

/**
 * Bring a copy of `before` up to date with the tree, which no longer changes.
 *
 * @returns the tree as it is now, for `checkCopy`, and how much of it had to be looked at
 */
export async function copyChanges(
  engine: Engine,
  source: string,
  target: string,
  before: Tree,
  signal?: AbortSignal,
): Promise<{ tree: Tree; files: number; bytes: number }> {
  const tree = await readTree(source, { changing: false, ...(signal && { signal }) })
  const changes = changesSince(before, tree)
  await applyChanges(engine, source, target, tree, changes, { changing: false, ...(signal && { signal }) })
  const touched = new Set(changes.touched)
  const entries = new Map([...tree.entries].filter(([path]) => touched.has(path)))
  return { tree, files: touched.size, bytes: bytesOf({ taken: tree.taken, entries }) }
}

async function applyChanges(
  engine: Engine,
  source: string,
  target: string,
  now: Tree,
  { touched, inPlace, obsolete }: Changes,
  options: { changing: boolean; signal?: AbortSignal },
): Promise<void> {
  for (const path of obsolete) await rm(within(target, path), { recursive: true, force: true })
  const queue = engine.busyLast ? touched.filter(path => now.entries.get(path)?.kind === 'f') : [...inPlace]
  const worker = async () => {
    for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
      try {
        await engine.updateFile(within(source, path), within(target, path), options.signal)
      } catch (error) {
        // Not in the copy (it was made and gone while the first pass came by), or gone from the source again.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  if (touched.length === 0) return
  // The contents are there: what rsync adds is new files, all other kinds, and everyone's rights and times.
  await rsync(['--size-only', '--from0', '--files-from=-', `${plain(source)}/`, `${plain(target)}/`], {
    ...options,
    input: Buffer.from(touched.map(path => `./${path}\0`).join(''), 'latin1'),
  })
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

/** A path below a folder, in the bytes that its name has. */
function within(folder: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(path, 'latin1')])
}

function plain(folder: string): string {
  return folder.replace(/\/+$/, '')
}
