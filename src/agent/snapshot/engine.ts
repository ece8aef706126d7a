import { constants } from 'node:fs'
import { copyFile, type FileHandle, mkdtemp, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { programFailure } from './program.ts'
import { onlyVanished } from './tree.ts'

/** A way to copy a tree, and to bring single files of the copy up to date. */
export interface Engine {
  readonly name: 'reflink' | 'delta'
  /** Whether the copy takes as much room as the tree. */
  readonly takesRoom: boolean
  /** Copy a tree that may be changing into an empty folder: kinds, owners, rights, times, links, attributes. */
  copyTree(source: string, target: string, signal?: AbortSignal): Promise<void>
  /**
   * Whether what changes while Rancher runs is left out of the copy until Rancher is stopped, and then made anew by
   * `updateFile`; else it is brought up to date in place, as often as one likes.
   */
  readonly busyLast: boolean
  /** Make a file of the copy hold what the source holds; its times and rights are not touched. */
  updateFile(source: Buffer, target: Buffer, signal?: AbortSignal): Promise<void>
}

// Every kind of file, numbers of owners as they are, and times to the nanosecond: rsync alone takes times of the same
// second for equal. No ACLs and extended attributes: the archive of Rancher's documentation, which busybox must be able
// to read, has no place for them.
const RSYNC_EVERYTHING = ['--archive', '--hard-links', '--numeric-ids', '--sparse', '--modify-window=-1']

/** rsync's exit code for a source from which files vanished meanwhile. */
const RSYNC_VANISHED = 24

/** Run rsync. @param changing files may vanish from the source meanwhile */
export async function rsync(
  args: readonly string[],
  { changing, input, signal }: { changing: boolean; input?: Uint8Array; signal?: AbortSignal },
): Promise<void> {
  const { exitCode, stderr } = await execa('rsync', [...RSYNC_EVERYTHING, ...args], {
    reject: false,
    env: { LC_ALL: 'C' },
    ...(input && { input }),
    ...(signal && { cancelSignal: signal }),
  })
  signal?.throwIfAborted()
  if (exitCode === 0 || (changing && exitCode === RSYNC_VANISHED)) return
  throw programFailure('rsync', exitCode, stderr)
}

/** Compares block by block and writes what differs. Works everywhere. */
const delta: Engine = {
  name: 'delta',
  takesRoom: true,
  busyLast: false,
  copyTree: (source, target, signal) =>
    rsync(['--whole-file', `${source}/`, `${target}/`], { changing: true, ...(signal && { signal }) }),
  updateFile: async (source, target, signal) => {
    await using from = await open(source, constants.O_RDONLY | constants.O_NOFOLLOW)
    await using to = await open(target, constants.O_RDWR | constants.O_NOFOLLOW)
    await copyDifferentBlocks(from, to, signal)
  },
}

/**
 * Shares the source's blocks, which costs the same for any size: btrfs, XFS, and ZFS from 2.2.
 *
 * Not of files that are being written: each block that a program then writes goes elsewhere, the file falls into many
 * pieces, and it is these that a later copy takes its time for.
 */
const reflink: Engine = {
  name: 'reflink',
  takesRoom: false,
  busyLast: true,
  copyTree: async (source, target, signal) => {
    const { exitCode, stderr } = await execa('cp', ['--archive', '--reflink=always', `${source}/.`, `${target}/`], {
      reject: false,
      env: { LC_ALL: 'C' },
      ...(signal && { cancelSignal: signal }),
    })
    signal?.throwIfAborted()
    if (exitCode !== 0 && !onlyVanished(stderr)) throw programFailure('cp', exitCode, stderr)
  },
  updateFile: (source, target) => copyFile(source, target, constants.COPYFILE_FICLONE_FORCE),
}

/** The engine for a source and a staging folder: reflinks where a trial shows that they work, else delta. */
export async function chooseEngine(source: string, staging: string): Promise<Engine> {
  // The trial needs a file of the source, and may not make one there: any that is not empty will do.
  const { stdout } = await execa('find', [source, '-xdev', '-type', 'f', '-size', '+0', '-print0', '-quit'], {
    encoding: 'buffer',
    reject: false,
  })
  const sample = Buffer.from(stdout).subarray(0, -1)
  if (sample.length === 0) return delta
  const folder = await mkdtemp(join(staging, 'trial-'))
  try {
    await copyFile(sample, join(folder, 'clone'), constants.COPYFILE_FICLONE_FORCE)
    return reflink
  } catch {
    return delta
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

// Large enough that reading is not a matter of system calls; two of each are held while Rancher is stopped.
const CHUNK = 4 * 1024 * 1024
// What is written where something differs: etcd's pages are 4 KiB, and neighbours change together.
const BLOCK = 64 * 1024

async function copyDifferentBlocks(from: FileHandle, to: FileHandle, signal?: AbortSignal): Promise<void> {
  const wanted = Buffer.allocUnsafe(CHUNK)
  const found = Buffer.allocUnsafe(CHUNK)
  for (let at = 0; ; ) {
    signal?.throwIfAborted()
    const [a, b] = await Promise.all([from.read(wanted, 0, CHUNK, at), to.read(found, 0, CHUNK, at)])
    if (a.bytesRead === 0) {
      await to.truncate(at)
      return
    }
    for (let block = 0; block < a.bytesRead; block += BLOCK) {
      const end = Math.min(block + BLOCK, a.bytesRead)
      if (end <= b.bytesRead && wanted.compare(found, block, end, block, end) === 0) continue
      await to.write(wanted, block, end - block, at + block)
    }
    at += a.bytesRead
  }
}
