import { createHash } from 'node:crypto'
import { DeleteObjectCommand } from '@aws-sdk/client-s3'
import type { Store } from './client.ts'
import { deleteKeys, listObjects, readObject } from './list.ts'
import type { Receipt } from './receipt-schema.ts'
import { putVerified } from './upload.ts'

export type { Receipt }

/** What a run says of itself; the rest of the receipt is filled in when it is written. */
export type ReceiptDraft = Omit<Receipt, 'schema' | 'taken' | 'previous'> & { taken?: string }

/** A receipt where it lies. */
export interface StoredReceipt {
  receipt: Receipt
  key: string
  /** Of the receipt's own bytes: what the next one names as `previous`. */
  sha256: string
}

const FOLDER = '.receipts/'

/** The folder of a system's receipts, with its slash. */
export function receiptPrefix(system: string): string {
  return `${FOLDER}${system}/`
}

/** The name under which a system's drills keep their receipts. No system's own name has a dot. */
export function drillSystem(system: string): string {
  return `drill.${system}`
}

/** The systems that have receipts in a bucket; those of drills count as systems. One LIST for each. */
export async function systemsIn(store: Store, bucket: string): Promise<string[]> {
  const systems: string[] = []
  for (let startAfter = FOLDER; ; ) {
    const { value: next } = await listObjects(store, { bucket, prefix: FOLDER, startAfter }).next()
    if (!next) return systems
    const system = next.key.slice(FOLDER.length).split('/')[0] ?? ''
    systems.push(system)
    // The sign after the slash: past everything of that system.
    startAfter = `${FOLDER}${system}0`
  }
}

/**
 * Write a receipt: the last act of a run, after its copy was verified in the bucket. It names the hash of the
 * newest receipt before it, so that a receipt which is changed or taken away later shows (`chainProblems`).
 *
 * @param previous the newest receipt where the caller has just read it (null: there is none); else it is looked up
 */
export async function writeReceipt(
  store: Store,
  draft: ReceiptDraft,
  previous?: StoredReceipt | null,
): Promise<StoredReceipt> {
  const before =
    previous === undefined
      ? (await readReceipts(store, { bucket: draft.bucket, system: draft.system, newest: 1 })).receipts[0]
      : previous
  const receipt: Receipt = { schema: 1, taken: draft.start, ...draft, previous: before?.sha256 ?? null }
  const problem = await receiptProblem(receipt)
  if (problem) throw new Error(`receipt of ${draft.system} is not well formed: ${problem}`)
  const key = `${receiptPrefix(receipt.system)}${receipt.start}.json`
  const written = await putVerified(store, {
    bucket: receipt.bucket,
    key,
    body: `${JSON.stringify(receipt, null, 2)}\n`,
    contentType: 'application/json',
  })
  return { receipt, key, sha256: written.sha256 }
}

/** What the keys of `markStarted` end in. */
export const UNFINISHED = '.unfinished'

/**
 * Leave a mark beside the receipts that a run is about to change the bucket. It is taken away after the receipt was
 * written; one that stays tells the next run that this one was killed.
 *
 * @returns the mark's key
 */
export async function markStarted(store: Store, run: { bucket: string; system: string; start: Date }): Promise<string> {
  const key = `${receiptPrefix(run.system)}${run.start.toISOString()}${UNFINISHED}`
  await putVerified(store, { bucket: run.bucket, key, body: '' })
  return key
}

/** Take the marks of runs away. */
export async function clearMarks(store: Store, bucket: string, marks: readonly string[]): Promise<void> {
  for (const Key of marks) await store.s3.send(new DeleteObjectCommand({ Bucket: bucket, Key }))
}

/**
 * Read a system's receipts, newest first: one LIST, then one GET each. Whatever is no receipt is told in
 * `problems` and left out. `unfinished` are the marks of runs that did not end (`markStarted`).
 *
 * @param where.newest read only so many
 * @param where.since read only those of runs that began then or later: a copy's receipt is never older than the copy
 * @param where.before read only those of runs that began before
 */
