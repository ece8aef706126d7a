import { lstatSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { log } from '../run/log.ts'
import { Failure } from '../run/outcome.ts'

/** Why a source is refused. */
type Rule = 'unmounted' | 'sentinel' | 'empty' | 'shrunken'

/** The size of a tree. */
export interface TreeSize {
  files: number
  bytes: number
}

/** What the source must satisfy before anything is copied or deleted. */
export interface Expected {
  /** The volume must be a mount, as it is in a pod. */
  mounted: boolean
  /** A path below the source that must exist. */
  sentinel: string | undefined
  shrinkLimitPercent: number
  /** `<rule>:<person>:<YYYY-MM-DD>`: skips one rule on that day (UTC). */
  override: string | undefined
}

/** @throws Failure source if it is missing, not a folder, not mounted, or lacks its sentinel */
export function checkSource(source: string, expected: Expected): void {
  const stats = statSync(source, { throwIfNoEntry: false })
  if (!stats?.isDirectory()) throw new Failure('source', `the source ${source} is missing: mount it`)
  if (expected.mounted && !isMountPoint(source)) {
    refuse('unmounted', `the source ${source} is not mounted`, expected.override)
  }
  if (expected.sentinel && !lstatSync(join(source, expected.sentinel), { throwIfNoEntry: false })) {
    refuse('sentinel', `${expected.sentinel} is missing in the source ${source}`, expected.override)
  }
}

/**
 * Compare the source with the last good copy. A first copy has nothing to compare with: then only an empty source is
 * refused.
 *
 * @throws Failure source
 */
export function checkSize(source: string, now: TreeSize, copy: TreeSize | undefined, expected: Expected): void {
  const has = `${now.files} files and ${now.bytes} bytes`
  if (now.files === 0) refuse('empty', `the source ${source} has no files`, expected.override)
  if (!copy) return
  const share = 1 - expected.shrinkLimitPercent / 100
  if (now.files < copy.files * share || now.bytes < copy.bytes * share) {
    const had = `${copy.files} files and ${copy.bytes} bytes`
    const limit = `more than the ${expected.shrinkLimitPercent} % that BACKUP_SHRINK_LIMIT_PERCENT allows`
    refuse(
      'shrunken',
      `the source ${source} has ${has}, the last copy ${had}: it has shrunk by ${limit}`,
      expected.override,
    )
  }
}

function refuse(rule: Rule, finding: string, override: string | undefined): void {
  const today = new Date().toISOString().slice(0, 10)
  const [named, person, day] = (override ?? '').split(':')
  if (named === rule && person && day === today) {
    log(`${finding}; accepted by ${person} for today (${today})`)
    return
  }
  const stale = override ? ` (BACKUP_OVERRIDE is "${override}", which does not apply here)` : ''
  throw new Failure(
    'source',
    `${finding}${stale}. Nothing was copied or deleted. If this is intended, run once with BACKUP_OVERRIDE=${rule}:<your name>:${today}`,
  )
}

/** Whether a folder is the root of a mount. */
export function isMountPoint(folder: string): boolean {
  const path = resolve(folder)
  // The fifth field is the mount point, with blanks and some other characters as octal escapes.
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .some(
      line =>
        line.split(' ')[4]?.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8))) ===
        path,
    )
}
