import type { Store } from './client.ts'
import { isFromFuture } from './clock.ts'
import { deleteKeys, listObjects } from './list.ts'
import { expireReceipts, readReceipts, type StoredReceipt } from './receipt.ts'

/** A possible copy, on a volume or in a bucket. */
export interface Candidate {
  name: string
  /** The moment whose data it holds. */
  taken: Date
  /** It has a receipt, and still matches it. */
  verified: boolean
}

/**
 * Which copies to delete. The newest `keep` verified copies stay, and with them everything newer than the oldest of
 * them; older ones are deleted. So an unverified file never counts as a copy, pruning never leaves fewer than `keep`
 * verified ones, and as long as there are no more than that, nothing is deleted.
 *
 * @param keep how many; values below 1 count as 1
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

/** Whether an object matches a receipt: a copy that changed after its receipt is no longer verified. */
export function vouchesFor(
  receipts: readonly StoredReceipt[],
  object: { key: string; bytes: number; etag?: string },
): boolean {
  return receipts.some(({ receipt }) => {
    const of = receipt.object
    return of.key === object.key && of.bytes === object.bytes && (!object.etag || of.etag === object.etag)
  })
}

/** A system's copies in its bucket. */
export interface Copies {
  bucket: string
  system: string
  prefix?: string
  /** The moment a key's copy was taken, or undefined if the key is not a copy of this system. */
  takenAt: (key: string) => Date | undefined
}

/** A copy in the bucket, from its LIST. */
export interface BucketCopy {
  key: string
  bytes: number
  etag: string
  taken: Date
  modified: Date
  /**
   * It claims to be newer than the time at which the store received it: it does not count as a copy, and is not
   * removed.
   */
  fromFuture: boolean
}

/** Every copy of a system, verified or not. */
export async function listCopies(store: Store, { bucket, prefix, takenAt }: Copies): Promise<BucketCopy[]> {
  const copies: BucketCopy[] = []
  for await (const { key, bytes, etag, modified } of listObjects(store, { bucket, ...(prefix ? { prefix } : {}) })) {
    const taken = takenAt(key)
    if (taken) copies.push({ key, bytes, etag, taken, modified, fromFuture: isFromFuture(taken, modified) })
  }
  return copies
}

// A receipt is named after the start of its run, and the data may be taken later in the run; no run takes longer.
const RUN_MS = 86_400_000

/** The receipts that may belong to these copies. */
export async function receiptsOf(
  store: Store,
  { bucket, system }: Copies,
  copies: readonly { taken: Date }[],
): Promise<{ receipts: StoredReceipt[]; problems: string[] }> {
  const oldest = copies.reduce((least, { taken }) => Math.min(least, taken.getTime()), store.clock.now().getTime())
  return await readReceipts(store, { bucket, system, since: new Date(oldest - RUN_MS).toISOString() })
}

/**
 * Prune a system's copies in its bucket by `copiesToRemove`, and its receipts by `expireReceipts`. Objects that
 * are not copies of this system are neither counted nor touched.
 *
 * @param request.receipts the receipts of its copies, if the caller has them already
 * @returns the keys of the copies that were removed
 */
export async function prune(
  store: Store,
  request: Copies & { keep: number; receipts?: readonly StoredReceipt[] },
): Promise<string[]> {
  const { bucket, system, prefix = '' } = request
  const copies = (await listCopies(store, request)).filter(copy => !copy.fromFuture)
  const receipts = request.receipts ?? (await receiptsOf(store, request, copies)).receipts
  const candidates = copies.map(copy => ({ name: copy.key, taken: copy.taken, verified: vouchesFor(receipts, copy) }))
  const removed = copiesToRemove(candidates, request.keep).map(copy => copy.name)
  await deleteKeys(store, bucket, removed)
  const standing = new Set(copies.map(copy => copy.key).filter(key => !removed.includes(key)))
  await expireReceipts(store, {
    bucket,
    system,
    now: store.clock.now(),
    // Of another prefix, which another run prunes.
    serves: ({ object }) => standing.has(object.key) || !object.key.startsWith(prefix),
  })
  return removed
}
