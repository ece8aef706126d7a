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
import { at, receiptsOf } from '../../support/receipts.ts'

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

it('a database server that has moved past the client of the images', async () => {
  const { bucket, put } = await freshBucket()
  const place = { system: 'production-stack-media', bucket, kind: 'database', keyOf: () => 'hourly/x' }
  for (const [minute, server] of ['17.1', '17.99'].entries()) {
    const [stored] = receiptsOf(place, [{ taken: at(`2026-11-25T03:0${minute}:00Z`) }])
    await put(stored?.key ?? '', JSON.stringify({ ...stored?.receipt, versions: { pg_dump: '17.1', server } }))
    const [lifecycle, ...others] = await notes(bucket)
    expect(lifecycle).toBe(noRule)
    expect(others).toEqual(
      server === '17.1'
        ? []
        : [
            expect.stringMatching(
              /^~ the PostgreSQL client 17\.\d+ is older than the server's 17\.99 of .*images -- renew/,
            ),
          ],
    )
  }
})

it('a bucket that is not there would have to be made; one that is closed is not reached', async () => {
  expect(await notes('no-such-bucket-of-the-tests')).toEqual(['+ does not exist; production-stack-media needs it'])
  const { bucket } = await freshBucket()
  expect(await notes(bucket, { ...keys, secret_access_key: 'wrong' })).toEqual(['? answers 403'])
})
