import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { projectRoot } from '../../src/ansible/venv.ts'
import type { Evidence } from '../../src/evidence/evidence.ts'
import { freshBucket, storeEnvironment, type TestBucket } from '../support/bucket.ts'
import { systemNamed } from '../support/page.ts'
import { storeDump } from '../support/receipts.ts'
import { type Workstation, workstation } from '../support/workstation.ts'

const name = 'infra-db-production'
const month = new Date().toISOString().slice(0, 7)
let station: Workstation
beforeAll(async () => {
  station = await workstation()
})
afterAll(() => station?.end())

/** Two copies of this month, as far as it has lasted. */
async function twoCopies({ store, bucket }: TestBucket): Promise<void> {
  const first = Date.parse(`${month}-01T00:00:00Z`)
  for (const part of [0.3, 0.6]) {
    const taken = new Date(first + Math.floor((Date.now() - first) * part))
    await storeDump({ store, bucket }, { system: name, taken, body: Buffer.alloc(1000), counts: { databases: 3 } })
  }
}

/** Every line of the evidence names a receipt that is in the bucket with these bytes. */
async function expectProven({ systems }: Evidence, { text }: TestBucket): Promise<void> {
  const [system] = systems
  expect(system?.copies).toHaveLength(2)
  expect(system?.chain).toEqual({ receipts: 2, problems: [] })
  for (const { receipt, counts } of system?.copies ?? []) {
    expect(counts).toEqual({ databases: 3 })
    expect(
      createHash('sha256')
        .update(await text(receipt.key))
        .digest('hex'),
    ).toBe(receipt.sha256)
  }
}

const ownKeys = () => {
  const env = storeEnvironment()
  return { access_key_id: env.AWS_ACCESS_KEY_ID ?? '', secret_access_key: env.AWS_SECRET_ACCESS_KEY ?? '' }
}

test('the command writes the month of a real bucket as HTML and JSON', async () => {
  const bucket = await freshBucket()
  await twoCopies(bucket)
  const system = { ...systemNamed(name), bucket: bucket.bucket }
  const { folder } = station
  const made = await station.run([system], 'report', '--month', month, '--to', join(folder, 'report'))
  expect(made.exitCode, made.stderr).toBe(0)
  expect(made.stderr).toContain('report: 2 copies, 0 proofs; written ')
  await expectProven(JSON.parse(await readFile(join(folder, 'report.json'), 'utf8')) as Evidence, bucket)
  expect(await readFile(join(folder, 'report.html'), 'utf8')).toContain('unbroken (2 receipts)')
})

test("AWX's job writes it into a private bucket; of a bucket that does not answer it says so, and fails", async () => {
  const [bucket, reports] = [await freshBucket(), await freshBucket()]
  await twoCopies(bucket)
  const report = async (systems: object[], more: Record<string, string> = {}) => {
    const config = join(station.folder, 'config.json')
    const store = { endpoint: storeEnvironment().RCLONE_S3_ENDPOINT, region: 'us-east-1', provider: 'Ceph' }
    await writeFile(config, JSON.stringify({ organisation: 'Tests', store, systems }))
    const { access_key_id: id, secret_access_key: key } = ownKeys()
    return await execa('node', [join(projectRoot, 'src/service/main.ts'), 'report'], {
      reject: false,
      all: true,
      env: {
        STATUS_CONFIG: config,
        AWS_ACCESS_KEY_ID: id,
        AWS_SECRET_ACCESS_KEY: key,
        REPORT_ACCESS_KEY_ID: id,
        REPORT_SECRET_ACCESS_KEY: key,
        REPORT_BUCKET: reports.bucket,
        REPORT_MONTH: month,
        XDG_CACHE_HOME: join(station.folder, 'cache-of-pod'),
        ...more,
      },
    })
  }
  const system = { ...systemNamed(name), bucket: bucket.bucket }
  const made = await report([system])
  expect(made.exitCode, made.all).toBe(0)
  expect(made.all).not.toContain(ownKeys().secret_access_key)
  const json = await reports.text(`${month}/backups-${month}.json`)
  await expectProven(JSON.parse(json) as Evidence, bucket)
  expect(made.all).toContain(createHash('sha256').update(json).digest('hex'))
  const html = `${month}/backups-${month}.html`
  expect(await reports.text(html)).toContain('unbroken (2 receipts)')
  // Nobody without keys can fetch it.
  expect((await fetch(`${storeEnvironment().RCLONE_S3_ENDPOINT}/${reports.bucket}/${html}`)).status).toBe(403)

  const lost = { ...systemNamed('infra-db-development'), bucket: 'no-such-bucket-of-the-tests' }
  const partly = await report([system, lost])
  expect(partly.exitCode, partly.all).toBe(1)
  expect(partly.all).toMatch(/infra-db-development: .*no-such-bucket-of-the-tests/)
  expect(await reports.text(html)).toContain('not read: ')

  expect(await report([system], { REPORT_MONTH: '2026-13' })).toMatchObject({
    exitCode: 2,
    all: expect.stringContaining('"2026-13" is not a month'),
  })
  expect(await report([system], { REPORT_BUCKET: 'no-such-bucket-of-the-tests' })).toMatchObject({
    exitCode: 3,
    all: expect.stringContaining('no-such-bucket-of-the-tests at http'),
  })
  // Without a month it is the last one.
  const last = new Date(Date.parse(`${month}-01T00:00:00Z`) - 1).toISOString().slice(0, 7)
  expect((await report([system], { REPORT_MONTH: '' })).all).toContain(`${last}/backups-${last}.html`)
})
