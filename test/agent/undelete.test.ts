import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CopyObjectCommand,
  DeleteBucketLifecycleCommand,
  DeleteBucketPolicyCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectRetentionCommand,
} from '@aws-sdk/client-s3'
import { execa } from 'execa'
import { describe, expect, test } from 'vitest'
import { undelete } from '../../src/agent/undelete.ts'
import { differences } from '../../src/lab/content/difference.ts'
import { fillTree, treeFingerprint } from '../../src/lab/content/media-tree.ts'
import type { Store } from '../../src/store/client.ts'
import { unprotected, weaknesses } from '../../src/store/protection.ts'
import { listVersions } from '../../src/store/versions.ts'
import { folder, runAgent } from '../support/agent.ts'
import { freshBucket, type ProtectedBucket, protectedBucket, type TestBucket } from '../support/bucket.ts'
import { startServer } from '../support/postgres.ts'
import { rclone } from '../support/rclone.ts'

const modes = ['versioning', 'lock'] as const

function mediaOf({ bucket, env }: TestBucket, source: string): Record<string, string> {
  const volumes = { REPLICATE_DIRECTION: 'BtoA', USE_RCLONE: 'yes', BACKUP_VOLUME_B: source }
  return { ...env, ...volumes, S3_BUCKET_NAME: bucket, BACKUP_SYSTEM: 'media' }
}

/** A tree that was backed up twice, and the moment after that. */
async function backedUp(target: ProtectedBucket): Promise<{ source: string; at: string }> {
  const source = await folder()
  fillTree(source, { name: 'test', files: 100, hostile: true })
  // Sent in parts: its ETag must come back as well.
  writeFileSync(join(source, 'large'), Buffer.alloc(20 * 1024 * 1024, 'x'))
  expect((await runAgent(mediaOf(target, source))).log).toContain('SUCCESS: replicate')
  rmSync(join(source, 'large'))
  writeFileSync(join(source, 'large'), Buffer.alloc(21 * 1024 * 1024, 'y'))
  expect((await runAgent(mediaOf(target, source))).log).toContain('SUCCESS: replicate')
  await sleep(1100)
  const at = target.store.clock
    .now()
    .toISOString()
    .replace(/\d\dZ$/, '00Z')
  await sleep(1100)
  return { source, at }
}

const refusal = (error: { name: string; $metadata?: { httpStatusCode?: number } }) =>
  // 400: a bucket without object lock takes no retention.
  [400, 403].includes(error.$metadata?.httpStatusCode ?? 0) ? 'refused' : Promise.reject(error)
const attempt = (work: Promise<unknown>) => work.then(() => 'done', refusal)

/** Everything that a thief with the agent's key may try; returns what was done. */
async function destroy({ s3 }: Store, bucket: string, target: TestBucket): Promise<string[]> {
  const Bucket = bucket
  const versions = await listVersions(target.store, bucket)
  // The list of a request is XML, which cannot contain every key.
  const inXml = versions.filter(({ key }) => /^[ -~]+$/.test(key))
  const Objects = inXml.map(({ key, id }) => ({ Key: key, VersionId: id }))
  const answer = await s3
    .send(
      new DeleteObjectsCommand({
        Bucket,
        Delete: { Objects: Objects.slice(0, 1000) },
        BypassGovernanceRetention: true,
      }),
    )
    .catch(error => refusal(error))
  const one = versions.find(({ deleted }) => !deleted)
  const version = { Bucket, Key: one?.key, VersionId: one?.id }
  const attempts = {
    'versions in a batch': typeof answer === 'object' && (answer.Deleted ?? []).length > 0 ? 'done' : 'refused',
    'one version': await attempt(s3.send(new DeleteObjectCommand({ ...version, BypassGovernanceRetention: true }))),
    'a shorter lock': await attempt(
      s3.send(
        new PutObjectRetentionCommand({
          ...version,
          BypassGovernanceRetention: true,
          Retention: { Mode: 'GOVERNANCE', RetainUntilDate: new Date(Date.now() + 60_000) },
        }),
      ),
    ),
    'the versioning': await attempt(
      s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Suspended' } })),
    ),
    'the lifecycle': await attempt(
      s3.send(
        new PutBucketLifecycleConfigurationCommand({
          Bucket,
          LifecycleConfiguration: {
            Rules: [
              {
                ID: 'all',
                Status: 'Enabled',
                Filter: { Prefix: '' },
                NoncurrentVersionExpiration: { NoncurrentDays: 1 },
              },
            ],
          },
        }),
      ),
    ),
    'no lifecycle': await attempt(s3.send(new DeleteBucketLifecycleCommand({ Bucket }))),
    'no policy': await attempt(s3.send(new DeleteBucketPolicyCommand({ Bucket }))),
  }
  const objects = await target.objects()
  for (const [index, { key }] of objects.entries()) {
    if (index % 3 === 0) await s3.send(new PutObjectCommand({ Bucket, Key: key, Body: Buffer.from('ransom') }))
    else await s3.send(new DeleteObjectCommand({ Bucket, Key: key }))
  }
  const [first] = await target.objects()
  await s3.send(
    new CopyObjectCommand({ Bucket, Key: '.receipts/media/forged.json', CopySource: `${bucket}/${first?.key}` }),
  )
  return Object.entries(attempts).flatMap(([what, was]) => (was === 'done' ? [what] : []))
}

