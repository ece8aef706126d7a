import { createHash } from 'node:crypto'
import { DeleteObjectCommand } from '@aws-sdk/client-s3'
import type { Store } from './client.ts'
import { fromFuture, isFromFuture } from './clock.ts'
import { RECEIPTS } from './folders.ts'
import { deleteKeys, type ListedObject, listObjects } from './list.ts'
import { readObject } from './object.ts'
import { inParallel } from './parallel.ts'
import type { ReceiptData, ReceiptKind } from './receipt-schema.ts'
import { putVerified } from './upload.ts'

export type { ReceiptData, ReceiptKind }

/** A receipt of a copy in a bucket; `details` are those of its kind, or anything if no kind is named. */
export type Receipt<K extends ReceiptKind = ReceiptKind> = ReceiptData<K> & {
  bucket: string
  object: { etag: string }
}

/** What a run records; `writeReceipt` adds the rest. */
export type ReceiptDraft<K extends ReceiptKind = ReceiptKind> = Omit<
  Receipt<K>,
  'schema' | 'kind' | 'taken' | 'previous'
> & { taken?: string }

/** A receipt and its place. */
export type StoredReceipt<K extends ReceiptKind = ReceiptKind> = {
  receipt: Receipt<K>
  key: string
  /** SHA-256 of the receipt's bytes; the next receipt names it as `previous`. */
  sha256: string
}

/** The folder of a system's receipts, with a trailing slash. */
export function receiptPrefix(system: string): string {
  return `${RECEIPTS}${system}/`
}

/**
 * The name for the receipts of a system's drills and of the checks that read its copies back. No system's name contains
 * a dot.
 */
export function drillSystem(system: string): string {
  return `drill.${system}`
}

/** The systems that have receipts in a bucket; those of drills count as systems. One LIST for each. */
export async function systemsIn(store: Store, bucket: string): Promise<string[]> {
  const systems: string[] = []
  for (let startAfter = RECEIPTS; ; ) {
    const { value: next } = await listObjects(store, { bucket, prefix: RECEIPTS, startAfter }).next()
    if (!next) return systems
    const system = next.key.slice(RECEIPTS.length).split('/')[0] ?? ''
    systems.push(system)
    // The character after the slash: skips everything of that system.
    startAfter = `${RECEIPTS}${system}0`
  }
}

/**
 * Write a receipt: the last step of a run, after its copy was verified in the bucket. It contains the hash of the
 * previous receipt, so that later changes and deletions are detected (`chainProblems`).
 *
 * @param previous the newest receipt if the caller has just read it (null: there is none); otherwise it is looked up
 */
