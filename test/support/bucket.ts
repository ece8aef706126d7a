import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { onTestFinished } from 'vitest'
import { projectRoot } from '../../src/ansible/venv.ts'
import { openStore, type Protection, type Store } from '../../src/store/client.ts'
import { deleteKeys, type ListedObject, listObjects } from '../../src/store/list.ts'
import { inParallel } from '../../src/store/parallel.ts'
import { abortUploads } from '../../src/store/upload.ts'
import { listVersions } from '../../src/store/versions.ts'

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
  onTestFinished(async () => {
    await abortUploads(store, { bucket, prefix: '' })
    await deleteKeys(
      store,
      bucket,
      (await objectsOf(store, bucket)).map(({ key }) => key),
    )
    await store.s3.send(new DeleteBucketCommand({ Bucket: bucket }))
    store.s3.destroy()
  })
  return testBucket(bucket, store, env)
}

/** A bucket that its owner set up as docs/buckets.md says; `store` and `env` are those of the agent's user. */
export interface ProtectedBucket extends TestBucket {
  owner: Store
}

/**
 * Create a bucket that protects its copies: it belongs to one user of the store, and another writes to it, as the policy
 * of docs/buckets.md allows. One with locks stays until the store is removed, because nobody can empty it.
 */
export async function protectedBucket({ mode, days }: Protection): Promise<ProtectedBucket> {
  const owned = storeEnvironment()
  const writer = {
    AWS_ACCESS_KEY_ID: process.env.BACKUPS_TEST_S3_WRITER_ACCESS_KEY_ID ?? '',
    AWS_SECRET_ACCESS_KEY: process.env.BACKUPS_TEST_S3_WRITER_SECRET_ACCESS_KEY ?? '',
  }
  const env = { ...owned, ...writer, BACKUP_PROTECT: mode, BACKUP_PROTECT_DAYS: String(days) }
  const owner = openStore(owned)
  const bucket = `agent-test-${randomBytes(6).toString('hex')}`
  const [lifecycle = '', policy = ''] = documents(bucket, 'tests-writer')
  const Bucket = bucket
  await owner.s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: mode === 'lock' }))
  await owner.s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }))
  await owner.s3.send(
    new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: JSON.parse(lifecycle) }),
  )
  await owner.s3.send(new PutBucketPolicyCommand({ Bucket, Policy: policy }))
  onTestFinished(async () => {
    if (mode === 'versioning') await removeVersions(owner, bucket)
    owner.s3.destroy()
  })
  return { ...testBucket(bucket, openStore(env), env), owner }
}

/** The JSON documents of docs/buckets.md, in their order: lifecycle, policy. */
function documents(bucket: string, agent: string): string[] {
  const page = readFileSync(join(projectRoot, 'docs/buckets.md'), 'utf8')
  const blocks = [...page.matchAll(/```json\n([^`]*)```/g)].map(([, text = '']) => text)
  return blocks.map(text => text.replaceAll('$bucket', bucket).replaceAll('$agent', agent))
}

async function removeVersions(store: Store, bucket: string): Promise<void> {
  await abortUploads(store, { bucket, prefix: '' })
  await inParallel(await listVersions(store, bucket), 8, ({ key, id }) =>
    store.s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: key, VersionId: id })),
  )
  await store.s3.send(new DeleteBucketCommand({ Bucket: bucket }))
}

async function objectsOf(store: Store, bucket: string): Promise<ListedObject[]> {
  const all: ListedObject[] = []
  for await (const object of listObjects(store, { bucket })) all.push(object)
  return all
}

function testBucket(bucket: string, store: Store, env: Record<string, string>): TestBucket {
  const objects = () => objectsOf(store, bucket)
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

/** The variables of a run that copies a tree to a bucket. */
export function mediaTo({ bucket, env }: TestBucket, source: string): Record<string, string> {
  return {
    ...env,
    REPLICATE_DIRECTION: 'BtoA',
    USE_RCLONE: 'yes',
    S3_BUCKET_NAME: bucket,
    BACKUP_SYSTEM: 'media',
    BACKUP_VOLUME_B: source,
  }
}
