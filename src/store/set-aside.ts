import type { Store } from './client.ts'
import { copyWithin } from './copy.ts'
import { SET_ASIDE } from './folders.ts'
import { deleteKeys, listObjects } from './list.ts'

/** Keys of the objects set aside below a prefix. */
export async function setAside(store: Store, bucket: string, prefix: string): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of listObjects(store, { bucket, prefix: SET_ASIDE + prefix })) keys.push(key)
  return keys
}

/**
 * Move an object to the folder of objects set aside, where no run looks for copies.
 * @returns its new key
 */
export async function moveAside(
  store: Store,
  bucket: string,
  object: { key: string; bytes: number; etag: string },
): Promise<string> {
  const to = SET_ASIDE + object.key
  await copyWithin(store, { bucket, from: object.key, to, object })
  await deleteKeys(store, bucket, [object.key])
  return to
}
