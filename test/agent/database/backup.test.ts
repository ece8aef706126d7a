import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { CreateMultipartUploadCommand, ListMultipartUploadsCommand } from '@aws-sdk/client-s3'
import { execa } from 'execa'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { readReceipts } from '../../../src/store/receipt.ts'
import { folder, requireTools, runAgent, startAgent } from '../../support/agent.ts'
import { freshBucket } from '../../support/bucket.ts'
import { majors, programsOf, startServer, type TestServer } from '../../support/postgres.ts'

beforeAll(() => requireTools({ igzip: 'isal', zstd: 'zstd', flock: 'util-linux', pg_dump: 'postgresql-client' }))

const COPY = /^backup-\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ-dumpall\.sql\.(gz|zst)$/

async function fill(server: TestServer, rows = 5000): Promise<void> {
  await server.sql('postgres', 'create database frag')
  await server.sql(
    'frag',
    `create table compound as select g as id, md5(g::text) as hash from generate_series(1, ${rows}) g;
     create table "Odd "" name" (x text); insert into "Odd "" name" values ('SET transaction_timeout = 0;'), (E'a\\nb');
     select lo_from_bytea(0, 'large object')`,
  )
}

async function names(path: string): Promise<string[]> {
  return (await readdir(path)).filter(name => COPY.test(name)).sort()
}

/** The start of a run is its copy's name, to the second. */
async function nextSecond(): Promise<void> {
  await new Promise(resolve => setTimeout(resolve, 1001 - (Date.now() % 1000)))
}

