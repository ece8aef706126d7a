import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PutBucketAclCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { System } from '../../src/kinds/index.ts'
import { Memory } from '../../src/status/memory.ts'
import { observe } from '../../src/status/observe.ts'
import { deleteKeys } from '../../src/store/list.ts'
import { makePrivate } from '../../src/store/openness.ts'
import { drillSystem, markStarted, receiptPrefix } from '../../src/store/receipt.ts'
import { putVerified } from '../../src/store/upload.ts'
import { freshBucket, type TestBucket } from '../support/bucket.ts'
import { systemNamed } from '../support/page.ts'
import { receiptsOf, storeDump } from '../support/receipts.ts'
import { type Workstation, workstation } from '../support/workstation.ts'

const HOUR_MS = 3_600_000
let station: Workstation
beforeAll(async () => {
  station = await workstation()
})
afterAll(() => station?.end())

/** Runs a command on production's systems of these names, in buckets of a test. */
const backups = (buckets: Record<string, string>, ...args: string[]) =>
  station.run(
    Object.entries(buckets).map(([name, bucket]) => ({ ...systemNamed(name), bucket }) as System),
    ...args,
  )

const status = async (buckets: Record<string, string>) => {
  const { exitCode, stdout, stderr } = await backups(buckets, 'status', '--format', 'json')
  expect(stderr).toMatch(/status: \d+ systems/)
  const { rows, findings, requests } = JSON.parse(stdout)
  return {
    exitCode,
    rows,
    requests,
    findings: findings.map((f: Record<string, string>) => `${f.system} ${f.id}: ${f.message}`),
    whole: findings,
  }
}

/** A run of the nightly database, so many hours ago: the copy, then its receipt. */
async function run(target: TestBucket, hoursAgo: number, bytes = 1000): Promise<string> {
  const taken = new Date(Date.now() - hoursAgo * HOUR_MS)
  const body = Buffer.alloc(bytes, hoursAgo % 256)
  return await storeDump(target, { system: 'infra-db-production', taken, body, counts: { databases: 3 } })
}

it('a healthy system: exit 0, three requests when nothing is new, and what can be restored', async () => {
  const test = await freshBucket()
  await makePrivate(test.store, test.bucket, { objects: false })
  const keys = [await run(test, 30), await run(test, 6)]
  const first = await status({ 'infra-db-production': test.bucket })
  expect(first).toMatchObject({ exitCode: 0, findings: [], requests: 6 })
  expect(first.rows).toMatchObject([
    { state: 'good', copies: { good: 2, unproven: 0 }, newest: { key: keys[1], proven: true }, runSeconds: 60 },
  ])
  expect(await status({ 'infra-db-production': test.bucket })).toMatchObject({ exitCode: 0, findings: [], requests: 3 })

  const file = join(station.folder, 'page.html')
  await backups({ 'infra-db-production': test.bucket }, 'status', '--html', file)
  expect(await readFile(file, 'utf8')).toContain('2 runs since')

  const { stdout, exitCode } = await backups({ 'infra-db-production': test.bucket }, 'copies', 'infra-db-production')
  expect(exitCode).toBe(0)
  const lines = stdout.split('\n').slice(2)
  expect(lines).toHaveLength(2)
  expect(lines[0]).toMatch(new RegExp(`6 h\\s+1000 B\\s+3 databases\\s+${keys[1]}`))
})

it('a bucket that does not answer costs one line, and the others are read all the same', async () => {
  const test = await freshBucket()
  await run(test, 6)
  const found = await status({
    'infra-db-development': 'no-such-bucket-of-the-tests',
    'infra-db-production': test.bucket,
  })
  expect(found.exitCode).toBe(1)
  expect(found.rows.map((row: { state: string }) => row.state)).toEqual(['no answer', 'good'])
  // How many copies there are is not known, and not none.
  expect(found.rows.map(({ copies }: { copies?: object }) => copies !== undefined)).toEqual([false, true])
  expect(found.findings).toEqual([
    expect.stringMatching(
      /^infra-db-development no-answer: http.*: ListObjectsV2 no-such-bucket-of-the-tests: NoSuchBucket \(HTTP 404\)$/,
    ),
  ])
})

it('a bucket that everybody can read is found at once, also if it was private before', async () => {
  const test = await freshBucket()
  await run(test, 6)
  expect(await status({ 'infra-db-production': test.bucket })).toMatchObject({ exitCode: 0 })
  await test.store.s3.send(new PutBucketAclCommand({ Bucket: test.bucket, ACL: 'public-read' }))
  const found = await status({ 'infra-db-production': test.bucket })
  expect(found.exitCode).toBe(1)
  expect(found.findings).toEqual([
    `infra-db-production not-private: ${test.bucket}: its ACL gives READ to AllUsers; it should be private`,
    `infra-db-production not-private: ${test.bucket}: anybody can list it without a key; it should be private`,
  ])
})

it('exit 3 when no bucket answers', async () => {
  expect(await status({ 'infra-db-production': 'no-such-bucket-of-the-tests' })).toMatchObject({ exitCode: 3 })
})