describe.each(modes)('a bucket with %s', mode => {
  test('is taken for protected, and the key of the agent cannot undo it', async () => {
    const { bucket, store, owner, env } = await protectedBucket({ mode, days: 30 })
    expect(await unprotected(store, bucket)).toEqual([])
    expect(await weaknesses(store, bucket)).toEqual([])
    // The owner's key could: with versioning alone, the agent must not have it.
    const asOwner = { ...owner, protection: store.protection }
    expect((await weaknesses(asOwner, bucket)).length).toBe(mode === 'lock' ? 0 : 4)
    const longer = { ...store, protection: { mode, days: 31 } }
    expect(await weaknesses(longer, bucket)).toEqual([
      'a lifecycle rule removes noncurrent versions after 30 days; the config keeps them for 31',
    ])
    expect(env.BACKUP_PROTECT).toBe(mode)
  })

  test('everything that the key deletes and replaces comes back by one command, and restores', async () => {
    const target = await protectedBucket({ mode, days: 30 })
    const { bucket, env, store } = target
    const { source, at } = await backedUp(target)
    const before = (await target.objects()).map(({ key, bytes, etag }) => ({ key, bytes, etag }))
    // A lock holds against what only the policy forbids here, so nothing may have been done in either case.
    expect(await destroy(store, bucket, target)).toEqual([])
    expect((await runAgent({ ...mediaOf(target, await folder()), FROM_BACKUP: 'LATEST' }, ['restore'])).code).not.toBe(
      0,
    )

    const place = { ...env, S3_BUCKET_NAME: bucket }
    expect(await undelete(place)).toMatchObject({ bucket, deleted: expect.any(Number) })
    const dry = await undelete({ ...place, FROM_BACKUP: at, RESTORE_DRY_RUN: 'yes' })
    expect(dry).toMatchObject({ objects: before.length, brought: before.length, removed: 1, dryRun: true })
    expect(await target.copies()).not.toContain('large')
    const back = await runAgent({ ...place, FROM_BACKUP: at }, ['undelete'])
    expect(back.log).toContain(`${bucket} is what it was at ${at}`)
    expect((await target.objects()).map(({ key, bytes, etag }) => ({ key, bytes, etag }))).toEqual(before)

    const copy = await folder()
    const restored = await runAgent({ ...mediaOf(target, copy), FROM_BACKUP: 'LATEST' }, ['restore'])
    expect(restored.log).toContain('SUCCESS: restore')
    expect(differences('tree', treeFingerprint(source), treeFingerprint(copy), 20)).toEqual([])
    expect((await runAgent(mediaOf(target, source))).log).toContain('SUCCESS: replicate')
  })

  test('keeps what the agent itself deletes', async () => {
    const target = await protectedBucket({ mode, days: 30 })
    const server = await startServer()
    const volume = await folder()
    const env = {
      ...server.env,
      ...target.env,
      BACKUP_VOLUME: volume,
      BACKUP_SYSTEM: 'db',
      BACKUP_COUNT: '1',
      USE_RCLONE: 'yes',
      USE_RCLONE_BUCKET_AND_PATH: target.bucket,
    }
    for (let run = 0; run < 2; run += 1) {
      expect((await runAgent(env)).log).toContain('SUCCESS: dump')
      await sleep(1100)
    }
    expect((await target.copies()).length).toBe(1)
    const pruned = (await listVersions(target.store, target.bucket)).filter(({ deleted }) => deleted)
    expect(pruned.map(({ key }) => key)).toEqual([expect.stringMatching(/^hourly\//)])
  })
})

test('rclone alone shows a bucket as it was', async () => {
  const target = await protectedBucket({ mode: 'versioning', days: 30 })
  await target.put('copy', 'the copy')
  await sleep(2100)
  const at = new Date(target.store.clock.now().getTime() - 1000).toISOString().replace(/\.\d+Z$/, 'Z')
  await target.put('copy', 'ransom')
  const to = await folder()
  await rclone(target.env, ['copy', '--s3-version-at', at, `remote:${target.bucket}`, to])
  const { stdout } = await execa('cat', [join(to, 'copy')])
  expect(stdout).toBe('the copy')
})

test('a bucket that keeps nothing: the backup says so before it sends anything, and the verification fails', async () => {
  const target = await freshBucket()
  const source = await folder()
  fillTree(source, { name: 'test', files: 100, hostile: false })
  for (const [mode, why] of [
    ['versioning', 'its versioning is off'],
    ['lock', 'its object lock is off'],
  ] as const) {
    const run = await runAgent({ ...mediaOf(target, source), BACKUP_PROTECT: mode, BACKUP_PROTECT_DAYS: '30' })
    expect(run.code).toBe(17)
    expect(run.result.message).toContain(why)
    expect(run.result.message).toContain('docs/buckets.md')
  }
  expect(await target.objects()).toEqual([])
  const wrong = await runAgent({ ...mediaOf(target, source), BACKUP_PROTECT: 'lock', BACKUP_PROTECT_DAYS: 'many' })
  expect(wrong.code).toBe(2)
  expect(wrong.result.message).toContain('BACKUP_PROTECT_DAYS')
})
