import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Store } from '../store/client.ts'
import { listedWithoutKey, openTo } from '../store/openness.ts'

// How long a bucket that was found private is not asked again about each of its rights.
const PRIVATE_MS = 6 * 3_600_000

/** What everybody may do with a bucket, and the requests without a key that it took, which the store does not count. */
export interface Openness {
  readonly open: readonly string[]
  readonly withoutKey: number
}

/**
 * What everybody may do with a bucket. Each time it is tried without a key, which is one request; its ACL, policy and
 * objects are looked at if that succeeds, and otherwise every six hours.
 *
 * @param folder remembers which buckets were found private
 */
export async function opennessOf(store: Store, bucket: string, folder: string, now: Date): Promise<Openness> {
  const name = createHash('sha256').update(`${store.endpoint}\n${bucket}`).digest('hex').slice(0, 32)
  const file = join(folder, `${name}.private`)
  const found = Date.parse(await readFile(file, 'utf8').catch(() => ''))
  const isKnown = found <= now.getTime() && now.getTime() - found < PRIVATE_MS
  if (isKnown && (await listedWithoutKey(store, bucket).catch(() => [])).length === 0)
    return { open: [], withoutKey: 1 }
  const { open, notChecked } = await openTo(store, bucket)
  if (open.length === 0 && notChecked.length === 0) {
    // It is asked again if this cannot be written.
    await mkdir(folder, { recursive: true, mode: 0o700 })
      .then(() => writeFile(file, now.toISOString(), { mode: 0o600 }))
      .catch(() => {})
  }
  return { open, withoutKey: isKnown ? 2 : 1 }
}
