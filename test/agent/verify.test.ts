import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { CreateMultipartUploadCommand, PutBucketAclCommand } from '@aws-sdk/client-s3'
import { expect, it } from 'vitest'
import { databaseReceipts } from '../../src/agent/database/receipt.ts'
import { replicate } from '../../src/agent/media/backup.ts'
import { verify } from '../../src/agent/verify.ts'
import { leftovers } from '../../src/store/bucket-state.ts'
import { checkReceipts } from '../../src/store/check-receipt.ts'
import { deleteKeys } from '../../src/store/list.ts'
import {
  clearGuarded,
  drillSystem,
  markGuarded,
  type Receipt,
  readReceipts,
  writeReceipt,
} from '../../src/store/receipt.ts'
import { folder } from '../support/agent.ts'
import { freshBucket } from '../support/bucket.ts'
import { storeDump } from '../support/receipts.ts'

/** A dump as pg_dumpall writes it, of about this many bytes; without its end, it was cut off. */
function dump(bytes: number, end = '--\n-- PostgreSQL database cluster dump complete\n--\n\n'): Buffer {
  return gzipSync(
    `--\n-- PostgreSQL database cluster dump\n--\n\nSET client_encoding = 'UTF8';\n\n-- ${'x'.repeat(bytes)}\n\n${end}`,
    { level: 0 },
  )
}

/** A bucket with copies of a database, one an hour, the newest an hour old. */
async function copies(sizes: readonly number[], bodies: readonly Buffer[] = []) {
  const test = await freshBucket()
  const { bucket, env } = test
  const keys: string[] = []
  for (const [index, bytes] of sizes.entries()) {
    const taken = new Date(Date.now() - (sizes.length - index) * 3_600_000)
    keys.push(await storeDump(test, { system: 'db', taken, body: bodies[index] ?? Buffer.alloc(bytes, index + 1) }))
  }
  const run = (more: Record<string, string> = {}) =>
    verify({ ...env, BACKUP_SYSTEM: 'db', S3_BUCKET_NAME: bucket, ...more })
  return { ...test, keys, run }
}

it('copies that are what their receipts say', async () => {
  const { run, keys } = await copies([100, 100, 100])
  expect(await run()).toMatchObject({ copies: 3, object: keys[2], warnings: [] })
})

it('growth is reported and does not fail the check', async () => {
  const { run } = await copies([100, 100, 100, 100, 100, 300])
  expect(await run({ BACKUP_COUNT: '4' })).toMatchObject({ copies: 6, warnings: ['bytes 100 → 300'] })
})

it('a copy of half the size', async () => {
  const { run } = await copies([100, 100, 100, 100, 100, 50])
  await expect(run()).rejects.toMatchObject({
    kind: 'verification',
    message: expect.stringContaining('bytes 100 → 50'),
  })
})

it('an older copy that is missing', async () => {
  const { run, keys, store, bucket } = await copies([100, 100, 100])
  await deleteKeys(store, bucket, [keys[1] ?? ''])
  await expect(run()).rejects.toMatchObject({
    kind: 'verification',
    message: expect.stringContaining(`${bucket}/${keys[1]} is missing`),
  })
})

it('a newest copy that is too old', async () => {
  const { run } = await copies([100])
  await expect(run({ BACKUP_MAXIMUM_AGE_H: '1' })).rejects.toMatchObject({
    kind: 'stale',
    message: expect.stringContaining('the newest copy is 1 h old'),
  })
})

it('a bucket that anybody can list and write to', async () => {
  const { run, store, bucket } = await copies([100])
  await store.s3.send(new PutBucketAclCommand({ Bucket: bucket, ACL: 'public-read-write' }))
  await expect(run()).rejects.toMatchObject({
    kind: 'verification',
    message: expect.stringContaining('gives WRITE to AllUsers'),
  })
})

/** The receipts of checks, newest first. */
async function checksOf({
  store,
  bucket,
}: Awaited<ReturnType<typeof copies>>): Promise<Receipt<typeof checkReceipts>[]> {
  const { receipts } = await readReceipts(store, { bucket, system: drillSystem('db'), kinds: [checkReceipts] })
  return receipts.map(({ receipt }) => receipt)
}

it('a guard that was armed and never disarmed', async () => {
  const { run, store, bucket } = await copies([100])
  await markGuarded(store, { bucket, system: 'db', armed: new Date(Date.now() - 1_800_000) })
  expect(await run()).toMatchObject({ warnings: [] })
  await markGuarded(store, { bucket, system: 'db', armed: new Date(Date.now() - 7_200_000) })
  await expect(run()).rejects.toMatchObject({
    kind: 'verification',
    message: expect.stringMatching(
      /^the guard was armed at .*Z, and its run did not disarm it: .*\.guarded: read the logs/,
    ),
  })
  await clearGuarded(store, { bucket, system: 'db' })
  expect(await run()).toMatchObject({ warnings: [] })
})

