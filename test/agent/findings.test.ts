import { PutBucketAclCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { mediaReceipts } from '../../src/agent/media/receipt.ts'
import { rancherReceipts } from '../../src/agent/rancher/receipt.ts'
import { drillReceipts } from '../../src/agent/run/drill-receipt.ts'
import type { System } from '../../src/kinds/index.ts'
import { type Schedule, weekdays } from '../../src/schedule/schedule.ts'
import { type FindingId, findingKinds } from '../../src/store/assess.ts'
import { checkReceipts } from '../../src/store/check-receipt.ts'
import { deleteKeys } from '../../src/store/list.ts'
import { drillSystem, markGuarded, markStarted, writeReceipt } from '../../src/store/receipt.ts'
import { freshBucket, type TestBucket } from '../support/bucket.ts'
import { systemNamed } from '../support/page.ts'
import { storeCopy, storeDump } from '../support/receipts.ts'
import { type Workstation, workstation } from '../support/workstation.ts'

const HOUR_MS = 3_600_000
const DAY_H = 24
// The age of the newest copy. Every schedule is due at that time, whenever the tests run.
const NEWEST_H = 6
const ago = (hours: number) => new Date(Date.now() - hours * HOUR_MS)

/** A system of production with a bucket that is empty, and what the bucket is made to hold. */
interface Place extends TestBucket {
  readonly name: string
  /** A dump taken so many hours ago. @returns its key */
  dump(hours: number, more?: Partial<Parameters<typeof storeDump>[1]>): Promise<string>
  /** Dumps of successive days, one for each, oldest first. */
  daily(dumps: readonly Partial<Parameters<typeof storeDump>[1]>[]): Promise<string[]>
}

/** How a bucket is made so that `status` has this finding, and the finding's message. */
interface Way {
  readonly like?: string
  readonly more?: Partial<System>
  make(place: Place): Promise<unknown>
  readonly says: RegExp
  /** Findings that go with it. */
  readonly also?: readonly FindingId[]
}

const healthy = Array.from({ length: 8 }, () => ({}))

// These two are found by `verify` alone, which asks the bucket more: verify.test.ts and undelete.test.ts.
const ways: Record<Exclude<FindingId, 'unprotected' | 'leftovers'>, Way> = {
  'no-answer': {
    make: async () => undefined,
    more: { bucket: 'no-such-bucket-of-the-tests' },
    says: /NoSuchBucket \(HTTP 404\)$/,
  },
  'no-copy': { make: async () => undefined, says: /holds no copy and no receipt$/ },
  'newest-copy-lost': {
    make: async ({ daily, put }) => put((await daily(healthy)).at(-1) ?? '', 'something else'),
    says: /has 14 bytes with ETag \w+, its receipt says 1000 bytes with \w+$/,
  },
  damaged: {
    make: async place => {
      const key = (await place.daily(healthy)).at(-1) ?? ''
      const { bucket, store, name } = place
      const [{ bytes = 0, etag = '' } = {}] = (await place.objects()).filter(object => object.key === key)
      await writeReceipt(store, checkReceipts, {
        system: drillSystem(name),
        start: ago(2).toISOString(),
        end: ago(1).toISOString(),
        bucket,
        object: { key, bytes, etag, sha256: '0'.repeat(64) },
        bytes,
        versions: {},
        counts: { objects: 1, damaged: 1 },
        details: { damaged: [{ key, why: 'its hash is another one' }] },
      })
    },
    says: /dumpall\.sql\.gz: its hash is another one$/,
  },
  'not-private': {
    make: async ({ daily, store, bucket }) => {
      await daily(healthy)
      await store.s3.send(new PutBucketAclCommand({ Bucket: bucket, ACL: 'authenticated-read' }))
    },
    says: /its ACL gives READ to AuthenticatedUsers/,
  },
  'guard-acted': {
    make: async ({ daily, store, bucket, name }) => {
      await daily(healthy)
      await markGuarded(store, { bucket, system: name, armed: ago(7) })
    },
    says: /^the guard was armed at .*Z, and its run did not disarm it: .*\.guarded$/,
  },
  incomplete: {
    like: 'production-stack-media',
    make: async place => tree(place, { files: 9, missing: 2 }),
    says: /^the newest copy of incomplete lacks 2 files$/,
  },
  overdue: {
    make: async ({ dump }) => dump(3 * DAY_H),
    says: /^the newest copy is 3 d old; the next was due by \d{4}-/,
  },
  'promise-broken': {
    more: { schedule: { every: 'hour', minute: 51 }, loseAtMost: '4 hours' },
    make: async ({ daily }) => daily(healthy),
    says: /^6 h of data would be lost now, `loseAtMost` is 4 h$/,
    also: ['overdue'],
  },
  'from-the-future': {
    make: async ({ daily, dump }) => {
      await daily(healthy)
      await dump(-400 * DAY_H)
    },
    says: /is dated 20\d\d-.*, but was written at \d{4}-/,
  },
  'receipt-invalid': {
    make: async ({ daily, put, name }) => {
      await daily(healthy)
      await put(`.receipts/${name}/2026-01-01T00:00:00.000Z.json`, '{"half": ')
    },
    says: /2026-01-01T00:00:00\.000Z\.json/,
  },
  'chain-broken': {
    make: async place => {
      await place.daily(healthy)
      const receipts = (await place.objects()).filter(({ key }) => /\.receipts\/.*Z\.json$/.test(key))
      await deleteKeys(place.store, place.bucket, [receipts[4]?.key ?? ''])
    },
    says: /\.receipts\/chain-broken\/.*json/,
  },
  'copy-lost': {
    make: async ({ daily, store, bucket }) => deleteKeys(store, bucket, [(await daily(healthy))[4] ?? '']),
    says: /is missing, although it has a receipt$/,
  },
  shrunk: {
    make: async ({ daily }) => daily([...healthy, { body: Buffer.alloc(400) }]),
    says: /^bytes 1000 → 400$/,
  },
  'too-few-copies': {
    more: { keep: 6 } as Partial<System>,
    // The oldest three of eight are gone, as by somebody who tidied up.
    make: async ({ daily, store, bucket }) => deleteKeys(store, bucket, (await daily(healthy)).slice(0, 3)),
    says: /^5 of 6 copies are there, the oldest taken at \d{4}-/,
  },
  'client-behind': {
    make: async ({ daily }) => daily([...healthy, { versions: { server: '17.9', pg_dumpall: '17.2' } }]),
    says: /^the PostgreSQL client 17\.2 is older than the server's 17\.9$/,
  },
  'drill-overdue': {
    make: async ({ daily }) => daily(Array.from({ length: 17 }, () => ({}))),
    says: /^no copy was ever restored in a drill; the first was due by \d{4}-/,
  },
  'run-unfinished': {
    make: async ({ daily, store, bucket, name }) => {
      await daily(healthy)
      await markStarted(store, { bucket, system: name, start: ago(30) })
    },
    says: /^the run of \d{4}-.*Z left \.receipts\/run-unfinished\/.*\.unfinished$/,
  },
  'no-receipts': {
    make: async ({ put }) => put(`hourly/backup-${ago(5).toISOString().slice(0, 19)}Z-dumpall.sql.gz`, 'dump'),
    says: /^1 copies, by their names; the newest, hourly\/backup-/,
  },
  grown: {
    make: async ({ daily }) => daily([...healthy, { body: Buffer.alloc(2400) }]),
    says: /^bytes 1000 → 2400$/,
  },
  slower: {
    make: async ({ daily }) => daily([...healthy, ...Array.from({ length: 3 }, () => ({ seconds: 600 }))]),
    says: /^10 min in the last runs, 1 min before$/,
  },
  'longer-outage': {
    like: 'rancher-server',
    make: async place => {
      const outages = [2, 2, 3, 2, 2, 2, 30, 40, 35]
      for (const [index, seconds] of outages.entries())
        await archive(place, NEWEST_H + (8 - index) * 7 * DAY_H, seconds)
    },
    says: /^35 s in the last runs, 2 s before$/,
  },
}

/** An archive of Rancher's data, taken so many hours ago, for which Rancher was down so many seconds. */
async function archive(place: Place, hours: number, down: number): Promise<void> {
  const taken = ago(hours)
  await storeCopy(place, rancherReceipts, {
    system: place.name,
    taken,
    key: `rancher-data-backup-v2.8.5-${taken.toISOString().slice(0, 19).replaceAll(':', '-')}Z.tar.gz`,
    body: Buffer.alloc(1000),
    details: { stoppedSeconds: down - 1, healthySeconds: down },
  })
}

/** A manifest of so many files, of which some could not be copied. */
async function tree(place: Place, counts: Record<string, number>): Promise<void> {
  const taken = ago(NEWEST_H)
  await storeCopy(place, mediaReceipts, {
    system: place.name,
    taken,
    key: `.manifests/${place.name}/${taken.toISOString()}.jsonl.gz`,
    body: Buffer.alloc(1000),
    counts,
    details: { prefix: '' },
  })
}

function due({ schedule }: System): Schedule {
  const newest = ago(NEWEST_H)
  const at = newest.toISOString().slice(11, 16)
  // Monday is the first.
  const on = weekdays[(newest.getUTCDay() + 6) % 7] ?? 'monday'
  return schedule.every === 'week' ? { every: 'week', on, at } : { every: 'day', at }
}

async function drilled({ store, bucket, name }: Place): Promise<void> {
  await writeReceipt(store, drillReceipts, {
    system: drillSystem(name),
    start: ago(DAY_H).toISOString(),
    end: ago(DAY_H).toISOString(),
    bucket,
    object: { key: 'copy', bytes: 1, sha256: '0'.repeat(64), etag: '0'.repeat(32) },
    bytes: 1,
    versions: {},
    counts: {},
    details: { seconds: 60 },
  })
}

async function emptyPlace(name: string): Promise<Place> {
  const bucket = await freshBucket()
  const dump: Place['dump'] = (hours, more = {}) =>
    storeDump(bucket, { system: name, taken: ago(hours), body: Buffer.alloc(1000), ...more })
  const daily: Place['daily'] = async dumps => {
    const keys: string[] = []
    for (const [index, more] of dumps.entries())
      keys.push(await dump(NEWEST_H + (dumps.length - 1 - index) * DAY_H, more))
    return keys
  }
  return { ...bucket, name, dump, daily }
}

let station: Workstation
beforeAll(async () => {
  station = await workstation()
})
afterAll(() => station?.end())

it('every kind of finding is shown by `status` for a bucket that was made wrong in this way, and no other', async () => {
  const systems = await Promise.all(
    Object.entries(ways).map(async ([name, { like = 'infra-db-production', more, make }]) => {
      const place = await emptyPlace(name)
      if (name !== 'drill-overdue') await drilled(place)
      await make(place)
      const system = systemNamed(like)
      const volume = system.kind === 'database' && { volume: { claim: name, size: '1Gi' } }
      return { ...system, name, bucket: place.bucket, schedule: due(system), ...volume, ...more } as System
    }),
  )
  const { stdout, stderr, exitCode } = await station.run(systems, 'status', '--format', 'json')
  expect(exitCode, stderr).toBe(1)
  const { findings } = JSON.parse(stdout) as { findings: (Record<string, string> & { id: FindingId })[] }
  for (const [name, { says, also = [] }] of Object.entries(ways)) {
    const own = findings.filter(({ system }) => system === name)
    expect(new Set(own.map(({ id }) => id)), name).toEqual(new Set([name, ...also]))
    const finding = own.find(({ id }) => id === name)
    expect(finding?.message, name).toMatch(says)
    const { severity, next } = findingKinds[name as FindingId]
    expect(finding, name).toMatchObject({ severity, next, page: `docs/FINDINGS.md#${name}` })
  }
})
