import { lstatSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Environment } from '../../store/client.ts'
import { log } from './log.ts'
import { Failure } from './outcome.ts'

/** At the top of a volume that runs fill: the mark that says whose it is. On a replica it is the lock of the runs, too. */
export const MARK = '.fragalysis-backups.lock'

/** Whose a volume is. */
export interface Owner {
  readonly system: string
  /** `<cluster>/<namespace>`; missing in the environment of the old images. */
  readonly place: string | undefined
}

/** Whose runs the environment configures. `named`: it names the system; otherwise the name is derived, and may change. */
export function ownerIn(env: Environment, system: string): Owner & { readonly named: boolean } {
  return { system, place: env.BACKUP_PLACE || undefined, named: Boolean(env.BACKUP_SYSTEM) }
}

/** The content of a mark. Marks of earlier versions have no system. */
interface Mark extends Partial<Owner> {
  /** Its own: a copy of a mark has another, marks nothing and belongs to the user. */
  readonly inode: number
}

/** Whether an entry at the top of a volume is the mark of the runs that fill it. */
export function isMark(root: string, name: string): boolean {
  return markIn(root, name) !== undefined
}

function markIn(root: string, name: string): Mark | undefined {
  if (!name.startsWith(MARK)) return undefined
  const path = join(root, name)
  try {
    const stats = lstatSync(path)
    if (!stats.isFile()) return undefined
    const mark = JSON.parse(readFileSync(path, 'utf8')) as Mark | null
    return mark?.inode === stats.ino ? mark : undefined
  } catch {
    return undefined
  }
}

/**
 * Refuse a volume that another system, or the system of this name in another place, has marked as its own. A volume
 * without a mark, such as one that the old images filled, belongs to whoever comes first.
 *
 * @throws Failure foreign
 */
export function requireOwnVolume(root: string, { system, place }: Owner): void {
  let names: string[]
  try {
    names = readdirSync(root)
  } catch {
    // That it is missing or cannot be read is found, and said, by whoever uses it.
    return
  }
  for (const name of names) {
    const mark = markIn(root, name)
    if (mark?.system === undefined) continue
    const samePlace = mark.place === undefined || place === undefined || mark.place === place
    if (mark.system === system && samePlace) continue
    const owner = `${mark.system}${mark.place === undefined ? '' : ` (${mark.place})`}`
    const own = `${system}${place === undefined ? '' : ` (${place})`}`
    throw new Failure(
      'foreign',
      `the volume ${root} belongs to ${owner}, and this run is of ${own}: nothing was written or removed. Give each system a volume of its own; if ${owner} does not use this one any more, delete ${join(root, name)}`,
    )
  }
}

/**
 * Mark a volume as a system's own. The time of the mark is that of the run. The caller must hold the lock of the volume.
 *
 * @param name of the mark, if it is not the usual one
 * @throws Failure foreign
 */
export function markVolume(root: string, { named, ...owner }: ReturnType<typeof ownerIn>, name = MARK): void {
  requireOwnVolume(root, owner)
  const path = join(root, name)
  const known = markIn(root, name)
  // Written by each run, for its time; and in place, because a lock is held by the inode.
  if (!statSync(path, { throwIfNoEntry: false })) writeFileSync(path, '')
  const { ino: inode } = statSync(path)
  writeFileSync(path, `${JSON.stringify({ ...known, ...(named && owner), inode })}\n`, { flush: true })
  if (named && known?.system === undefined) log(`${root} is marked as the volume of ${owner.system} now`)
}
