import {
  CreateMultipartUploadCommand,
  PutBucketAclCommand,
  PutBucketLifecycleConfigurationCommand,
} from '@aws-sdk/client-s3'
import { expect, it } from 'vitest'
import production from '../../../backups.config.ts'
import type { Config } from '../../../src/config/index.ts'
import { compareWithBuckets } from '../../../src/plan/buckets.ts'
import { freshBucket, storeEnvironment } from '../../support/bucket.ts'

const environment = storeEnvironment()
const keys = {
  access_key_id: environment.AWS_ACCESS_KEY_ID ?? '',
  secret_access_key: environment.AWS_SECRET_ACCESS_KEY ?? '',
}

async function notes(bucket: string, given = keys) {
  const systems = production.systems.filter(system => system.name === 'production-stack-media')
  const config: Config = {
    ...production,
    store: { ...production.store, endpoint: environment.RCLONE_S3_ENDPOINT ?? '' },
    systems: systems.map(system => ({ ...system, bucket })) as Config['systems'],
  }
  const { differences, unreachable } = await compareWithBuckets(config, { 'Store: production': given })
  return [...differences.map(({ sign, note }) => `${sign} ${note}`), ...unreachable.map(({ why }) => `? ${why}`)]
}

const noRule = '~ its lifecycle has no rule that aborts unfinished uploads'

it('a private bucket wants only a lifecycle; with it, nothing', async () => {
  const { bucket, store } = await freshBucket()
  expect(await notes(bucket)).toEqual([noRule])
  await store.s3.send(
    new PutBucketLifecycleConfigurationCommand({
      Bucket: bucket,
      LifecycleConfiguration: {
        Rules: [
          {
            ID: 'unfinished',
            Status: 'Enabled',
            Filter: { Prefix: '' },
            AbortIncompleteMultipartUpload: { DaysAfterInitiation: 2 },
          },
        ],
      },
    }),
  )
  expect(await notes(bucket)).toEqual([])
})

it('a bucket that anybody can read is reported', async () => {
  const { bucket, store } = await freshBucket()
  await store.s3.send(new PutBucketAclCommand({ Bucket: bucket, ACL: 'public-read-write' }))
  expect(await notes(bucket)).toEqual([
    '~ its ACL gives READ to AllUsers; it should be private',
    '~ its ACL gives WRITE to AllUsers; it should be private',
    '~ anybody can list it without a key; it should be private',
    noRule,
  ])
})

it('an upload of just now is no leftover', async () => {
  const { bucket, store } = await freshBucket()
  await store.s3.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: 'half' }))
  expect(await notes(bucket)).toEqual([noRule])
})

it('a bucket that is not there would have to be made; one that is closed is not reached', async () => {
  expect(await notes('no-such-bucket-of-the-tests')).toEqual(['+ does not exist; production-stack-media needs it'])
  const { bucket } = await freshBucket()
  expect(await notes(bucket, { ...keys, secret_access_key: 'wrong' })).toEqual(['? answers 403'])
})
