import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PutBucketAclCommand, PutBucketPolicyCommand } from '@aws-sdk/client-s3'
import { beforeAll, expect, it } from 'vitest'
import { deleteKeys } from '../../src/store/list.ts'
import { openTo } from '../../src/store/openness.ts'
import { folder, requireTools, runAgent } from '../support/agent.ts'
import { freshBucket, type TestBucket } from '../support/bucket.ts'
import { rclone } from '../support/rclone.ts'
import { refusingProxy } from '../support/store-proxy.ts'

// A bucket that today's replicator filled: its rclone makes the bucket and every object `public-read-write`.

beforeAll(() => requireTools({ rclone: 'rclone', flock: 'util-linux' }))

const everyone = ['--s3-acl', 'public-read-write']

function ours({ bucket, env }: TestBucket, source: string): Record<string, string> {
  return {
    ...env,
    BACKUP_SYSTEM: 'media',
    REPLICATE_DIRECTION: 'BtoA',
    USE_RCLONE: 'yes',
    S3_BUCKET_NAME: bucket,
    BACKUP_VOLUME_B: source,
  }
}

async function tree(files: number): Promise<string> {
  const path = await folder()
  mkdirSync(join(path, 'targets'))
  for (let file = 0; file < files; file += 1) writeFileSync(join(path, 'targets', `${file} a+b.pdb`), `ATOM ${file}`)
  return path
}

/** What everybody can do without a key: `LIST`, and `GET` and `PUT` of a key. */
async function withoutKey({ bucket, env }: TestBucket, keys: readonly string[]): Promise<string[]> {
  const url = (key: string) => `${env.RCLONE_S3_ENDPOINT}/${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`
  const can: string[] = []
  if ((await fetch(url(''))).ok) can.push('LIST')
  for (const key of keys) if ((await fetch(url(key))).ok) can.push(`GET ${key}`)
  if ((await fetch(url('by-nobody'), { method: 'PUT', body: 'x' })).ok) can.push('PUT')
  return can
}

/** A tree, and the bucket that today's replicator copied it to. */
async function theirs(files: number) {
  const source = await tree(files)
  const test = await freshBucket()
  await test.store.s3.send(new PutBucketAclCommand({ Bucket: test.bucket, ACL: 'public-read-write' }))
  await rclone(test.env, ['sync', source, `remote:${test.bucket}`, ...everyone])
  const keys = await test.copies()
  expect(keys).toHaveLength(files)
  return { source, test, keys }
}

const verify = ({ bucket, env }: TestBucket) =>
  runAgent({ ...env, BACKUP_SYSTEM: 'media', S3_BUCKET_NAME: bucket }, ['verify'])

