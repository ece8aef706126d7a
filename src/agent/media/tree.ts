import { lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs'
import { Failure } from '../run/outcome.ts'
import { isMark } from '../run/volume-mark.ts'
import { bytesOf } from './names.ts'
import { isOwnFolder } from './own-folder.ts'

/**
 * An entry of the tree. Times are microseconds since 1970; those of a file come from a walk that holds milliseconds as
 * a double, so they may be off by one (`sameTime`).
 */
export interface TreeEntry {
  type: 'file' | 'folder' | 'link'
  /** Relative to the root, without a leading slash; see `names.ts` for its form. */
  path: string
  bytes: number
  mtime: number
  ctime: number
  inode: number
  mode: number
  uid: number
  gid: number
  /** The target of a link, raw like a path. */
  target?: string
}

/** A path that the walk leaves out. */
export interface Skipped {
  path: string
  why: string
  /** It exists but cannot be read: it and what is below it must not count as deleted. */
  unreadable: boolean
}

const LOST_AND_FOUND = 'lost+found'

/**
 * Walk a tree in `inWalkOrder`, each folder before its content, without the root itself. Leaves out, at the top,
 * `lost+found`, the folders created by restores, and the lock of a replica; and everything that is not a file, folder
 * or symbolic link.
 *
 * Synchronous calls: they take 0.3 s for 135,000 files, promises four times as long.
 *
 * @throws Failure source if the root cannot be read
 */
export function* walk(root: string, skipped: (what: Skipped) => void): Generator<TreeEntry> {
  yield* walkFolder(root.endsWith('/') ? root : `${root}/`, '', skipped)
}

function* walkFolder(root: string, folder: string, skipped: (what: Skipped) => void): Generator<TreeEntry> {
  let names: string[]
  try {
    names = readdirSync(bytesOf(root + folder), { encoding: 'latin1' })
  } catch (error) {
    if (folder === '') throw new Failure('source', `cannot read ${root}: ${(error as Error).message}`)
    skipped(skippedFor(folder.slice(0, -1), error))
    return
  }
  names.sort()
  for (const name of names) {
    if (folder === '' && (name === LOST_AND_FOUND || isOwnFolder(root, name) || isMark(root, name))) {
      skipped({ path: name, why: 'it belongs to the volume', unreadable: false })
      continue
    }
    const path = folder + name
    const absolute = bytesOf(root + path)
    try {
      const stats = lstatSync(absolute)
      if (stats.isFile()) yield entry('file', path, stats)
      else if (stats.isDirectory()) {
        yield withExactTime(entry('folder', path, stats), absolute)
        yield* walkFolder(root, `${path}/`, skipped)
      } else if (stats.isSymbolicLink()) {
        const target = readlinkSync(absolute, { encoding: 'latin1' })
        yield { ...withExactTime(entry('link', path, stats), absolute), target }
      } else skipped({ path, why: 'it is a socket, a pipe or a device', unreadable: false })
    } catch (error) {
      if (error instanceof Failure || (error as NodeJS.ErrnoException).syscall === undefined) throw error
      skipped(skippedFor(path, error))
    }
  }
}

function skippedFor(path: string, error: unknown): Skipped {
  return isGone(error)
    ? { path, why: 'it was deleted during the walk', unreadable: false }
    : { path, why: (error as Error).message, unreadable: true }
}

/** With the exact time that a restore must set, since no content distinguishes two of them. */
export function withExactTime(entry: TreeEntry, absolute: Buffer): TreeEntry {
  const stats = lstatSync(absolute, { bigint: true, throwIfNoEntry: false })
  return stats ? { ...entry, mtime: microseconds(stats.mtimeNs) } : entry
}

/** Nanoseconds rounded to microseconds; negative before 1970. */
export function microseconds(nanoseconds: bigint): number {
  const half = nanoseconds < 0n ? -500n : 500n
  return Number((nanoseconds + half) / 1000n)
}

/** Whether two times (µs) of a file are equal within double precision. */
export function sameTime(a: number, b: number): boolean {
  return Math.abs(a - b) <= 1 + Math.abs(a) * 2 ** -50
}

/** An entry from the result of a stat. */
export function entry(type: TreeEntry['type'], path: string, stats: Stats): TreeEntry {
  return {
    type,
    path,
    bytes: type === 'file' ? stats.size : 0,
    mtime: Math.round(stats.mtimeMs * 1000),
    ctime: Math.round(stats.ctimeMs * 1000),
    inode: stats.ino,
    mode: stats.mode & 0o7777,
    uid: stats.uid,
    gid: stats.gid,
  }
}

/** Whether an error means that a path does not exist. */
export function isGone(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code
  return code === 'ENOENT' || code === 'ENOTDIR'
}
