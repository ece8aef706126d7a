import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { GetBucketAclCommand, GetObjectAclCommand } from '@aws-sdk/client-s3'
import { execa } from 'execa'
import { beforeAll, describe, expect, test } from 'vitest'
import { folder, requireTools, runAgent } from '../../support/agent.ts'
import { freshBucket, type TestBucket } from '../../support/bucket.ts'
import { rclone, rcloneEnvironment } from '../../support/rclone.ts'
import { countRequests } from '../../support/store-proxy.ts'

// The faults of the media image in use, by their numbers in its contract. Each is first shown with the plain commands
// that the image runs, then not to be ours.

beforeAll(() => requireTools({ rclone: 'rclone', rsync: 'rsync', flock: 'util-linux' }))

function ours({ bucket, env }: TestBucket, source: string): Record<string, string> {
  return { ...env, REPLICATE_DIRECTION: 'BtoA', USE_RCLONE: 'yes', S3_BUCKET_NAME: bucket, BACKUP_VOLUME_B: source }
}

async function tree(files = 20): Promise<string> {
  const path = await folder()
  for (let file = 0; file < files; file += 1) {
    mkdirSync(join(path, `target-${file % 5}`), { recursive: true })
    writeFileSync(join(path, `target-${file % 5}`, `${file}.pdb`), `ATOM ${file}`)
  }
  return path
}

function empty(path: string): void {
  for (const name of readdirSync(path)) rmSync(join(path, name), { recursive: true })
}

describe('7: a run that copies nothing is a failure, and an empty source deletes nothing', () => {
  test('a bucket that cannot be reached', async () => {
    const source = await tree()
    const target = await freshBucket()
    const away = { ...target.env, RCLONE_S3_ENDPOINT: 'http://127.0.0.1:1' }
    const old = await execa(
      'bash',
      ['-c', `rclone sync ${source} remote:/x --retries 1 --low-level-retries 1; echo Done`],
      {
        extendEnv: false,
        env: rcloneEnvironment(away),
        reject: false,
      },
    )
    expect(old.stderr).toContain('connection refused')
    expect(old.exitCode).toBe(0)
    expect((await runAgent({ ...ours(target, source), ...away })).code).toBe(3)
  })

  test('a source that is missing', async () => {
    const old = await execa('bash', ['-c', 'if [ ! -d /nowhere ]; then echo "DOES NOT exist"; exit; fi'])
    expect(old.exitCode).toBe(0)
    expect((await runAgent(ours(await freshBucket(), '/nowhere'))).code).toBe(7)
  })

  test('an empty source, to the bucket', async () => {
    const source = await tree()
    const [theirs, target] = [await freshBucket(), await freshBucket()]
    await rclone(theirs.env, ['sync', source, `remote:${theirs.bucket}`])
    expect((await runAgent(ours(target, source))).code).toBe(0)
    empty(source)
    await rclone(theirs.env, ['sync', source, `remote:${theirs.bucket}`])
    expect(await theirs.copies()).toEqual([])

    expect((await runAgent(ours(target, source))).code).toBe(7)
    expect(await target.copies()).toHaveLength(20)
  })

  test('an empty source, to a volume', async () => {
    const [source, theirs, volume] = [await tree(), await folder(), await folder()]
    const env = { REPLICATE_DIRECTION: 'BtoA', BACKUP_VOLUME_B: source, BACKUP_VOLUME_A: volume }
    await execa('rsync', ['-a', '--delete', `${source}/`, theirs])
    expect((await runAgent(env)).code).toBe(0)
    empty(source)
    await execa('rsync', ['-a', '--delete', `${source}/`, theirs])
    expect(readdirSync(theirs)).toEqual([])

    expect((await runAgent(env)).code).toBe(7)
    expect(readdirSync(volume).filter(name => name.startsWith('target-'))).toHaveLength(5)
  })
})

test('8: the bucket and its objects are private', async () => {
  const source = await tree(1)
  const [theirs, target] = [await freshBucket(), await freshBucket()]
  await rclone(theirs.env, ['sync', source, `remote:${theirs.bucket}`, '--s3-acl', 'public-read-write'])
  const open = await fetch(`${theirs.env.RCLONE_S3_ENDPOINT}/${theirs.bucket}/target-0/0.pdb`)
  expect(open.status).toBe(200)

  expect((await runAgent(ours(target, source))).code).toBe(0)
  for (const { key } of await target.objects()) {
    const closed = await fetch(`${target.env.RCLONE_S3_ENDPOINT}/${target.bucket}/${key}`)
    expect(closed.status).toBe(403)
    const acl = await target.store.s3.send(new GetObjectAclCommand({ Bucket: target.bucket, Key: key }))
    expect(acl.Grants?.map(({ Grantee, Permission }) => [Grantee?.Type, Permission])).toEqual([
      ['CanonicalUser', 'FULL_CONTROL'],
    ])
  }
  const acl = await target.store.s3.send(new GetBucketAclCommand({ Bucket: target.bucket }))
  expect(acl.Grants).toHaveLength(1)
})

test('9: media can be restored from the bucket', async () => {
  const source = await tree()
  const target = await freshBucket()
  // The image in use refuses that direction for a bucket.
  const old = await execa(
    'bash',
    ['-c', 'REPLICATE_DIRECTION=AtoB; [ "$REPLICATE_DIRECTION" == AtoB ] && echo "cannot be AtoB" && exit 1'],
    { reject: false },
  )
  expect(old.exitCode).toBe(1)

  expect((await runAgent(ours(target, source))).code).toBe(0)
  const copy = await folder()
  const run = await runAgent({ ...ours(target, copy), FROM_BACKUP: 'LATEST' }, ['restore'])
  expect(run.log).toContain('SUCCESS: restore')
  expect((await execa('diff', ['-r', source, copy])).stdout).toBe('')
})

test('13: unchanged files cost no request', async () => {
  const source = await tree(60)
  const [theirs, target] = [await freshBucket(), await freshBucket()]
  const count = async (env: Record<string, string>, run: (env: Record<string, string>) => Promise<unknown>) => {
    const proxy = await countRequests(env.RCLONE_S3_ENDPOINT ?? '')
    await run({ ...env, RCLONE_S3_ENDPOINT: proxy.url })
    return proxy.requests()
  }
  const sync = (env: Record<string, string>) => rclone(env, ['sync', source, `remote:${theirs.bucket}`])
  await sync(theirs.env)
  expect((await count(theirs.env, sync)).HEAD).toBeGreaterThanOrEqual(60)

  await runAgent(ours(target, source))
  const requests = await count(ours(target, source), async env => {
    expect((await runAgent(env)).code).toBe(0)
  })
  expect(Object.values(requests).reduce((sum, number) => sum + number, 0)).toBeLessThanOrEqual(5)
})
