import { stat, statfs } from 'node:fs/promises'
import { sized } from './log.ts'
import { Failure } from './outcome.ts'

/** A folder, and how many bytes are about to be written to it. */
export interface Need {
  readonly place: string
  readonly bytes: number
  /** In words, for messages. */
  readonly what: string
}

/**
 * Check that there is enough space; folders on one file system share its space.
 *
 * @returns what is free and needed, for people
 * @throws Failure volume with what to do
 */
export async function checkRoom(needs: readonly Need[]): Promise<string> {
  const filesystems = new Map<number, Need[]>()
  for (const need of needs) {
    const { dev } = await stat(need.place)
    filesystems.set(dev, [...(filesystems.get(dev) ?? []), need])
  }
  const said: string[] = []
  for (const own of filesystems.values()) {
    const place = own[0]?.place ?? ''
    const { bavail, bsize } = await statfs(place)
    const free = bavail * bsize
    const needed = own.reduce((sum, { bytes }) => sum + bytes, 0)
    const what = own.map(need => `${need.what} ${sized(need.bytes)}`).join(', ')
    if (free < needed) {
      throw new Failure(
        'volume',
        `${place} has ${sized(free)} free and needs ${sized(needed)} (${what}): nothing was changed. Free some space, or make the volume larger`,
      )
    }
    said.push(`${place} has ${sized(free)} free and needs ${sized(needed)} (${what})`)
  }
  return said.join('; ')
}
