import { existsSync } from 'node:fs'
import { execa } from 'execa'
import type { ReplicateSettings } from './environment.ts'
import { lock } from './lock.ts'
import { log } from './log.ts'
import { Failure, type Result } from './outcome.ts'
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
    if (!settings.quiet) args.push('--verbose')
    if (settings.bandwidth) args.push(`--bwlimit=${Math.max(1, Math.floor(settings.bandwidth / 1024))}`)
    const run = execa('rsync', [...args, `${source}/`, target], {
      reject: false,
      cancelSignal: stop,
      stdin: 'ignore',
      buffer: true,
      maxBuffer: 1_000_000,
      stderr: ['pipe', 'inherit'],
      ...(settings.quiet ? {} : { stdout: ['pipe', 'inherit'] }),
    })
    const done = await run
    stop.throwIfAborted()
    if (done.exitCode !== 0 && done.exitCode !== VANISHED) {
      throw new Failure('copy', `rsync ended with ${done.exitCode ?? done.signal}: ${lastLine(done.stderr)}`)
    }
    if (done.exitCode === VANISHED) log('some files vanished while they were read; the next run sees to them')
    const after = sizeOf(target)
    return {
      system: settings.system,
      target,
      files: after.files,
      bytes: after.bytes,
      transferred: figure(done.stdout, /Number of regular files transferred: ([\d,]+)/),
      deleted: figure(done.stdout, /Number of deleted files: ([\d,]+)/),
      seconds: (Date.now() - began) / 1000,
    }
  } finally {
    await letGo()
  }
}

function sizeOf(root: string): TreeSize {
  const size = { files: 0, bytes: 0 }
  for (const { type, bytes } of walk(root, () => {})) {
    if (type !== 'file') continue
    size.files += 1
    size.bytes += bytes
  }
  return size
}

function figure(stats: unknown, pattern: RegExp): number {
  return Number(pattern.exec(String(stats))?.[1]?.replaceAll(',', '') ?? 0)
}

function lastLine(text: unknown): string {
  return String(text).trim().split('\n').at(-1) ?? ''
}
