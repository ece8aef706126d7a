import { readFile, writeFile } from 'node:fs/promises'
import { withLabels } from './labels.ts'
import { type LockedPackage, lockedPackages, lockFile, lockText } from './lock.ts'
import { resolvePackages } from './resolve.ts'

const containerfile = new URL('../../images/agent/Containerfile', import.meta.url).pathname

/** A package with a changed version or suite; undefined on the side on which it is missing. */
export interface Change {
  readonly before: LockedPackage | undefined
  readonly after: LockedPackage | undefined
}

/**
 * Write the lock file and the labels that record its content.
 * @returns what changed
 */
export async function renew(): Promise<Change[]> {
  const before = lockedPackages(await readFile(lockFile, 'utf8').catch(() => ''))
  const after = await resolvePackages()
  await writeFile(lockFile, lockText(after))
  await writeFile(containerfile, withLabels(await readFile(containerfile, 'utf8'), after))
  const key = ({ image, name }: LockedPackage) => `${image} ${name}`
  const [old, renewed] = [before, after].map(packages => new Map(packages.map(entry => [key(entry), entry])))
  return [...new Set([...before, ...after].map(key))]
    .map(name => ({ before: old?.get(name), after: renewed?.get(name) }))
    .filter(({ before, after }) => before?.version !== after?.version || before?.suite !== after?.suite)
}
