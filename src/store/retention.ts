import type { Store } from './client.ts'
import { deleteKeys, listObjects } from './list.ts'
import { readReceipts, type StoredReceipt } from './receipt.ts'

/** Something that may be a copy, on a volume or in a bucket. */
export interface Candidate {
  name: string
  /** The moment whose data it holds. */
  taken: Date
  /** A receipt vouches for it, and it still is what the receipt says. */
  verified: boolean
}

/**
 * Which copies may go. Newest first, `keep` verified copies stay, and with them everything as new as they are;
 * what is older goes. So an unverified file never counts as a copy, there are never fewer than `keep` verified
 * ones because of pruning, and while there are no more than that nothing goes at all.
 *
 * @param keep how many; at least 1 is kept whatever it says
 */
export function copiesToRemove<T extends Candidate>(copies: readonly T[], keep: number): T[] {
  const newestFirst = [...copies].sort((a, b) => b.taken.getTime() - a.taken.getTime() || (a.name < b.name ? 1 : -1))
  const wanted = Math.max(1, keep)
  let verified = 0
  return newestFirst.filter(copy => {
    if (verified >= wanted) return true
    if (copy.verified) verified += 1
    return false
  })
}

/** Whether a receipt says exactly this of an object: a copy changed after its receipt is no longer verified. */
export function vouchesFor(
  receipts: readonly StoredReceipt[],
  object: { key: string; bytes: number; etag?: string },
): boolean {
  return receipts.some(({ receipt }) => {
    const of = receipt.object
    return of.key === object.key && of.bytes === object.bytes && (!object.etag || of.etag === object.etag)
  })
}

/**
 * Prune a system's copies in its bucket by `copiesToRemove`.
 *
 * @param request.takenAt the moment a key's copy was taken, or undefined when the key is no copy of this system:
 *   such objects are neither counted nor touched
 * @param request.receipts the system's receipts, where the caller has them already
 * @returns the keys that were removed
 */
export async function prune(
  store: Store,
  request: {
    bucket: string
    system: string
    prefix?: string
    keep: number
    takenAt: (key: string) => Date | undefined
    receipts?: readonly StoredReceipt[]
  },
): Promise<string[]> {
  const { bucket, system } = request
  const receipts = request.receipts ?? (await readReceipts(store, { bucket, system })).receipts
  const copies: Candidate[] = []
  for await (const object of listObjects(store, { bucket, ...(request.prefix ? { prefix: request.prefix } : {}) })) {
    const taken = request.takenAt(object.key)
    if (taken) copies.push({ name: object.key, taken, verified: vouchesFor(receipts, object) })
  }
  const removed = copiesToRemove(copies, request.keep).map(copy => copy.name)
  await deleteKeys(store, bucket, removed)
  return removed
}
