import { expect, test } from 'vitest'
import { dumpSettings } from '../../../../src/agent/database/settings.ts'
import { replicateSettings } from '../../../../src/agent/media/settings.ts'
import { bucketPlace } from '../../../../src/agent/run/environment.ts'

const S3 = {
  RCLONE_S3_ENDPOINT: 'https://s3.example.org',
  AWS_ACCESS_KEY_ID: 'k',
  AWS_SECRET_ACCESS_KEY: 's3cret',
  AWS_DEFAULT_REGION: 'r',
}
const dump = { PGHOST: 'database', USE_RCLONE: 'yes', USE_RCLONE_BUCKET_AND_PATH: '/bucket/and/path/', ...S3 }
const media = { REPLICATE_DIRECTION: 'BtoA', USE_RCLONE: 'yes', S3_BUCKET_NAME: 'media', ...S3 }

test('the contract of sql-backup, with its defaults', () => {
  expect(dumpSettings(dump)).toEqual({
    system: 'bucket',
    volume: '/backup',
    tier: 'hourly',
    keep: 24,
    lockWaitSeconds: 1800,
    prior: { tier: 'hourly', count: 24 },
    compression: 'gzip',
    recipients: [],
    database: '',
    host: 'database',
    user: 'postgres',
    bucket: { bucket: 'bucket', path: 'and/path' },
    sleepMinutes: 0,
  })
  // A tier that copies needs no server.
  expect(dumpSettings({ BACKUP_TYPE: 'Weekly', BACKUP_PRIOR_TYPE: 'daily', BACKUP_PRIOR_COUNT: '7' })).toMatchObject({
    tier: 'weekly',
    prior: { tier: 'daily', count: 7 },
    bucket: undefined,
  })
})

test.each([
  ['/bucket', { bucket: 'bucket', path: '' }],
  ['bucket/a//b/', { bucket: 'bucket', path: 'a/b' }],
])('the place %s', (text, place) => expect(bucketPlace(text)).toEqual(place))

test('the contract of volume-replicator', () => {
  expect(replicateSettings(media)).toMatchObject({
    source: '/volume-b',
    target: { bucket: 'media', prefix: '' },
    mirror: true,
    mounted: true,
    system: 'media',
  })
  expect(replicateSettings({ ...media, REPLICATE_DELETE: 'no', USE_DOW_FOR_RCLONE: 'yes' })).toMatchObject({
    mirror: false,
    target: { prefix: expect.stringMatching(/^(Sun|Mon|Tues|Wednes|Thurs|Fri|Satur)day\/$/) },
  })
  const volumes = { REPLICATE_DIRECTION: 'AtoB' }
  expect(replicateSettings(volumes)).toMatchObject({ source: '/volume-a', target: { volume: '/volume-b' } })
})

test('all problems are reported at once, without secrets', () => {
  const broken = {
    ...dump,
    BACKUP_TYPE: 'yearly',
    BACKUP_COUNT: '0',
    AWS_ACCESS_KEY_ID: '',
    BACKUP_COMPRESSION: 'lzma',
  }
  const problem = (() => {
    try {
      dumpSettings(broken)
    } catch (error) {
      return error as Error & { kind: string }
    }
  })()
  expect(problem?.kind).toBe('environment')
  for (const part of [
    'BACKUP_TYPE is "yearly"',
    'BACKUP_COUNT is "0"',
    'AWS_ACCESS_KEY_ID is not set',
    'BACKUP_COMPRESSION is "lzma"',
  ]) {
    expect(problem?.message).toContain(part)
  }
  expect(problem?.message).not.toContain('s3cret')
})

test.each([
  [{ ...media, REPLICATE_DIRECTION: 'AtoB' }, 'a bucket is filled by BtoA'],
  [{ ...media, REPLICATE_DIRECTION: '' }, 'REPLICATE_DIRECTION is not set'],
  [{ ...media, AWS_DEFAULT_REGION: '' }, 'AWS_DEFAULT_REGION is not set'],
  [{ ...media, BACKUP_BANDWIDTH: 'fast' }, 'BACKUP_BANDWIDTH is "fast"'],
  [{ ...media, VOLUME_A_IS_S3: '1' }, 'VOLUME_A_IS_S3'],
])('what cannot be done is said: %#', (env, message) => expect(() => replicateSettings(env)).toThrow(message))

test.each([
  ['500', 500],
  ['500K', 512_000],
  ['1.5M', 1_572_864],
  ['1G', 1_073_741_824],
])('a bandwidth of %s is %i bytes a second', (text, bytes) =>
  expect(replicateSettings({ ...media, BACKUP_BANDWIDTH: text }).bandwidth).toBe(bytes),
)
