import { createHash } from 'node:crypto'
import { databaseReceipts } from '../../src/agent/database/receipt.ts'
import type { Observed } from '../../src/store/assess.ts'
import {
  type Receipt,
  type ReceiptDraft,
  type ReceiptKind,
  readReceipts,
  type StoredReceipt,
  writeReceipt,
} from '../../src/store/receipt.ts'
import { putVerified } from '../../src/store/upload.ts'
import type { TestBucket } from './bucket.ts'

/** A moment in UTC, from the format of receipts. */
export const at = (text: string) => new Date(text)

/** What distinguishes one receipt of a generated history from the others. */
export interface Run {
  readonly taken: Date
  readonly seconds?: number
  readonly bytes?: number
  readonly counts?: Record<string, number>
  readonly outage?: number
}

/** A system for which receipts are made. */
export interface Place {
  readonly system: string
  readonly bucket: string
  readonly kind: string
  keyOf(taken: Date): string
}

/** The receipts of runs given oldest first, chained, in the order in which they are read: newest first. */
export function receiptsOf(place: Place, runs: readonly Run[]): StoredReceipt[] {
  const made: StoredReceipt[] = []
  for (const run of runs) {
    const { taken, seconds = 300, bytes = 1_000_000, counts = {}, outage } = run
    const key = place.keyOf(taken)
    const receipt = {
      schema: 1,
      system: place.system,
      kind: place.kind,
      start: taken.toISOString(),
      end: new Date(taken.getTime() + seconds * 1000).toISOString(),
      taken: taken.toISOString(),
      bucket: place.bucket,
      object: { key, bytes, sha256: hash(key), etag: hash(key).slice(0, 32) },
      bytes,
      versions: {},
      counts,
      details: {
        ...(place.kind === 'database' && { tier: 'hourly', database: null }),
        ...(outage !== undefined && { stoppedSeconds: outage - 1, healthySeconds: outage }),
      },
      previous: made.at(-1)?.sha256 ?? null,
    } as unknown as Receipt
    made.push({
      receipt,
      key: `.receipts/${place.system}/${receipt.start}.json`,
      sha256: hash(JSON.stringify(receipt)),
    })
  }
  return made.reverse()
}

/** A bucket without problems that holds the copies of these receipts. */
export function observed(receipts: readonly StoredReceipt[], more: Partial<Observed> = {}): Observed {
  return {
    receipts,
    drills: [],
    objects: receipts.map(({ receipt }) => ({
      key: receipt.object.key,
      bytes: receipt.object.bytes,
      etag: receipt.object.etag,
      modified: at(receipt.end),
      taken: at(receipt.taken),
    })),
    unfinished: [],
    unreadable: [],
    fromFuture: [],
    removed: [],
    ...more,
  }
}

/** Where a copy is stored, and what its receipt says of it beyond what all have in common. */
interface Stored {
  readonly system: string
  readonly taken: Date
  readonly body: Buffer
  readonly counts?: Record<string, number>
  readonly seconds?: number
  readonly versions?: Record<string, string>
}

/** Store an object and a receipt that says it is a copy of this kind, taken then. @returns its key */
export async function storeCopy<K extends ReceiptKind>(
  { store, bucket }: Pick<TestBucket, 'store' | 'bucket'>,
  kind: K,
  copy: Stored & { readonly key: string; readonly details: Receipt<K>['details'] },
): Promise<string> {
  const { system, taken, body, counts = {}, seconds = 60, versions = {}, key, details } = copy
  const { sha256, etag } = await putVerified(store, { bucket, key, body })
  const draft = {
    system,
    start: taken.toISOString(),
    end: new Date(taken.getTime() + seconds * 1000).toISOString(),
    bucket,
    object: { key, bytes: body.length, sha256, etag },
    bytes: body.length,
    versions,
    counts,
    details,
  }
  await writeReceipt(store, kind, draft as ReceiptDraft<K>)
  return key
}

/** Store an object and a receipt that says it is a dump taken then. @returns its key */
export function storeDump(target: Pick<TestBucket, 'store' | 'bucket'>, dump: Stored): Promise<string> {
  const key = `hourly/backup-${dump.taken.toISOString().slice(0, 19)}Z-dumpall.sql.gz`
  return storeCopy(target, databaseReceipts, { ...dump, key, details: { tier: 'hourly', database: null } })
}

/** The key of the newest copy that still matches its receipt; empty if there is none. */
export async function newestGood(
  { bucket, store, objects }: Pick<TestBucket, 'bucket' | 'store' | 'objects'>,
  system: string,
): Promise<string> {
  const standing = new Map((await objects()).map(({ key, etag }) => [key, etag]))
  const { receipts } = await readReceipts(store, { bucket, system })
  const good = receipts.find(({ receipt: { object } }) => standing.get(object.key) === object.etag)
  return good?.receipt.object.key ?? ''
}

const hash = (text: string) => createHash('sha256').update(text).digest('hex')
