import { expect, test } from 'vitest'
import { databaseReceipts } from '../../src/agent/database/receipt.ts'
import { readReceipts, writeReceipt } from '../../src/store/receipt.ts'
import { prune } from '../../src/store/retention.ts'
import { putVerified } from '../../src/store/upload.ts'
import { freshBucket } from '../support/bucket.ts'

const DAY_MS = 86_400_000

/** Copies of so many days ago, each with its receipt, as runs of that day would have left them. */
async function copiesOf(days: readonly number[]) {
  const { bucket, store } = await freshBucket()
  for (const day of days) {
    const start = new Date(Date.now() - day * DAY_MS).toISOString()
    const object = await putVerified(store, { bucket, key: `hourly/${start}`, body: `of ${day} days ago` })
    await writeReceipt(store, databaseReceipts, {
      system: 's',
      start,
      end: start,
      bucket,
      object: { key: object.key, bytes: object.bytes, sha256: object.sha256, etag: object.etag },
      bytes: object.bytes,
      versions: {},
      counts: {},
      details: { tier: 'hourly', database: null },
    })
  }
  const copies = {
    bucket,
    system: 's',
    prefix: 'hourly/',
    takenAt: (key: string) => new Date(key.slice('hourly/'.length)),
  }
  return { store, bucket, copies }
}

test('receipts are deleted when they are 35 days old and their copy no longer exists, not before', async () => {
  const { store, bucket, copies } = await copiesOf([50, 40, 20, 10, 1])
  expect(await prune(store, { ...copies, keep: 2 })).toHaveLength(3)
  const { receipts } = await readReceipts(store, { bucket, system: 's' })
  expect(receipts).toHaveLength(3)
  expect(await prune(store, { ...copies, keep: 2 })).toEqual([])
})

test('an existing copy keeps its receipt, however old it is', async () => {
  const { store, bucket, copies } = await copiesOf([400, 300])
  expect(await prune(store, { ...copies, keep: 2 })).toEqual([])
  expect((await readReceipts(store, { bucket, system: 's' })).receipts).toHaveLength(2)
})

test('the cost of a run does not grow with the receipts of deleted copies', async () => {
  const { store, copies } = await copiesOf([34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 2, 1])
  await prune(store, { ...copies, keep: 1 })
  const before = store.requests()
  await prune(store, { ...copies, keep: 1 })
  // LIST of the copies, of their receipts, of the old receipts; GET of the two of the last two days.
  expect(store.requests() - before).toBeLessThanOrEqual(5)
})
