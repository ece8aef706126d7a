import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { folder, runAgent } from '../support/agent.ts'
import { freshBucket } from '../support/bucket.ts'
import { refusingProxy } from '../support/store-proxy.ts'

async function media() {
  const { bucket, env, put } = await freshBucket()
  const source = await folder()
  writeFileSync(join(source, 'file'), 'content')
  const system: Record<string, string> = {
    ...env,
    BACKUP_SYSTEM: 'media',
    S3_BUCKET_NAME: bucket,
    BACKUP_VOLUME_B: source,
    REPLICATE_DIRECTION: 'BtoA',
    USE_RCLONE: 'yes',
    BACKUP_SHRINK_LIMIT_PERCENT: '100',
  }
  return { bucket, env, put, source, system }
}

test('a code that nobody here knows: operation, bucket, key, code and the next step', async () => {
  const { bucket, env, system } = await media()
  const proxy = await refusingProxy(env.RCLONE_S3_ENDPOINT ?? '', ({ method, path }) =>
    method === 'PUT' && path.endsWith('/file') ? 'EntityTooLarge' : undefined,
  )
  const run = await runAgent({ ...system, RCLONE_S3_ENDPOINT: proxy.url })
  expect(run.code).toBe(10)
  expect(run.log).toContain(`PutObject ${bucket}/file: EntityTooLarge (HTTP 400)`)
  expect(run.log).toContain('look the code up')
})

test('a bucket that does not exist, a wrong key, and a store that is unreachable', async () => {
  const { bucket, system } = await media()
  const missing = await runAgent({ ...system, S3_BUCKET_NAME: `${bucket}-x` })
  expect(missing.code).toBe(3)
  expect(missing.log).toMatch(new RegExp(`ListObjectsV2 ${bucket}-x: NoSuchBucket \\(HTTP 404\\).*create the bucket`))
  const refused = await runAgent({ ...system, AWS_SECRET_ACCESS_KEY: 'wrong' })
  expect(refused.code).toBe(3)
  expect(refused.log).toMatch(/SignatureDoesNotMatch \(HTTP 403\).*check AWS_SECRET_ACCESS_KEY/)
  const away = await runAgent({ ...system, RCLONE_S3_ENDPOINT: 'http://127.0.0.1:1' })
  expect(away.code).toBe(3)
  expect(away.log).toMatch(new RegExp(`cannot be reached: ListObjectsV2 ${bucket}.*ECONNREFUSED.*check the endpoint`))
})

test('a key with a line break at its end can be copied, deleted, refused and named', async () => {
  const { bucket, env, source, system } = await media()
  writeFileSync(join(source, 'line break\n'), 'x')
  const proxy = await refusingProxy(env.RCLONE_S3_ENDPOINT ?? '', ({ method, path }) =>
    method === 'PUT' && path.endsWith('line break\n') ? 'AccessDenied' : undefined,
  )
  const refused = await runAgent({ ...system, RCLONE_S3_ENDPOINT: proxy.url })
  expect(refused.log).toContain(`PutObject ${bucket}/line break\\n: AccessDenied`)
  expect((await runAgent(system)).result).toMatchObject({ sent: 1 })
  rmSync(join(source, 'line break\n'))
  expect((await runAgent(system)).result).toMatchObject({ removed: 1 })
})
