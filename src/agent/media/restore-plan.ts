import { createHash } from 'node:crypto'
import { lstatSync, readlinkSync, type Stats } from 'node:fs'
import { inParallel } from '../../store/parallel.ts'
import { md5OfFile, UNKNOWN } from './content.ts'
import type { ManifestEntry } from './manifest.ts'
import { bytesOf, keyOf, rawOf, shown } from './names.ts'
import { entry as entryOfStats, isGone, sameTime, type TreeEntry } from './tree.ts'

/** What a restore has to do at one path. */
export interface Step {
  entry: ManifestEntry
  /**
   * `make`: the path does not exist; `replace`: something else is there, which is moved aside; `attributes`: it exists
   * with another owner, mode or time.
   */
  action: 'make' | 'replace' | 'attributes'
}

/** What a restore has to do to a tree, in walk order. */
export interface MediaPlan {
  steps: Step[]
  same: number
  /** Files whose content has to be fetched, and their size in bytes. */
  fetch: ManifestEntry[]
  bytes: number
}

/**
 * The requested entries of a copy: all of them, or some files and folders with their content. The folders above those
 * are included, as they may have to be created.
 *
 * @param paths in the form of keys
 * @returns the entries, and the paths that the copy does not have
 */
export function select(
  entries: readonly ManifestEntry[],
  paths: readonly string[],
): { selected: ManifestEntry[]; above: Set<string>; missing: string[] } {
  if (paths.length === 0) return { selected: [...entries], above: new Set(), missing: [] }
  const wanted = paths.map(rawOf)
  const above = new Set(wanted.flatMap(ancestors))
  const found = new Set<string>()
  const selected = entries.filter(({ path }) => {
    const hit = wanted.find(want => path === want || path.startsWith(`${want}/`))
    if (hit !== undefined) found.add(hit)
    return hit !== undefined || above.has(path)
  })
  const missing = wanted.filter(want => !found.has(want)).map(keyOf)
  return { selected, above, missing }
}

/** One of so many parts of the files. */
export interface Part {
  of: number
  index: number
}

/** Whether a path is in this part. The same in every run, so that all parts together contain every path. */
export function isIn({ of, index }: Part, path: string): boolean {
  return createHash('md5').update(path, 'latin1').digest().readUInt32BE() % of === index
}

function ancestors(path: string): string[] {
  const parts = path.split('/')
  return parts.slice(1).map((_, depth) => parts.slice(0, depth + 1).join('/'))
}

const NAME_BYTES = 255

/**
 * Why an entry cannot be restored to its path, by entry: the path is invalid or leads out of the tree, or another entry
 * of the copy occupies it. Paths from a manifest are checked like any key: whoever can write to the bucket could
 * otherwise choose where this writes.
 */
export function impossible(entries: readonly ManifestEntry[]): Map<ManifestEntry, string> {
  const problems = new Map<ManifestEntry, string>()
  const byPath = new Map<string, ManifestEntry>()
  for (const entry of entries) {
    const parts = entry.path.split('/')
    const bad = parts.find(part => part === '' || part === '.' || part === '..' || part.includes('\0'))
    if (bad !== undefined)
      problems.set(entry, bad === '' ? 'it has an empty part' : `it has a part ${JSON.stringify(bad)}`)
    else if (parts.some(part => part.length > NAME_BYTES)) problems.set(entry, `a name has ${NAME_BYTES} bytes at most`)
    else if (byPath.has(entry.path)) problems.set(entry, 'the copy has another entry with this path')
    else byPath.set(entry.path, entry)
  }
  for (const entry of byPath.values()) {
    const above = ancestors(entry.path).find(path => (byPath.get(path)?.type ?? 'folder') !== 'folder')
    if (above !== undefined) problems.set(entry, `${shown(above)} is a ${byPath.get(above)?.type}, not a folder`)
  }
  return problems
}

/** The folders that a list of files implies but does not contain, as with a bucket without a manifest. */
export function withFolders(files: readonly ManifestEntry[]): ManifestEntry[] {
  const folders = new Set(files.flatMap(({ path }) => ancestors(path)))
  const unknown = { mtime: UNKNOWN, ctime: UNKNOWN, inode: UNKNOWN, mode: UNKNOWN, uid: UNKNOWN, gid: UNKNOWN }
  const made = [...folders].map((path): ManifestEntry => ({ type: 'folder', path, bytes: 0, ...unknown }))
  // A folder's path is a prefix of everything below it, so it sorts first.
  return [...made, ...files].sort((a, b) => (a.path < b.path ? -1 : 1))
}