export async function writeReceipt<K extends ReceiptKind>(
  store: Store,
  kind: K,
  draft: ReceiptDraft<K>,
  previous?: { sha256: string } | null,
): Promise<StoredReceipt<K>> {
  const before =
    previous === undefined
      ? (await readReceipts(store, { bucket: draft.bucket, system: draft.system, newest: 1 })).receipts[0]
      : previous
  const added = { schema: 1, kind: kind.kind, taken: draft.start }
  const receipt = { ...added, ...draft, previous: before?.sha256 ?? null } as unknown as Receipt<K>
  const problem = (await receiptProblem(receipt)) ?? (await detailsProblem(receipt, kind))
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

/**
 * The receipt of the newest copy: the newest receipt may be that of an older copy, which was promoted to another tier.
 */
export function newestCopy<K extends ReceiptKind>(receipts: readonly StoredReceipt<K>[]): StoredReceipt<K> | undefined {
  return receipts.reduce<StoredReceipt<K> | undefined>(
    (found, stored) => (found && found.receipt.taken >= stored.receipt.taken ? found : stored),
    undefined,
  )
}

/** The suffix of the keys of `markStarted`. */
export const UNFINISHED = '.unfinished'

/** The suffix of the keys of `markGuarded`. */
export const GUARDED = '.guarded'

/**
 * Write a mark beside the receipts that a guard was armed. It is removed when the guard is disarmed; a mark that remains
 * shows that the run ended without doing so, and that the guard had to act.
 *
 * @returns the mark's key
 */
export async function markGuarded(store: Store, run: { bucket: string; system: string; armed: Date }): Promise<string> {
  const key = `${receiptPrefix(run.system)}${run.armed.toISOString()}${GUARDED}`
  await putVerified(store, { bucket: run.bucket, key, body: '' })
  return key
}

/**
 * Write a mark beside the receipts that a run is about to change the bucket. It is removed after the receipt was
 * written; a mark that remains shows the next run that this one was killed.
 *
 * @returns the mark's key
 */
export async function markStarted(store: Store, run: { bucket: string; system: string; start: Date }): Promise<string> {
  const key = `${receiptPrefix(run.system)}${run.start.toISOString()}${UNFINISHED}`
  await putVerified(store, { bucket: run.bucket, key, body: '' })
  return key
}

/** Remove every mark of `markGuarded` of a system: the guard of a later run was disarmed. */
export async function clearGuarded(store: Store, of: { bucket: string; system: string }): Promise<void> {
  const marks: string[] = []
  for await (const { key } of listObjects(store, { bucket: of.bucket, prefix: receiptPrefix(of.system) })) {
    if (key.endsWith(GUARDED)) marks.push(key)
  }
  await clearMarks(store, of.bucket, marks)
}

/** Remove the marks of runs. */
export async function clearMarks(store: Store, bucket: string, marks: readonly string[]): Promise<void> {
  for (const Key of marks) await store.s3.send(new DeleteObjectCommand({ Bucket: bucket, Key }))
}

const READS_AT_ONCE = 8

/** The contents of a folder of receipts. */
export interface Receipts<K extends ReceiptKind = ReceiptKind> {
  /** Newest first. */
  receipts: StoredReceipt<K>[]
  /**
   * Objects that are not trusted, a sentence each: those that are not receipts, and those that claim to be from the
   * future.
   */
  problems: string[]
  /** Keys of the receipts that claim to be from the future; they are among the problems. */
  future: string[]
  /** The marks of killed runs (`markStarted`). */
  unfinished: string[]
  /** The marks of guards that were not disarmed (`markGuarded`). */
  guarded: string[]
}

/**
 * Read a system's receipts, newest first: one LIST, then one GET each. A receipt that claims to be newer than the time
 * at which the store received it is left out, whatever its age: the clock of its run was ahead.
 *
 * @param where.kinds receipts of other kinds, and those whose details are not their kind's, are problems; if missing,
 *   details are not checked
 * @param where.newest read only this many
 * @param where.since read only those of runs that began then or later: a copy's receipt is never older than the copy
 * @param where.before read only those of runs that began before
 */
export async function readReceipts<K extends ReceiptKind = ReceiptKind>(
  store: Store,
  where: { bucket: string; system: string; kinds?: readonly K[]; newest?: number; since?: string; before?: string },
): Promise<Receipts<K>> {
  const { bucket, kinds } = where
  const listed: ListedObject[] = []
  const found: Receipts<K> = { receipts: [], problems: [], future: [], unfinished: [], guarded: [] }
  const prefix = receiptPrefix(where.system)
  const startAfter = where.since !== undefined ? { startAfter: prefix + where.since } : {}
  const leaveOut = (object: ListedObject, claimed: Date): void => {
    found.problems.push(fromFuture(`${bucket}/${object.key}`, claimed, object.modified))
    found.future.push(object.key)
  }
  for await (const object of listObjects(store, { bucket, prefix, ...startAfter })) {
    // Keys contain the start of the run, so they are listed in chronological order.
    if (where.before !== undefined && object.key >= prefix + where.before) break
    const claimed = new Date(object.key.slice(prefix.length).replace(/\.json$/, ''))
    if (object.key.endsWith(UNFINISHED)) found.unfinished.push(object.key)
    else if (object.key.endsWith(GUARDED)) found.guarded.push(object.key)
    else if (!object.key.endsWith('.json')) continue
    else if (isFromFuture(claimed, object.modified)) leaveOut(object, claimed)
    else listed.push(object)
  }
  listed.reverse()
  const wanted = where.newest ?? listed.length
  for (let at = 0; at < listed.length && found.receipts.length < wanted; ) {
    const batch = listed.slice(at, at + wanted - found.receipts.length)
    at += batch.length
    const read = await inParallel(batch, READS_AT_ONCE, ({ key }) => readReceipt(store, bucket, key))
    for (const [index, stored] of read.entries()) {
      const object = batch[index] as ListedObject
      if (typeof stored === 'string') {
        found.problems.push(stored)
        continue
      }
      const { receipt } = stored
      const latest = new Date(Math.max(...[receipt.start, receipt.taken, receipt.end].map(Date.parse)))
      const problem = kinds && (await kindProblem(receipt, kinds))
      if (isFromFuture(latest, object.modified)) leaveOut(object, latest)
      else if (problem) found.problems.push(`${bucket}/${object.key} ${problem}`)
      else found.receipts.push(stored as unknown as StoredReceipt<K>)
    }
  }
  return found
}

/** Read one receipt. @returns a message if it is not one */
export async function readReceipt(store: Store, bucket: string, key: string): Promise<StoredReceipt | string> {
  const body = await readObject(store, bucket, key)
  const sha256 = createHash('sha256').update(body).digest('hex')
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch (error) {
    return `${bucket}/${key} is not a receipt: not JSON (${(error as Error).message})`
  }
  const problem = await receiptProblem(value)
  return problem ? `${bucket}/${key} is not a receipt: ${problem}` : { receipt: value as Receipt, key, sha256 }
}

/** Why a value is not a receipt of a bucket. */
async function receiptProblem(value: unknown): Promise<string | undefined> {
  // The schema library takes 0.2 s to load, so it is loaded only once there is a receipt.
  const { receiptErrors } = await import('./receipt-schema.ts')
  const [first] = receiptErrors(value)
  if (first) return `${first.instancePath || 'receipt'} ${first.message}`
  const { bucket, object } = value as ReceiptData
  return bucket === undefined || object.etag === undefined ? 'it names no bucket, or no ETag' : undefined
}

/** Why a receipt is of none of these kinds. */
async function kindProblem(receipt: Receipt, kinds: readonly ReceiptKind[]): Promise<string | undefined> {
  const kind = kinds.find(one => one.kind === receipt.kind)
  if (!kind) return `is a receipt of the kind ${receipt.kind}, not ${kinds.map(one => one.kind).join(' or ')}`
  const problem = await detailsProblem(receipt, kind)
  return problem && `is not a receipt: ${problem}`
}

/** Why the details of a receipt are not those of its kind. */
export async function detailsProblem(receipt: ReceiptData, kind: ReceiptKind): Promise<string | undefined> {
  const { detailsErrors } = await import('./receipt-schema.ts')
  const [first] = detailsErrors(receipt, kind)
  return first && `${first.instancePath} ${first.message}`
}

// Receipts of deleted copies are kept for reports and for the chain, for the period of a monthly report.
export const HISTORY_DAYS = 35

/**
 * Remove receipts that are older than 35 days and whose copies are gone. Only those of that age are read: one LIST, and
 * one GET each.
 *
 * @param where.serves whether a receipt's copy still exists
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
 * The breaks in a chain of receipts given newest first: each must contain the hash of the previous one. After the 35
 * days for which receipts are kept, a gap is not a break.
 *
 * @param leftOut hashes of receipts that were left out because they claim to be from the future
 */
export function chainProblems(
  receipts: readonly { key: string; sha256: string; receipt: { start: string; previous: string | null } }[],
  leftOut: ReadonlySet<string> = new Set(),
): string[] {
  const newest = receipts[0]
  if (!newest) return []
  // Times in UTC, to the second, are sorted as text; a year of an hourly system has nine thousand.
  const horizon = new Date(Date.parse(newest.receipt.start) - HISTORY_DAYS * 86_400_000).toISOString().slice(0, 19)
  const problems: string[] = []
  receipts.forEach((stored, index) => {
    const before = receipts[index + 1]
    if (!before || before.receipt.start.slice(0, 19) < horizon) return
    const { previous } = stored.receipt
    if (previous !== before.sha256 && !(previous !== null && leftOut.has(previous))) {
      problems.push(`${stored.key} does not follow ${before.key}: one of them was changed, or one between them removed`)
    }
  })
  return problems
}
