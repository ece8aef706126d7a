import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isMark, MARK as LOCK } from '../run/volume-mark.ts'

// At the top of a volume; hidden. A user's folder may have the same name: only the marker inside makes it ours.
const NAME = '.before-restore-'
const MARK = 'made-by-fragalysis-backups.json'
// Where files stay until they are complete.
const UNFINISHED = 'unfinished'

/** A restore's folder at the top of its target: files not yet in place, and what was replaced. */
export interface OwnFolder {
  readonly path: string
  readonly unfinished: string
  /** What was replaced, by its path. */
  readonly before: string
}

/** Create the folder of a restore that began at `start`. */
export function makeOwnFolder(target: string, start: Date): OwnFolder {
  for (let number = 1; ; number += 1) {
    const path = join(target, `${NAME}${start.toISOString().slice(0, 19)}Z${number > 1 ? `-${number}` : ''}`)
    try {
      mkdirSync(path, { mode: 0o700 })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue
      throw error
    }
    writeFileSync(join(path, MARK), `${JSON.stringify(markOf(path))}\n`)
    const folder = ownFolder(path)
    mkdirSync(folder.unfinished)
    mkdirSync(folder.before)
    return folder
  }
}

/** Whether an entry at the top of a volume is a folder created by a restore. */
export function isOwnFolder(root: string, name: string): boolean {
  if (!name.startsWith(NAME)) return false
  const path = join(root, Buffer.from(name, 'latin1').toString())
  try {
    return readFileSync(join(path, MARK), 'utf8').trim() === JSON.stringify(markOf(path))
  } catch {
    return false
  }
}

/** The name of the lock at the top of a replica; its source does not have it. */
export function lockName(source: string): string {
  let name = LOCK
  while (lstatSync(join(source, name), { throwIfNoEntry: false }) && !isMark(source, name)) name += '_'
  return name
}

/** When the last run that filled this replica began; undefined: none is known. */
export function lastFilled(replica: string): Date | undefined {
  const name = readdirSync(replica).find(name => isMark(replica, name))
  return name === undefined ? undefined : statSync(join(replica, name)).mtime
}

/** The folders at the top of a volume that restores created. */
function ownFolders(root: string): OwnFolder[] {
  return readdirSync(root, { encoding: 'latin1' })
    .filter(name => isOwnFolder(root, name))
    .sort()
    .map(name => ownFolder(join(root, Buffer.from(name, 'latin1').toString())))
}

/** What a killed restore left to be removed: files that were not yet in place. */
export function leftovers(target: string): string[] {
  return ownFolders(target).flatMap(folder => {
    if (isEmpty(folder.before)) return [folder.path]
    return statSync(folder.unfinished, { throwIfNoEntry: false }) ? [folder.unfinished] : []
  })
}

/** Remove what is no longer needed of a restore's folder: all of it, or all except what was replaced. */
export function removeOwnFolder(folder: OwnFolder, keepBefore: boolean): void {
  const keeps = keepBefore && !isEmpty(folder.before)
  rmSync(keeps ? folder.unfinished : folder.path, { recursive: true, force: true })
}

function ownFolder(path: string): OwnFolder {
  return { path, unfinished: join(path, UNFINISHED), before: join(path, 'before') }
}

function isEmpty(folder: string): boolean {
  return !statSync(folder, { throwIfNoEntry: false })?.isDirectory() || readdirSync(folder).length === 0
}

// A copy of such a folder has another inode, and belongs to the user.
function markOf(path: string): { purpose: string; inode: number } {
  return { purpose: 'restore', inode: statSync(path).ino }
}