it('uploads that were begun and never finished, once they are old', async () => {
  const { run, store, bucket } = await copies([100])
  await store.s3.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: 'hourly/half' }))
  expect(await run()).toMatchObject({ warnings: [] })
  expect(await leftovers(store, bucket, new Date(Date.now() + 3 * 86_400_000))).toEqual([
    'holds 1 uploads started more than 48 hours ago and never finished, which take space',
  ])
})

it('reads every copy back, and what was read longest ago first', async () => {
  const test = await copies([0, 0, 0], [dump(3000), dump(2900), dump(2800)])
  const { run, keys } = test
  expect(await run({ BACKUP_DEEP: 'yes', BACKUP_DEEP_BYTES: '7K' })).toMatchObject({ readBack: 2, warnings: [] })
  const first = await checksOf(test)
  expect(first.map(({ object }) => object.key)).toEqual([keys[1], keys[2]])
  expect(first[0]).toMatchObject({ counts: { objects: 1, damaged: 0 }, details: { seconds: expect.any(Number) } })
  // The one that was not read yet is first; the budget holds two.
  await run({ BACKUP_DEEP: 'yes', BACKUP_DEEP_BYTES: '7K' })
  const second = (await checksOf(test)).slice(0, 2)
  expect(second.map(({ object }) => object.key)).toEqual([keys[2], keys[0]])
})

it('a copy whose listing is right and whose content is not, until it is read and found good', async () => {
  const test = await copies([0, 0], [dump(1000), dump(1000)])
  const { run, keys, store, bucket } = test
  const [stored] = (await readReceipts(store, { bucket, system: 'db', kinds: [databaseReceipts] })).receipts
  const { receipt } = stored as NonNullable<typeof stored>
  // As if the store had returned other bytes under the same ETag.
  const lie = { ...receipt, object: { ...receipt.object, sha256: createHash('sha256').update('other').digest('hex') } }
  await deleteKeys(store, bucket, [stored?.key ?? ''])
  await writeReceipt(store, databaseReceipts, lie)
  expect(await run()).toMatchObject({ warnings: [] })
  await expect(run({ BACKUP_DEEP: 'yes' })).rejects.toMatchObject({
    kind: 'verification',
    message: expect.stringMatching(new RegExp(`^${bucket}/${keys[1]}: it has \\d+ bytes with SHA-256`)),
  })
  // Whoever asks later hears it, too.
  await expect(run()).rejects.toThrow(keys[1] ?? '')
  const [newest] = await checksOf(test)
  expect(newest?.versions.agent).toBeDefined()
})

it('media are read in parts, and a damaged file is named until it is good again', async () => {
  const { bucket, store, env, put } = await freshBucket()
  const source = await folder()
  for (const name of ['a', 'b', 'c', 'd']) await writeFile(join(source, name), name.repeat(1000))
  const never = new AbortController().signal
  const system = { ...env, BACKUP_SYSTEM: 'media', S3_BUCKET_NAME: bucket, USE_RCLONE: 'yes' }
  await replicate({ ...system, REPLICATE_DIRECTION: 'BtoA', BACKUP_VOLUME_B: source }, never)
  const deep = () => verify({ ...system, BACKUP_DEEP: 'yes', BACKUP_DEEP_BYTES: '3K' })
  const part = async () => {
    const { receipts } = await readReceipts(store, { bucket, system: drillSystem('media'), kinds: [checkReceipts] })
    return receipts[0]?.receipt.details.until
  }
  expect(await deep()).toMatchObject({ readBack: 1, warnings: [] })
  expect(await part()).toBe('b')
  await put('d', 'x'.repeat(1000))
  await expect(deep()).rejects.toThrow(`${bucket}/d: it has 1000 bytes with MD5`)
  expect(await part()).toBe('')
  // From the start again, and what was damaged.
  await expect(deep()).rejects.toThrow(`${bucket}/d: it has 1000 bytes with MD5`)
  await put('d', 'd'.repeat(1000))
  expect(await deep()).toMatchObject({ readBack: 1, warnings: [] })
})

it('a dump that was cut off before it was stored', async () => {
  const { run, keys } = await copies([0, 0], [dump(1000), dump(1000, '')])
  await expect(run({ BACKUP_DEEP: 'yes' })).rejects.toThrow(
    new RegExp(`${keys[1]}: its content is damaged: its end marker`),
  )
})

it('a dump whose compression ends too early', async () => {
  const { run } = await copies([0, 0], [dump(1000), dump(1000).subarray(0, 600)])
  await expect(run({ BACKUP_DEEP: 'yes' })).rejects.toThrow('its content is damaged: unexpected end of file')
})