it('everything that was made wrong on purpose is found, worst first, with since when, what to do and where to read', async () => {
  const test = await freshBucket()
  const { bucket, store } = test
  for (const hours of [144, 120, 96, 72]) await run(test, hours)
  const middle = (await test.objects()).filter(({ key }) => key.startsWith('hourly/'))[0]
  const before = await status({ 'infra-db-production': bucket })
  expect(before.findings).toEqual([expect.stringMatching(/overdue: the newest copy is 3 d old; the next was due by/)])

  // Replaced by something of the same size; a foreign file among the receipts; a run that was killed; a receipt removed.
  await test.put(middle?.key ?? '', Buffer.alloc(middle?.bytes ?? 0))
  await test.put('.receipts/infra-db-production/2026-01-01T00:00:00.000Z.json', '{"half": ')
  await markStarted(store, { bucket, system: 'infra-db-production', start: new Date(Date.now() - 30 * HOUR_MS) })
  const receipts = (await test.objects()).filter(({ key }) => /\.receipts\/.*Z\.json$/.test(key))
  await deleteKeys(store, bucket, [receipts.at(-1)?.key ?? ''])

  const { findings, exitCode, whole } = await status({ 'infra-db-production': bucket })
  expect(exitCode).toBe(1)
  expect(findings).toEqual([
    expect.stringContaining('overdue: the newest copy is 4 d old'),
    expect.stringContaining('receipt-invalid:'),
    expect.stringMatching(/chain-broken: .* existed and is missing now/),
    expect.stringMatching(/copy-lost: .* has 1000 bytes with ETag/),
    expect.stringContaining('run-unfinished:'),
  ])
  for (const finding of whole) {
    expect(finding).toMatchObject({
      since: expect.stringMatching(/^\d{4}-/),
      next: expect.any(String),
      page: `docs/FINDINGS.md#${finding.id}`,
    })
  }
})

it('a bucket of the old images: what their names tell, and what cannot be known', async () => {
  const [dumps, files] = [await freshBucket(), await freshBucket()]
  const taken = new Date(Date.now() - 5 * HOUR_MS)
  await dumps.put(`hourly/backup-${taken.toISOString().slice(0, 19)}Z-dumpall.sql.gz`, 'dump')
  for (const name of ['a.txt', 'b/c.txt']) await files.put(name, 'content')
  const { rows, findings } = await status({
    'infra-db-production': dumps.bucket,
    'production-stack-media': files.bucket,
  })
  expect(rows).toMatchObject([
    { state: 'warning', copies: { good: 0, unproven: 1 }, note: expect.stringContaining('whether a copy is complete') },
    { state: 'warning', note: expect.stringContaining('nor when the last run was') },
  ])
  expect(findings).toEqual([
    expect.stringMatching(/^infra-db-production no-receipts: 1 copies, by their names/),
    expect.stringMatching(/^production-stack-media no-receipts: 2 files, the newest seen was written at/),
  ])
})

it('of more receipts than one answer holds, those that have expired in the bucket are remembered, and no others are missed', async () => {
  const bucket = await freshBucket()
  const { store } = bucket
  const name = 'infra-db-production'
  const system = { ...systemNamed(name), bucket: bucket.bucket } as System
  const now = new Date()
  const place = { system: name, bucket: bucket.bucket, kind: 'database', keyOf: (taken: Date) => `hourly/${+taken}` }
  const hourly = (count: number, last: number) =>
    Array.from({ length: count }, (_, index) => ({ taken: new Date(last - (count - 1 - index) * HOUR_MS) }))
  // Remembered, and expired in the bucket, as a year of an hourly system is.
  const old = receiptsOf(place, hourly(1200, now.getTime() - 36 * 24 * HOUR_MS))
  const memory = await Memory.open(join(station.folder, 'long'), [store.endpoint, bucket.bucket, receiptPrefix(name)])
  for (const stored of old) memory.add(stored, 'seen')
  await memory.save()
  const keys: string[] = []
  for (const ago of [3, 2, 1]) {
    const taken = new Date(now.getTime() - ago * HOUR_MS)
    keys.unshift(await storeDump(bucket, { system: name, taken, body: Buffer.alloc(ago) }))
  }
  const drills = receiptsOf({ ...place, system: drillSystem(name), kind: 'drill' }, hourly(2, now.getTime() - HOUR_MS))
  for (const { key, receipt } of drills)
    await putVerified(store, { bucket: bucket.bucket, key, body: JSON.stringify(receipt) })

  const look = () => observe(store, system, join(station.folder, 'long'), now)
  await look()
  const before = store.requests()
  const seen = await look()
  // One LIST of the copies, and one of all receipts.
  expect(store.requests() - before).toBe(2)
  expect(seen.receipts.map(({ receipt }) => receipt.object.key)).toEqual(keys)
  expect(seen.drills).toHaveLength(2)
  expect(seen.history()).toHaveLength(1203)
  expect([seen.unreadable, seen.removed]).toEqual([[], []])
  const [, second = ''] = seen.receipts.map(({ key }) => key)
  await deleteKeys(store, bucket.bucket, [second])
  expect((await look()).removed.map(({ key }) => key)).toEqual([second])
})
