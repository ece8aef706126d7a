import { lstat, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'

/** The folder within Rancher's data that holds the data to restore, and afterwards the previous data. */
const ASIDE = '.fragalysis-restore'

/**
 * Two states of a folder: the inodes of its top entries, by name. The inodes tell at any moment, even after
 * a power cut, how far an exchange has come, so it can always be finished or rolled back.
 */
export interface Exchange {
  readonly data: string
  readonly before: Readonly<Record<string, string>>
  readonly restored: Readonly<Record<string, string>>
}

/** Where a restore unpacks to: on the filesystem of the data, so that no data is copied while Rancher is stopped. */
export async function makeAside(data: string): Promise<string> {
  const aside = join(data, ASIDE)
  await rm(aside, { recursive: true, force: true })
  await mkdir(aside, { mode: 0o700 })
  return aside
}

/** The current and the wanted state. Call it once everything is unpacked. */
export async function planExchange(data: string): Promise<Exchange> {
  return { data, before: await inodesOf(data), restored: await inodesOf(join(data, ASIDE)) }
}

/** Put one of the two states in place and the other aside. Rancher must be stopped. */
export async function putInPlace({ data, before, restored }: Exchange, wanted: 'before' | 'restored'): Promise<void> {
  const inodes = wanted === 'before' ? before : restored
  const [found, aside] = [await inodesOf(data), await inodesOf(join(data, ASIDE))]
  for (const name of new Set([...Object.keys(before), ...Object.keys(restored)])) {
    if (found[name] === inodes[name]) continue
    const [here, there] = [join(data, name), join(data, ASIDE, name)]
    if (found[name] === undefined) await rename(there, here)
    else if (aside[name] === undefined) await rename(here, there)
    else await execa('mv', ['--exchange', '--no-target-directory', here, there], { env: { LC_ALL: 'C' } })
  }
}

/** Remove the state that is aside. */
export async function forgetAside(data: string): Promise<void> {
  await rm(join(data, ASIDE), { recursive: true, force: true })
}

async function inodesOf(folder: string): Promise<Record<string, string>> {
  const inodes: Record<string, string> = {}
  for (const name of await readdir(folder)) {
    if (name !== ASIDE) inodes[name] = String((await lstat(join(folder, name), { bigint: true })).ino)
  }
  return inodes
}
