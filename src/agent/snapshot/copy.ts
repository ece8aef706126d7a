import { rm } from 'node:fs/promises'
import { Failure } from '../outcome.ts'
import { busyFiles, type Engine, rsyncFiles, updateFile } from './engine.ts'
import { stagingFull } from './program.ts'
import { bytesOf, type Changes, changesSince, differences, flush, readTree, type Tree } from './tree.ts'

// Files that are compared at the same time: as many as libuv reads at once.
const AT_ONCE = 4
// What a message names of very many.
const NAMED = 5

/**
 * Copy a tree that is changing into an empty folder, and then once more what changed during that: the first pass takes
 * as long as there is data, the second makes the rest small.
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
  await engine.copyTree(plain(source), plain(target), first, signal)
  const second = await readFlushed(source, signal)
  await applyChanges(source, target, changesSince(first, second), { changing: true, ...(signal && { signal }) })
  // What the disk still has to take in of the copy would slow Rancher's own last writes down.
  await flush(target, signal)
  return second
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
  source: string,
  target: string,
  before: Tree,
  signal?: AbortSignal,
): Promise<{ tree: Tree; files: number; bytes: number }> {
  // What was being written then was written since, and is compared while the whole tree is looked at. Not what has several
  // names: which of them are still the same file, only that look tells.
  const busy = busyFiles(before).filter(path => before.entries.get(path)?.links === 1)
  const [tree] = await Promise.all([
    readTree(source, { changing: false, ...(signal && { signal }) }),
    updateFiles(source, target, busy, signal),
  ])
  const changes = changesSince(before, tree)
  const compared = new Set(busy)
  const inPlace = changes.inPlace.filter(path => !compared.has(path))
  await applyChanges(source, target, { ...changes, inPlace }, { changing: false, ...(signal && { signal }) })
  const touched = new Set(changes.touched)
  const entries = new Map([...tree.entries].filter(([path]) => touched.has(path)))
  return { tree, files: touched.size, bytes: bytesOf({ taken: tree.taken, entries }) }
}

async function applyChanges(
  source: string,
  target: string,
  { touched, inPlace, obsolete }: Changes,
  options: { changing: boolean; signal?: AbortSignal },
): Promise<void> {
  for (const path of obsolete) await rm(within(target, path), { recursive: true, force: true })
  await updateFiles(source, target, inPlace, options.signal)
  // The contents are there: what rsync adds is new files, all other kinds, and everyone's rights and times.
  await rsyncFiles(['--size-only'], plain(source), plain(target), touched, options)
}

// It is no file any more, here or there, or is gone: what it is now, the comparison of the trees tells.
const OTHER_NOW = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP'])

const NO_ROOM = new Set(['ENOSPC', 'EDQUOT'])

async function updateFiles(source: string, target: string, paths: readonly string[], signal?: AbortSignal) {
  const queue = [...paths]
  const worker = async () => {
    for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
      try {
        await updateFile(within(source, path), within(target, path), signal)
      } catch (error) {
        const { code = '', message } = error as NodeJS.ErrnoException
        if (NO_ROOM.has(code)) throw stagingFull(message)
        if (!OTHER_NOW.has(code)) throw error
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
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
