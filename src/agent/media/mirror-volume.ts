import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { execa } from 'execa'
import { lock } from '../run/lock.ts'
import { log, passOn, progress } from '../run/log.ts'
import { Failure, type Result } from '../run/outcome.ts'
import { markVolume, type ownerIn, requireOwnVolume } from '../run/volume-mark.ts'
import { bytesOf, rawOf, shown } from './names.ts'
import { lockName } from './own-folder.ts'
import { removeTree } from './remove-tree.ts'
import type { ReplicateSettings } from './settings.ts'
import { checkSize, checkSource, isMountPoint, type TreeSize } from './source-check.ts'
import { type Skipped, type TreeEntry, walk } from './tree.ts'
import { foldersOf, planVolume } from './volume-plan.ts'

// rsync's exit code for files that vanished before they could be read. The tree is in use, so that is not a failure.
const VANISHED = 24

/**
 * Copy the source to another volume, after comparing it with what that volume holds. The differences are found by the
 * same walk as for copies in a bucket; rsync copies them.
 */
export async function mirrorToVolume(
  settings: Omit<ReplicateSettings, 'target'> & { target: string },
  owner: ReturnType<typeof ownerIn>,
  stop: AbortSignal,
): Promise<Result> {
  const { source, target, mirror } = settings
  checkSource(source, settings)
  if (!existsSync(target)) throw new Failure('volume', `the target ${target} is missing: mount it`)
  if (settings.mounted && !isMountPoint(target)) {
    throw new Failure('volume', `the target ${target} is not mounted: the copy would be lost with the pod`)
  }
  requireOwnVolume(target, owner)
  const lockFile = lockName(source)
  const unlock = await lock(`${target}/${lockFile}`, settings.system)
  try {
    markVolume(target, owner, lockFile)
    const began = Date.now()
    const unreadable: Skipped[] = []
    const now = [
      ...walk(source, skipped => {
        log(`left out ${shown(skipped.path)}: ${skipped.why}`)
        if (skipped.unreadable) unreadable.push(skipped)
      }),
    ]
    const copied = [...walk(target, () => {})]
    const [size, before] = [sizeOf(now), sizeOf(copied)]
    log(`${source}: ${size.files} files; ${target}: ${before.files} files`)
    checkSize(source, size, before.files > 0 ? before : undefined, settings)
    const plan = planVolume(now, copied)
    const kept = (path: string): boolean => unreadable.some(({ path: not }) => `${path}/`.startsWith(`${not}/`))
    const gone = mirror ? plan.gone.filter(path => !kept(path)) : []

    let deleted = 0
    for (const path of plan.replace) {
      log(`${shown(path)} has another type now: replacing it`)
      deleted += removeTree(`${rawOf(target)}/${path}`)
    }
    const changed = [...foldersOf([...plan.copy, ...plan.replace]), ...plan.copy]
    const transferred =
      (await rsync(settings, changed, size.bytes, stop)) +
      (await rsync(settings, plan.compare, size.bytes, stop, ['--checksum']))
    // Last, so that a run killed earlier has deleted nothing.
    for (const path of gone) deleted += removeTree(`${rawOf(target)}/${path}`)
    const folders = new Set(now.filter(({ type }) => type === 'folder').map(({ path }) => path))
    await rsync(
      settings,
      foldersOf([...plan.copy, ...gone]).filter(path => folders.has(path)),
      0,
      stop,
    )
    if (unreadable.length > 0) {
      const [first] = unreadable as [Skipped]
      throw new Failure(
        'copy',
        `${unreadable.length} paths cannot be read, the first: ${shown(first.path)} (${first.why}). Everything else was copied`,
      )
    }
    const after = sizeOf([...walk(target, () => {})])
    return {
      system: settings.system,
      target,
      files: after.files,
      bytes: after.bytes,
      transferred,
      deleted,
      seconds: (Date.now() - began) / 1000,
    }
  } finally {
    await unlock()
  }
}

/**
 * Copy these paths, folders without their content.
 * @returns the files that were transferred
 */
async function rsync(
  settings: Omit<ReplicateSettings, 'target'> & { target: string },
  paths: readonly string[],
  bytes: number,
  stop: AbortSignal,
  how: readonly string[] = [],
): Promise<number> {
  if (paths.length === 0) return 0
  // Times are compared to the nanosecond.
  const args = ['--archive', '--modify-window=-1', '--sparse', '--files-from=-', '--from0', '--stats', ...how]
  args.push(settings.quiet ? '--info=progress2' : '--verbose')
  if (settings.bandwidth) args.push(`--bwlimit=${Math.max(1, Math.floor(settings.bandwidth / 1024))}`)
  const rsync = execa('rsync', [...args, `${settings.source}/`, settings.target], {
    reject: false,
    cancelSignal: stop,
    // Without "./", a name that begins with # or ; would be read as a comment.
    input: bytesOf(paths.map(path => `./${path}\0`).join('')),
    // One line a file, of which there may be any number.
    buffer: false,
  })
  const [stats, complaint] = await Promise.all([
    follow(rsync.stdout, settings.quiet ? progress('rsync', bytes) : undefined),
    lastLine(rsync.stderr),
  ])
  const { exitCode, signal } = await rsync
  stop.throwIfAborted()
  if (exitCode !== 0 && exitCode !== VANISHED) {
    throw new Failure('copy', `rsync ended with ${exitCode ?? signal}: ${complaint}. Nothing was deleted from the copy`)
  }
  if (exitCode === VANISHED) log('some files were deleted while they were read; the next run handles them')
  return figure(stats, /Number of regular files transferred: ([\d,]+)/)
}

function sizeOf(entries: readonly TreeEntry[]): TreeSize {
  const size = { files: 0, bytes: 0 }
  for (const { type, bytes } of entries) {
    if (type !== 'file') continue
    size.files += 1
    size.bytes += bytes
  }
  return size
}

// rsync's closing summary is shorter than a thousand bytes.
const TAIL = 4096

/**
 * Log rsync's progress, or pass on the names that it prints.
 * @returns the end of its output
 */
async function follow(stdout: Readable, tell: ((bytes: number) => void) | undefined): Promise<string> {
  let tail = ''
  for await (const chunk of stdout) {
    tail = (tail + chunk).slice(-TAIL)
    if (!tell) passOn(chunk)
    const done = /.*\r\s*([\d,]+)\s+\d+%/s.exec(tail)?.[1]
    if (done) tell?.(number(done))
  }
  return tail
}

/**
 * Log rsync's errors.
 * @returns the last of them
 */
async function lastLine(stderr: Readable): Promise<string> {
  let last = ''
  for await (const line of createInterface({ input: stderr })) {
    log(line)
    last = line
  }
  return last
}

function figure(stats: string, pattern: RegExp): number {
  return number(pattern.exec(stats)?.[1] ?? '0')
}

function number(text: string): number {
  return Number(text.replaceAll(',', ''))
}
