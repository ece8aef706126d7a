import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { execa } from 'execa'
import { lock } from '../run/lock.ts'
import { log, progress } from '../run/log.ts'
import { Failure, type Result } from '../run/outcome.ts'
import type { ReplicateSettings } from './settings.ts'
import { checkSize, checkSource, isMountPoint, type TreeSize } from './source-check.ts'
import { walk } from './tree.ts'

// rsync's own: some files vanished before they could be read. The tree is in use, so that is no failure.
const VANISHED = 24

// On the target, where it is writable: a lock over NFS needs that.
const LOCK = '.fragalysis-backups.lock'

/** Copy the source to another volume with rsync, after the source was compared with what that volume holds. */
export async function mirrorToVolume(
  settings: Omit<ReplicateSettings, 'target'> & { target: string },
  stop: AbortSignal,
): Promise<Result> {
  const { source, target } = settings
  checkSource(source, settings)
  if (!existsSync(target)) throw new Failure('volume', `the target ${target} is missing: mount it`)
  if (settings.mounted && !isMountPoint(target)) {
    throw new Failure('volume', `the target ${target} is not mounted: the copy would be lost with the pod`)
  }
  const letGo = await lock(`${target}/${LOCK}`, settings.system)
  try {
    const began = Date.now()
    const now = sizeOf(source)
    const copy = sizeOf(target)
    log(`${source}: ${now.files} files; ${target}: ${copy.files} files`)
    checkSize(source, now, copy.files > 0 ? copy : undefined, settings)
    const args = ['--archive', '--exclude=lost+found/', `--exclude=/${LOCK}`, '--stats']
    // What is gone from the source goes last, so that a run killed on its way has deleted nothing.
    if (settings.mirror) args.push('--delete-after')
    args.push(settings.quiet ? '--info=progress2' : '--verbose')
    if (settings.bandwidth) args.push(`--bwlimit=${Math.max(1, Math.floor(settings.bandwidth / 1024))}`)
    const rsync = execa('rsync', [...args, `${source}/`, target], {
      reject: false,
      cancelSignal: stop,
      stdin: 'ignore',
      // A line a file, of which there may be any number.
      buffer: false,
    })
    const [stats, complaint] = await Promise.all([
      follow(rsync.stdout, settings.quiet ? progress('rsync', now.bytes) : undefined),
      lastLine(rsync.stderr),
    ])
    const { exitCode, signal } = await rsync
    stop.throwIfAborted()
    if (exitCode !== 0 && exitCode !== VANISHED) {
      throw new Failure('copy', `rsync ended with ${exitCode ?? signal}: ${complaint}`)
    }
    if (exitCode === VANISHED) log('some files vanished while they were read; the next run sees to them')
    const after = sizeOf(target)
    return {
      system: settings.system,
      target,
      files: after.files,
      bytes: after.bytes,
      transferred: figure(stats, /Number of regular files transferred: ([\d,]+)/),
      deleted: figure(stats, /Number of deleted files: ([\d,]+)/),
      seconds: (Date.now() - began) / 1000,
    }
  } finally {
    await letGo()
  }
}

function sizeOf(root: string): TreeSize {
  const size = { files: 0, bytes: 0 }
  for (const { type, bytes, path } of walk(root, () => {})) {
    if (type !== 'file' || path === LOCK) continue
    size.files += 1
    size.bytes += bytes
  }
  return size
}

// rsync's closing figures are less than a thousand bytes.
const TAIL = 4096

/** Tell how far rsync is, or pass on the names that it tells. @returns the end of what it said */
async function follow(stdout: Readable, tell: ((bytes: number) => void) | undefined): Promise<string> {
  let tail = ''
  for await (const chunk of stdout) {
    tail = (tail + chunk).slice(-TAIL)
    if (!tell) process.stderr.write(chunk)
    const done = /.*\r\s*([\d,]+)\s+\d+%/s.exec(tail)?.[1]
    if (done) tell?.(number(done))
  }
  return tail
}

/** Log what rsync complains of. @returns the last of it */
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