describe.each(['gzip', 'zstd'] as const)('one database, %s', compression => {
  test('a dump is verified on the volume and in the bucket, and restores with unpack | psql alone', async () => {
    const server = await startServer()
    await fill(server)
    const { bucket, env, store, copies } = await freshBucket()
    const volume = await folder()
    const run = await runAgent({
      ...server.env,
      ...env,
      BACKUP_SYSTEM: 'stack-db',
      BACKUP_VOLUME: volume,
      BACKUP_COMPRESSION: compression,
      DATABASE: 'frag',
      USE_RCLONE: 'yes',
      USE_RCLONE_BUCKET_AND_PATH: `/${bucket}/some/path`,
    })
    expect(run.log).toContain('SUCCESS: dump')
    expect(run.code).toBe(0)
    expect(run.termination).toMatch(/^SUCCESS\n\{/)
    const [name = ''] = await names(join(volume, 'hourly'))
    expect(await copies()).toEqual([`some/path/hourly/${name}`])
    expect((await readdir(join(volume, 'hourly'))).filter(other => other.startsWith('.unf'))).toEqual([])

    const { receipts, problems } = await readReceipts(store, { bucket, system: 'stack-db' })
    expect(problems).toEqual([])
    expect(receipts).toHaveLength(1)
    const file = await readFile(join(volume, 'hourly', name))
    expect(receipts[0]?.receipt).toMatchObject({
      kind: 'database',
      bucket,
      bytes: file.length,
      object: { key: `some/path/hourly/${name}`, bytes: file.length },
      counts: { tables: 2, largeObjects: 1, 'rows:public.compound': 5000, 'rows:public."Odd "" name"': 2 },
      versions: { pg_dump: expect.any(String), server: expect.any(String) },
      details: { tier: 'hourly', database: 'frag' },
      previous: null,
    })

    const target = await startServer()
    await target.sql('postgres', 'create database frag')
    const unpack = compression === 'gzip' ? 'gunzip -c' : 'zstd -dc'
    const { PGADMINPASS: PGPASSWORD = '', ...connection } = target.env
    await execa('bash', ['-c', `set -o pipefail; ${unpack} | psql -Xq -v ON_ERROR_STOP=1 -d frag`], {
      env: { ...connection, PGPASSWORD },
      inputFile: join(volume, 'hourly', name),
    })
    expect(await target.sql('frag', 'select count(*) from compound')).toBe('5000')
    expect(await target.sql('frag', `select string_agg(x, '|') from "Odd "" name"`)).toBe(
      'SET transaction_timeout = 0;|a\nb',
    )
  })
})

test('rows are counted from the dump itself, while the table keeps growing', async () => {
  const server = await startServer()
  await fill(server, 200_000)
  const volume = await folder()
  const { PGADMINPASS: PGPASSWORD = '', ...connection } = server.env
  // Inserts one row after the other, as fast as it can, for as long as the dump takes.
  const writer = execa('psql', ['-Xq', '-d', 'frag'], {
    env: { ...connection, PGPASSWORD },
    input: 'insert into compound values (0, now()::text);\n'.repeat(50_000),
    reject: false,
  })
  const run = await runAgent({ ...server.env, BACKUP_SYSTEM: 's', BACKUP_VOLUME: volume, DATABASE: 'frag' })
  writer.kill()
  await writer
  expect(run.code).toBe(0)
  const [name = ''] = await names(join(volume, 'hourly'))
  const receipt = JSON.parse(await readFile(join(volume, '.receipts/s/hourly', `${name}.json`), 'utf8'))
  const { stdout: sql } = await execa('gunzip', ['-c', join(volume, 'hourly', name)], { maxBuffer: 1024 ** 3 })
  const data = sql.split('COPY public.compound ')[1]?.split('\n\\.\n')[0]
  expect(receipt.counts['rows:public.compound']).toBe((data?.split('\n').length ?? 0) - 1)
})

test('a whole server: roles and every database, without what a newer client adds', async () => {
  const [oldest = 0] = majors
  const server = await startServer({ major: oldest })
  await fill(server)
  await server.sql('postgres', `create role keycloak login password 'x'`)
  const volume = await folder()
  const BACKUP_POSTGRES_PROGRAMS = await programsOf(majors.at(-1) ?? oldest)
  const run = await runAgent({ ...server.env, BACKUP_VOLUME: volume, BACKUP_POSTGRES_PROGRAMS })
  expect(run.code).toBe(0)
  const [name = ''] = await names(join(volume, 'hourly'))
  const { stdout } = await execa('gunzip', ['-c', join(volume, 'hourly', name)])
  expect(stdout).toContain('CREATE ROLE keycloak')
  expect(stdout).toContain('\\connect frag')
  expect(stdout).not.toContain('SET idle_in_transaction_session_timeout = 0;\nSET transaction_timeout')
})

test('tiers: a full tier gives its oldest copy to the next, and each keeps its count', async () => {
  const server = await startServer()
  await fill(server, 10)
  const { bucket, env, copies } = await freshBucket()
  const volume = await folder()
  const common = {
    ...env,
    BACKUP_SYSTEM: 's',
    BACKUP_VOLUME: volume,
    USE_RCLONE: 'yes',
    USE_RCLONE_BUCKET_AND_PATH: bucket,
  }
  const hourly = { ...common, ...server.env, BACKUP_TYPE: 'hourly', BACKUP_COUNT: '2' }
  const daily = {
    ...common,
    BACKUP_TYPE: 'daily',
    BACKUP_COUNT: '1',
    BACKUP_PRIOR_TYPE: 'hourly',
    BACKUP_PRIOR_COUNT: '2',
  }

  expect((await runAgent(hourly)).code).toBe(0)
  const early = await runAgent(daily)
  expect(early.code).toBe(0)
  expect(early.log).toContain('nothing to do: hourly holds 1 verified copies, 2 are needed')
  await nextSecond()
  expect((await runAgent(hourly)).code).toBe(0)
  const [oldest = '', newer = ''] = await names(join(volume, 'hourly'))
  expect((await runAgent(daily)).code).toBe(0)
  expect(await names(join(volume, 'daily'))).toEqual([oldest])
  // The volume holds it once: both names are links to one file.
  expect((await stat(join(volume, 'daily', oldest))).ino).toBe((await stat(join(volume, 'hourly', oldest))).ino)
  expect(await copies()).toEqual([`daily/${oldest}`, `hourly/${oldest}`, `hourly/${newer}`])

  await nextSecond()
  const third = await runAgent(hourly)
  expect(third.result).toMatchObject({ prunedVolume: 1, prunedBucket: 1 })
  expect(await names(join(volume, 'hourly'))).toHaveLength(2)
  expect(await copies()).toEqual([`daily/${oldest}`, `hourly/${newer}`, expect.stringMatching(/^hourly\//)])
})

test('copies that did not reach an unavailable bucket are uploaded by the next run', async () => {
  const server = await startServer()
  await fill(server, 10)
  const { bucket, env, copies, store } = await freshBucket()
  const volume = await folder()
  const common = {
    ...server.env,
    ...env,
    BACKUP_SYSTEM: 's',
    BACKUP_VOLUME: volume,
    USE_RCLONE: 'yes',
    USE_RCLONE_BUCKET_AND_PATH: bucket,
  }
  const away = await runAgent({ ...common, RCLONE_S3_ENDPOINT: 'http://127.0.0.1:1' })
  expect(away.code).toBe(3)
  expect(away.termination).toMatch(/^FAILURE \(3\)\n/)
  expect(await names(join(volume, 'hourly'))).toHaveLength(1)
  await nextSecond()
  const back = await runAgent(common)
  expect(back.result).toMatchObject({ uploaded: 2 })
  expect(await copies()).toHaveLength(2)
  const { receipts } = await readReceipts(store, { bucket, system: 's' })
  expect(receipts).toHaveLength(2)
  expect(receipts[0]?.receipt.previous).toBe(receipts[1]?.sha256)
})

test('the remains of killed runs are removed: unfinished files, multipart uploads, and their locks', async () => {
  const server = await startServer()
  await fill(server, 10)
  const { bucket, env, store } = await freshBucket()
  const volume = await folder()
  await mkdir(join(volume, 'hourly'))
  await writeFile(join(volume, 'hourly', '.unfinished-backup-2026-01-01T00:00:00Z-dumpall.sql.gz'), 'half')
  await store.s3.send(
    new CreateMultipartUploadCommand({ Bucket: bucket, Key: 'hourly/backup-2026-01-01T00:00:00Z-dumpall.sql.gz' }),
  )
  const run = await runAgent({
    ...server.env,
    ...env,
    BACKUP_VOLUME: volume,
    USE_RCLONE: 'yes',
    USE_RCLONE_BUCKET_AND_PATH: bucket,
  })
  expect(run.code).toBe(0)
  expect(run.log).toContain('aborted 1 unfinished uploads')
  expect((await readdir(join(volume, 'hourly'))).filter(name => name.startsWith('.unf'))).toEqual([])
  const left = await store.s3.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
  expect(left.Uploads ?? []).toEqual([])
})

test('a run does nothing while another run of its tier is active; the lock is released when its owner dies', async () => {
  const server = await startServer()
  await fill(server, 10)
  const volume = await folder()
  const env = { ...server.env, BACKUP_VOLUME: volume }
  const first = startAgent({ ...env, BACKUP_PRE_EXIT_SLEEP_M: '10' })
  await expect.poll(() => names(join(volume, 'hourly')).catch(() => []), { timeout: 20_000 }).toHaveLength(1)
  const second = await runAgent(env)
  expect(second.code).toBe(8)
  expect(second.log).toContain('another run of ')
  first.kill('SIGKILL')
  await first
  await nextSecond()
  expect((await runAgent(env)).code).toBe(0)
})

test('a run that receives SIGTERM cleans up and says that it was stopped', async () => {
  const server = await startServer()
  await fill(server, 10)
  const { PGADMINPASS: PGPASSWORD = '', ...connection } = server.env
  // pg_dump waits for this lock.
  const holder = execa('psql', ['-Xq', '-d', 'frag'], {
    env: { ...connection, PGPASSWORD },
    input: 'begin; lock table compound in access exclusive mode; select pg_sleep(60);',
    reject: false,
  })
  onTestFinished(async () => {
    holder.kill()
    await holder
  })
  const volume = await folder()
  const log = join(await folder(), 'log')
  const run = startAgent({ ...server.env, BACKUP_VOLUME: volume, DATABASE: 'frag', BACKUP_TERMINATION_LOG: log })
  await expect
    .poll(() => readdir(join(volume, 'hourly')).catch(() => []), { timeout: 20_000 })
    .toContainEqual(expect.stringMatching(/^\.unfinished-/))
  run.kill('SIGTERM')
  expect((await run).exitCode).toBe(15)
  expect(await readFile(log, 'utf8')).toMatch(/^FAILURE \(15\)\n/)
  expect((await readdir(join(volume, 'hourly'))).filter(name => name !== '.lock')).toEqual([])
})

test('heartbeats report the start and the end, with the log; one that fails changes nothing', async () => {
  const server = await startServer()
  await fill(server, 10)
  const beats: { path: string; body: string }[] = []
  const receiver = createServer((request, response) => {
    let body = ''
    request.on('data', chunk => {
      body += chunk
    })
    request.on('end', () => {
      beats.push({ path: request.url ?? '', body })
      response.end()
    })
  })
  await new Promise<void>(resolve => receiver.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void receiver.close())
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/ping/secret-id`
  const env = { ...server.env, BACKUP_VOLUME: await folder() }
  await runAgent({ ...env, BACKUP_HEARTBEAT_URL: url })
  await runAgent({ ...env, BACKUP_HEARTBEAT_URL: url, DATABASE: 'none' })
  expect(beats.map(({ path }) => path.replace('/ping/secret-id', ''))).toEqual(['/start', '', '/start', '/fail'])
  expect(beats[3]?.body).toContain('database "none" does not exist')
  await nextSecond()
  const unheard = await runAgent({ ...env, BACKUP_HEARTBEAT_URL: 'http://127.0.0.1:1/secret-id' })
  expect(unheard.code).toBe(0)
  expect(unheard.log).toContain('the heartbeat "start" could not be delivered')
  expect(unheard.log).not.toContain('secret-id')
})

test('a copy without a receipt, or one that was changed later, never counts', async () => {
  const server = await startServer()
  await fill(server, 10)
  const volume = await folder()
  const env = { ...server.env, BACKUP_VOLUME: volume, BACKUP_COUNT: '1' }
  expect((await runAgent(env)).code).toBe(0)
  const [good = ''] = await names(join(volume, 'hourly'))
  // Three of the image in use that were cut short, newer than the good one.
  const bad = [1, 2, 3].map(hour => `backup-2099-01-01T0${hour}:00:00Z-dumpall.sql.gz`)
  for (const name of bad) await writeFile(join(volume, 'hourly', name), 'cut')
  await nextSecond()
  expect((await runAgent(env)).code).toBe(0)
  expect(await names(join(volume, 'hourly'))).toEqual([expect.stringMatching(COPY), ...bad])
  expect(await names(join(volume, 'hourly'))).not.toContain(good)
})

test.each([
  ['a volume that is not there', { BACKUP_VOLUME: '/nowhere/at/all' }, 9, '/nowhere/at/all'],
  [
    'a bucket without keys',
    { USE_RCLONE: 'yes', USE_RCLONE_BUCKET_AND_PATH: 'b' },
    2,
    'AWS_SECRET_ACCESS_KEY is not set',
  ],
])('%s has its exit code', async (_, wrong, code, message) => {
  const server = await startServer()
  const run = await runAgent({ ...server.env, BACKUP_VOLUME: await folder(), ...wrong } as Record<string, string>)
  expect(run.code).toBe(code)
  expect(run.log).toContain(message)
  expect(run.termination).toContain(`FAILURE (${code})`)
})

test('a full volume is said, and nothing half-written stays', async () => {
  const server = await startServer()
  await fill(server, 100_000)
  const volume = await folder()
  await execa('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', volume])
  try {
    const run = await runAgent({ ...server.env, BACKUP_VOLUME: volume, DATABASE: 'frag' })
    expect(run.code).toBe(9)
    expect(run.log).toContain('free space on the volume')
    expect((await readdir(join(volume, 'hourly'))).filter(name => name !== '.lock')).toEqual([])
  } finally {
    await execa('umount', [volume])
  }
})
