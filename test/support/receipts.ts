import { createHash } from 'node:crypto'
import { databaseReceipts } from '../../src/agent/database/receipt.ts'
import type { Observed } from '../../src/store/assess.ts'
import { type Receipt, type StoredReceipt, writeReceipt } from '../../src/store/receipt.ts'
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

/** Store an object and a receipt that says it is a dump taken then. @returns its key */
export async function storeDump(
  { store, bucket }: Pick<TestBucket, 'store' | 'bucket'>,
  dump: {
    system: string
    taken: Date
    body: Buffer
    counts?: Record<string, number>
    seconds?: number
    versions?: Record<string, string>
  },
): Promise<string> {
  const { system, taken, body, counts = {}, seconds = 60, versions = {} } = dump
  const key = `hourly/backup-${taken.toISOString().slice(0, 19)}Z-dumpall.sql.gz`
  const { sha256, etag } = await putVerified(store, { bucket, key, body })
  await writeReceipt(store, databaseReceipts, {
    system,
    start: taken.toISOString(),
    end: new Date(taken.getTime() + seconds * 1000).toISOString(),
    bucket,
    object: { key, bytes: body.length, sha256, etag },
    bytes: body.length,
    versions,
    counts,
    details: { tier: 'hourly', database: null },
  })
  return key
}

const hash = (text: string) => createHash('sha256').update(text).digest('hex')
