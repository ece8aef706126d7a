import { randomBytes } from 'node:crypto'
import { CreateBucketCommand, DeleteBucketCommand, DeleteObjectCommand } from '@aws-sdk/client-s3'
import { onTestFinished } from 'vitest'
import { inParallel } from '../../src/agent/run/parallel.ts'
import { openStore, type Store } from '../../src/store/client.ts'
import { listObjects } from '../../src/store/list.ts'

/** A bucket of a test's own in the lab's store, gone when the test ends, and the environment that reaches it. */
export async function makeBucket(): Promise<{ bucket: string; store: Store; env: Record<string, string> }> {
  const { BACKUPS_TEST_S3_ENDPOINT, BACKUPS_TEST_S3_ACCESS_KEY_ID, BACKUPS_TEST_S3_SECRET_ACCESS_KEY } = process.env
  const env = {
    RCLONE_S3_ENDPOINT: BACKUPS_TEST_S3_ENDPOINT ?? '',
    AWS_ACCESS_KEY_ID: BACKUPS_TEST_S3_ACCESS_KEY_ID ?? '',
    AWS_SECRET_ACCESS_KEY: BACKUPS_TEST_S3_SECRET_ACCESS_KEY ?? '',
    AWS_DEFAULT_REGION: 'us-east-1',
  }
  const bucket = `recovery-test-${randomBytes(6).toString('hex')}`
  const store = openStore(env)
  await store.s3.send(new CreateBucketCommand({ Bucket: bucket }))
  onTestFinished(async () => {
    // One by one: the XML of a list of keys cannot hold all of the names that files may have.
    await inParallel(await all(listObjects(store, { bucket })), 16, async ({ key }) => {
      await store.s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }))
    })
    await store.s3.send(new DeleteBucketCommand({ Bucket: bucket }))
  })
  return { bucket, store, env }
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}