/**
 * Compare the target with the copy. A file whose size, times and inode match the copy is the file that was copied; any
 * other file of the same size is read, as only its content can decide.
 *
 * @param above folders that are only needed because something below them is restored: they are correct as they are
 */
export async function planMedia(
  target: string,
  entries: readonly ManifestEntry[],
  above: ReadonlySet<string>,
  concurrency: number,
): Promise<MediaPlan> {
  const actions = new Map<ManifestEntry, Step['action'] | 'same'>()
  // Nothing exists below what is not a folder, even if the path resolves through a link.
  const blocked = new Set<string>()
  const toRead: ManifestEntry[] = []
  for (const entry of entries) {
    const parent = entry.path.slice(0, Math.max(0, entry.path.lastIndexOf('/')))
    const there = blocked.has(parent) ? undefined : present(target, entry.path)
    if (entry.type === 'folder' && there?.type !== 'folder') blocked.add(entry.path)
    if (!there) actions.set(entry, 'make')
    else if (there.type === 'special' || there.type !== entry.type || there.target !== entry.target) {
      actions.set(entry, 'replace')
    } else if (entry.type !== 'file') {
      actions.set(entry, above.has(entry.path) || attributesMatch(there, entry) ? 'same' : 'attributes')
    } else if (there.bytes !== entry.bytes) actions.set(entry, 'replace')
    else if (sameTime(there.mtime, entry.mtime) && sameTime(there.ctime, entry.ctime) && there.inode === entry.inode) {
      actions.set(entry, attributesMatch(there, entry) ? 'same' : 'attributes')
    } else {
      actions.set(entry, attributesMatch(there, entry) ? 'same' : 'attributes')
      toRead.push(entry)
    }
  }
  await inParallel(toRead, concurrency, async entry => {
    const same = entry.md5 !== undefined && (await md5OfFile(bytesOf(`${target}/${entry.path}`))) === entry.md5
    if (!same) actions.set(entry, 'replace')
  })
  // Creating an entry changes the time of its folder.
  const folders = new Map(entries.filter(entry => entry.type === 'folder').map(entry => [entry.path, entry]))
  for (const [{ path }, action] of actions) {
    if (action !== 'make' && action !== 'replace') continue
    const folder = folders.get(path.slice(0, Math.max(0, path.lastIndexOf('/'))))
    if (folder && !above.has(folder.path) && actions.get(folder) === 'same') actions.set(folder, 'attributes')
  }
  const plan: MediaPlan = { steps: [], same: 0, fetch: [], bytes: 0 }
  for (const entry of entries) {
    const action = actions.get(entry)
    if (!action || action === 'same') {
      plan.same += 1
      continue
    }
    plan.steps.push({ entry, action })
    if (entry.type === 'file' && action !== 'attributes') {
      plan.fetch.push(entry)
      plan.bytes += entry.bytes
    }
  }
  return plan
}

function present(target: string, path: string): TreeEntry | { type: 'special'; target?: undefined } | undefined {
  const absolute = bytesOf(`${target}/${path}`)
  let stats: Stats
  try {
    stats = lstatSync(absolute)
  } catch (error) {
    if (isGone(error)) return undefined
    throw error
  }
  if (stats.isFile()) return entryOfStats('file', path, stats)
  if (stats.isDirectory()) return entryOfStats('folder', path, stats)
  if (!stats.isSymbolicLink()) return { type: 'special' }
  return { ...entryOfStats('link', path, stats), target: readlinkSync(absolute, { encoding: 'latin1' }) }
}

/** Whether owner, mode and time match the copy, as far as it records them. The mode of a link is meaningless. */
export function attributesMatch(there: TreeEntry | { type: 'special' }, entry: ManifestEntry): boolean {
  if (there.type === 'special') return false
  const right = (is: number, should: number) => should === UNKNOWN || is === should
  return (
    right(there.uid, entry.uid) &&
    right(there.gid, entry.gid) &&
    (entry.mtime === UNKNOWN || sameTime(there.mtime, entry.mtime)) &&
    (entry.type === 'link' || right(there.mode, entry.mode))
  )
}
