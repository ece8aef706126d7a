import { PutBucketAclCommand } from '@aws-sdk/client-s3'
import { expect, it } from 'vitest'
import { verify } from '../../src/agent/verify.ts'
import { deleteKeys } from '../../src/store/list.ts'
import { freshBucket } from '../support/bucket.ts'
import { storeDump } from '../support/receipts.ts'

/** A bucket with copies of a database, one an hour, the newest an hour old. */
async function copies(sizes: readonly number[]) {
  const test = await freshBucket()
  const { bucket, env } = test
  const keys: string[] = []
  for (const [index, bytes] of sizes.entries()) {
    const taken = new Date(Date.now() - (sizes.length - index) * 3_600_000)
    keys.push(await storeDump(test, { system: 'db', taken, body: Buffer.alloc(bytes, index + 1) }))
  }
  const run = (more: Record<string, string> = {}) =>
    verify({ ...env, BACKUP_SYSTEM: 'db', S3_BUCKET_NAME: bucket, ...more })
  return { ...test, keys, run }
}

it('copies that are what their receipts say', async () => {
  const { run, keys } = await copies([100, 100, 100])
  expect(await run()).toMatchObject({ copies: 3, object: keys[2], warnings: [] })
})

it('growth is told and fails nothing', async () => {
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

it('an older copy that is gone', async () => {
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
