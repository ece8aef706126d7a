import { createHash } from 'node:crypto'
import type { Observed } from '../../src/store/assess.ts'
import type { Receipt, StoredReceipt } from '../../src/store/receipt.ts'

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

const hash = (text: string) => createHash('sha256').update(text).digest('hex')