it('adopting closes the bucket, its policy and each of its objects, and says so', async () => {
  const { source, test, keys } = await theirs(30)
  const { bucket, store } = test
  const statement = {
    Effect: 'Allow',
    Principal: '*',
    Action: ['s3:GetObject', 's3:PutObject', 's3:ListBucket'],
    Resource: [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`],
  }
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [statement] })
  await store.s3.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }))
  expect(await withoutKey(test, keys)).toHaveLength(32)
  await deleteKeys(store, bucket, ['by-nobody'])

  const run = await runAgent(ours(test, source))
  expect(run).toMatchObject({ code: 0, result: { adopted: 30, sent: 0 } })
  expect(run.log).toContain(`made ${bucket} private: its ACL gives READ to AllUsers`)
  expect(run.log).toContain(`removed from the policy of ${bucket} what it let everyone do: [{"Effect":"Allow"`)
  expect(run.log).toContain(`made 30 of the 30 objects of ${bucket} private`)
  expect(await withoutKey(test, keys)).toEqual([])
  expect(await openTo(store, bucket)).toEqual({ open: [], notChecked: [] })
  expect((await verify(test)).code).toBe(0)
})

it("what today's image goes on writing to an adopted bucket, nobody else can read", async () => {
  const { source, test } = await theirs(3)
  expect((await runAgent(ours(test, source))).code).toBe(0)
  writeFileSync(join(source, 'targets', 'later.pdb'), 'ATOM later')
  await rclone(test.env, ['copy', source, `remote:${test.bucket}`, ...everyone])
  expect(await test.copies()).toContain('targets/later.pdb')
  expect(await withoutKey(test, ['targets/later.pdb', 'targets/0 a+b.pdb'])).toEqual([])
})

it('on a store whose buckets cannot ignore public ACLs, `verify` finds what was opened since', async () => {
  const { source, test, keys } = await theirs(3)
  const { url } = await refusingProxy(test.env.RCLONE_S3_ENDPOINT ?? '', ({ query }) =>
    query === 'publicAccessBlock' ? 'NotImplemented' : undefined,
  )
  const old = { ...test, env: { ...test.env, RCLONE_S3_ENDPOINT: url } }
  const run = await runAgent(ours(old, source))
  expect(run.code).toBe(0)
  expect(run.log).toContain('the store cannot make a bucket ignore public ACLs')
  expect(await withoutKey(test, keys)).toEqual([])
  expect((await verify(old)).code).toBe(0)

  writeFileSync(join(source, 'targets', 'later.pdb'), 'ATOM later')
  await rclone(test.env, ['copy', source, `remote:${test.bucket}`, ...everyone])
  expect(await withoutKey(test, ['targets/later.pdb'])).toEqual(['GET targets/later.pdb'])
  const found = await verify(old)
  expect(found.code).toBe(6)
  expect(found.result.message).toMatch(/1 of \d+ objects looked at are open to everyone by their ACL/)
})

it('asking whether a bucket ignores public ACLs leaves nothing behind on the connection', async () => {
  const { store, bucket } = await freshBucket()
  for (let time = 0; time < 20; time += 1) expect(await openTo(store, bucket)).toEqual({ open: [], notChecked: [] })
})

it('a key that may not close the bucket copies nothing, and says who has to', async () => {
  const { source, test } = await theirs(2)
  const { url } = await refusingProxy(test.env.RCLONE_S3_ENDPOINT ?? '', ({ method, query }) =>
    method === 'PUT' && ['acl', 'publicAccessBlock', 'policy'].includes(query) ? 'AccessDenied' : undefined,
  )
  writeFileSync(join(source, 'targets', 'new.pdb'), 'ATOM new')
  const run = await runAgent(ours({ ...test, env: { ...test.env, RCLONE_S3_ENDPOINT: url } }, source))
  expect(run).toMatchObject({ code: 18, result: { failure: 'open' } })
  expect(run.result.message).toContain(`${test.bucket} is open to everyone: its ACL gives READ to AllUsers`)
  expect(run.result.message).toContain("Make it private with the key of the bucket's owner")
  expect(await test.copies()).not.toContain('targets/new.pdb')
})

it('what somebody without a key wrote is in no copy, and nobody reaches it any more', async () => {
  const { source, test } = await theirs(30)
  expect(await withoutKey(test, [])).toEqual(['LIST', 'PUT'])
  expect((await runAgent(ours(test, source))).code).toBe(0)
  const keys = (await test.objects()).map(({ key }) => key).filter(key => key.endsWith('by-nobody'))
  expect(keys).toEqual([expect.stringMatching(/^\.trash\/.*\/by-nobody$/)])
  expect(await withoutKey(test, keys)).toEqual([])
})

it('an object that its writer owns, as in other stores, is named', async () => {
  const { source, test, keys } = await theirs(2)
  const { url } = await refusingProxy(test.env.RCLONE_S3_ENDPOINT ?? '', ({ path, query }) =>
    query === 'acl' && path === `/${test.bucket}/${keys[1]}` ? 'AccessDenied' : undefined,
  )
  const run = await runAgent(ours({ ...test, env: { ...test.env, RCLONE_S3_ENDPOINT: url } }, source))
  expect(run.code).toBe(18)
  expect(run.result.message).toContain(`1 objects belong to others, who wrote them while everybody could: "${keys[1]}"`)
})