export async function readReceipts(
  store: Store,
  where: { bucket: string; system: string; newest?: number; since?: string; before?: string },
): Promise<{ receipts: StoredReceipt[]; problems: string[]; unfinished: string[] }> {
  const keys: string[] = []
  const unfinished: string[] = []
  const prefix = receiptPrefix(where.system)
  const startAfter = where.since !== undefined ? { startAfter: prefix + where.since } : {}
  for await (const object of listObjects(store, { bucket: where.bucket, prefix, ...startAfter })) {
    // Keys hold the start of the run, so they come in the order of time.
    if (where.before !== undefined && object.key >= prefix + where.before) break
    if (object.key.endsWith('.json')) keys.push(object.key)
    else if (object.key.endsWith(UNFINISHED)) unfinished.push(object.key)
  }
  keys.reverse()
  const receipts: StoredReceipt[] = []
  const problems: string[] = []
  const wanted = where.newest ?? keys.length
  // Eight at once: a promise each would open a thousand connections for a thousand receipts.
  for (let at = 0; at < keys.length && receipts.length < wanted; ) {
    const batch = keys.slice(at, at + Math.min(8, wanted - receipts.length))
    at += batch.length
    for (const read of await Promise.all(batch.map(key => readReceipt(store, where.bucket, key)))) {
      if (typeof read === 'string') problems.push(read)
      else receipts.push(read)
    }
  }
  return { receipts, problems, unfinished }
}

/** Read one receipt. @returns a message where it is none */
export async function readReceipt(store: Store, bucket: string, key: string): Promise<StoredReceipt | string> {
  const body = await readObject(store, bucket, key)
  const sha256 = createHash('sha256').update(body).digest('hex')
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch (error) {
    return `${bucket}/${key}: not JSON (${(error as Error).message})`
  }
  const problem = await receiptProblem(value)
  return problem ? `${bucket}/${key}: ${problem}` : { receipt: value as Receipt, key, sha256 }
}

/** What keeps a value from being a receipt. */
async function receiptProblem(value: unknown): Promise<string | undefined> {
  // The schema's library takes 0.2 s to load, which a run that meets no receipt need not wait for.
  const { receiptErrors } = await import('./receipt-schema.ts')
  const [first] = receiptErrors(value)
  return first ? `${first.instancePath || 'receipt'} ${first.message}` : undefined
}

// Receipts of copies that are gone stay for reports and for the chain: as long as a monthly report looks back.
export const HISTORY_DAYS = 35

/**
 * Remove receipts that have served: older than 35 days, and vouching for nothing that still stands. Only those of that
 * age are read: one LIST, and one GET each.
 *
 * @param where.serves whether a receipt's copy still stands
 * @returns how many were removed
 */
export async function expireReceipts(
  store: Store,
  where: { bucket: string; system: string; now: Date; serves: (receipt: Receipt) => boolean },
): Promise<number> {
  const { bucket, system, serves } = where
  const oldest = new Date(where.now.getTime() - HISTORY_DAYS * 86_400_000).toISOString()
  const { receipts } = await readReceipts(store, { bucket, system, before: oldest })
  const served = receipts.filter(({ receipt }) => !serves(receipt)).map(({ key }) => key)
  await deleteKeys(store, bucket, served)
  return served.length
}

/**
 * The breaks in a chain of receipts given newest first: each must name the hash of the one before it. Beyond the 35
 * days after which receipts are removed, a gap is no break.
 */
export function chainProblems(receipts: readonly StoredReceipt[]): string[] {
  const newest = receipts[0]
  if (!newest) return []
  const horizon = new Date(newest.receipt.start).getTime() - HISTORY_DAYS * 86_400_000
  const problems: string[] = []
  receipts.forEach((stored, index) => {
    const before = receipts[index + 1]
    if (!before || new Date(before.receipt.start).getTime() < horizon) return
    if (stored.receipt.previous !== before.sha256) {
      problems.push(`${stored.key} does not follow ${before.key}: one of them was changed, or one between them removed`)
    }
  })
  return problems
}
