import { inWalkOrder } from './names.ts'
import { sameTime, type TreeEntry } from './tree.ts'

/** What has to be done to a volume to make it a copy of the source. Paths are raw (names.ts). */
export interface VolumePlan {
  /** New or different. */
  copy: string[]
  /** Equal by size and time, but changed since they were copied: their content decides. */
  compare: string[]
  /** Of another type than in the source (folder, file, link): removed before anything is copied there. */
  replace: string[]
  /** Not in the source. */
  gone: string[]
}

/**
 * Compare a source with its copy on a volume, by the same rule as for copies in a bucket: a file is unchanged if its
 * size and time are, and its ctime is before that of the copy. Kernel clocks tick every few milliseconds: a change in the
 * tick of the copy has the same ctime.
 *
 * @param source in walk order
 * @param target in walk order
 */
export function planVolume(source: Iterable<TreeEntry>, target: Iterable<TreeEntry>): VolumePlan {
  const plan: VolumePlan = { copy: [], compare: [], replace: [], gone: [] }
  const there = target[Symbol.iterator]()
  let next = there.next()
  // What is below a removed entry is removed with it.
  let removed: string | undefined
  const extra = (entry: TreeEntry): void => {
    if (removed !== undefined && entry.path.startsWith(`${removed}/`)) return
    plan.gone.push(entry.path)
    removed = entry.path
  }
  for (const entry of source) {
    while (!next.done && inWalkOrder(next.value.path, entry.path) < 0) {
      extra(next.value)
      next = there.next()
    }
    const copy = !next.done && next.value.path === entry.path ? next.value : undefined
    if (copy) next = there.next()
    if (!copy) plan.copy.push(entry.path)
    else if (copy.type !== entry.type) {
      plan.replace.push(entry.path)
      plan.copy.push(entry.path)
      removed = entry.path
    } else if (!isAlike(entry, copy)) plan.copy.push(entry.path)
    else if (entry.ctime > copy.ctime || sameTime(entry.ctime, copy.ctime)) {
      if (entry.type === 'file') plan.compare.push(entry.path)
      // A link or folder has no content that could decide: if the time may be another one, it is copied.
      else if (!sameTime(entry.mtime, copy.mtime)) plan.copy.push(entry.path)
    }
  }
  for (; !next.done; next = there.next()) extra(next.value)
  return plan
}

/** Whether a copy has what the entry has, except its content. */
export function isAlike(entry: TreeEntry, copy: TreeEntry): boolean {
  return (
    entry.bytes === copy.bytes &&
    entry.uid === copy.uid &&
    entry.gid === copy.gid &&
    entry.target === copy.target &&
    (entry.type === 'link' || entry.mode === copy.mode) &&
    (sameTime(entry.mtime, copy.mtime) || isWholeSecondOf(entry.mtime, copy.mtime))
  )
}

// Some file servers store whole seconds: then only a file's ctime shows a change within one second.
function isWholeSecondOf(mtime: number, copied: number): boolean {
  return copied % 1e6 === 0 && Math.floor(mtime / 1e6) === copied / 1e6
}

/** The folders that contain these paths, each once, without the root. */
export function foldersOf(paths: readonly string[]): string[] {
  const folders = new Set<string>()
  for (const path of paths) {
    const slash = path.lastIndexOf('/')
    if (slash > 0) folders.add(path.slice(0, slash))
  }
  return [...folders]
}
