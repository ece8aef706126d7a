import { constants } from 'node:fs'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { onlyVanished, programFailure, type Tree } from './tree.ts'

/** A way to copy a tree while it is in use. */
export interface Engine {
  readonly name: 'reflink' | 'plain'
  /** Whether the copy takes as much space as the tree. */
  readonly takesRoom: boolean
  /** Copy a tree that may be changing into an empty folder: types, owners, modes, times, links, attributes. */
  copyTree(source: string, target: string, tree: Tree, signal?: AbortSignal): Promise<void>
}

// Every type of file, numeric owners, and times to the nanosecond: by default rsync treats times within the same
// second as equal. No ACLs and extended attributes: the archive of Rancher's documentation, which busybox must be able
// to read, cannot hold them.
const RSYNC_EVERYTHING = ['--archive', '--hard-links', '--numeric-ids', '--sparse', '--modify-window=-1']

/** rsync's exit code if source files vanished during the transfer. */
const RSYNC_VANISHED = 24

/** Run rsync. @param changing files may vanish from the source during the transfer */
async function rsync(
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

/** Copies every byte. Works everywhere. */
const plain: Engine = {
  name: 'plain',
  takesRoom: true,
  copyTree: (source, target, _tree, signal) =>
    rsync(['--whole-file', `${source}/`, `${target}/`], { changing: true, ...(signal && { signal }) }),
}

// k3s writes its database several times a second; a file unchanged for a minute is likely to stay unchanged.
const BUSY_SECONDS = 60

/** The files of a tree that are being written, judging by their times. */
export function busyFiles({ taken, entries }: Tree): string[] {
  return [...entries].flatMap(([path, { kind, ctime }]) => (kind === 'f' && ctime > taken - BUSY_SECONDS ? [path] : []))
}

/**
 * Shares the source's blocks, which costs neither time nor space: btrfs, XFS, and ZFS from 2.2.
 *
 * Files that are being written are not shared, because each block that Rancher writes to one would move for as long as
 * the copy exists: measured on XFS with 1,000 pages a second, an etcd database of 512 MiB fragmented into 70,000 extents over
 * five runs, then took 5 to 12 s to clone and Rancher half a minute to read. They are copied, and
 * compared while Rancher is stopped, as without reflinks.
 */
const reflink: Engine = {
  name: 'reflink',
  takesRoom: false,
  copyTree: async (source, target, tree, signal) => {
    await rsyncFiles(['--whole-file'], source, target, busyFiles(tree), { changing: true, ...(signal && { signal }) })
    const { exitCode, stderr } = await execa(
      'cp',
      ['--archive', '--reflink=always', '--update=none', `${source}/.`, `${target}/`],
      { reject: false, env: { LC_ALL: 'C' }, ...(signal && { cancelSignal: signal }) },
    )
    signal?.throwIfAborted()
    if (exitCode !== 0 && !onlyVanished(stderr)) throw programFailure('cp', exitCode, stderr)
  },
}

/** rsync of the named entries of a folder alone; folders without their contents. */
export async function rsyncFiles(
  args: readonly string[],
  source: string,
  target: string,
  paths: readonly string[],
  options: { changing: boolean; signal?: AbortSignal },
): Promise<void> {
  if (paths.length === 0) return
  await rsync([...args, '--from0', '--files-from=-', `${source}/`, `${target}/`], {
    ...options,
    input: Buffer.from(paths.map(path => `./${path}\0`).join(''), 'latin1'),
  })
}

/** The engine for a source and a staging folder: reflinks if a trial shows that they work, else plain copies. */
export async function chooseEngine(source: string, staging: string): Promise<Engine> {
  // The trial needs a file of the source, and may not make one there: any that is not empty will do.
  const { stdout } = await execa('find', [source, '-xdev', '-type', 'f', '-size', '+0', '-print0', '-quit'], {
    encoding: 'buffer',
    reject: false,
  })
  const sample = Buffer.from(stdout).subarray(0, -1)
  if (sample.length === 0) return plain
  const folder = await mkdtemp(join(staging, 'trial-'))
  try {
    await copyFile(sample, join(folder, 'clone'), constants.COPYFILE_FICLONE_FORCE)
    return reflink
  } catch {
    return plain
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
