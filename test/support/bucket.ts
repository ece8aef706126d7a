import { randomBytes } from 'node:crypto'
import { CreateBucketCommand, DeleteBucketCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { onTestFinished } from 'vitest'
import { openStore, type Store } from '../../src/store/client.ts'
import { deleteKeys, type ListedObject, listObjects } from '../../src/store/list.ts'
import { abortUploads } from '../../src/store/upload.ts'

/** A bucket for one test, deleted when the test ends. */
export interface TestBucket {
  bucket: string
  store: Store
  /** The agent's environment for it. */
  env: Record<string, string>
  objects: () => Promise<ListedObject[]>
  /** Keys of copies: without receipts, manifests and trash. */
  copies: () => Promise<string[]>
  text: (key: string) => Promise<string>
  put: (key: string, body: string | Uint8Array) => Promise<void>
}

/**
 * The bucket store for the tests, from the environment.
 * @throws Error naming the variables to set
 */
export function storeEnvironment(): Record<string, string> {
  const given = {
    RCLONE_S3_ENDPOINT: process.env.BACKUPS_TEST_S3_ENDPOINT,
    AWS_ACCESS_KEY_ID: process.env.BACKUPS_TEST_S3_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY: process.env.BACKUPS_TEST_S3_SECRET_ACCESS_KEY,
  }
  const missing = Object.values(given).some(value => !value)
  if (missing) {
    throw new Error(
      'these tests need a bucket store: run them with "npm test", which starts one, or set BACKUPS_TEST_S3_ENDPOINT, BACKUPS_TEST_S3_ACCESS_KEY_ID and BACKUPS_TEST_S3_SECRET_ACCESS_KEY of a user that may create buckets',
    )
  }
  return { ...(given as Record<string, string>), RCLONE_S3_PROVIDER: 'Ceph', AWS_DEFAULT_REGION: 'us-east-1' }
}

/** Create a bucket. */
export async function freshBucket(): Promise<TestBucket> {
  const env = storeEnvironment()
  const store = openStore(env)
  const bucket = `agent-test-${randomBytes(6).toString('hex')}`
  await store.s3.send(new CreateBucketCommand({ Bucket: bucket }))
  const objects = async (): Promise<ListedObject[]> => {
    const all: ListedObject[] = []
    for await (const object of listObjects(store, { bucket })) all.push(object)
    return all
  }
  onTestFinished(async () => {
    await abortUploads(store, { bucket, prefix: '' })
    await deleteKeys(
      store,
      bucket,
      (await objects()).map(({ key }) => key),
    )
    await store.s3.send(new DeleteBucketCommand({ Bucket: bucket }))
    store.s3.destroy()
  })
  return {
    bucket,
    store,
    env,
    objects,
    copies: async () =>
      (await objects()).map(({ key }) => key).filter(key => !/^\.(receipts|manifests|trash)\//.test(key)),
    text: async key => {
      const answer = await store.s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }))
      return (await answer.Body?.transformToString()) ?? ''
    },
    put: async (key, body) => {
      await store.s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }))
    },
  }
}
