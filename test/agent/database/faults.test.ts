import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { beforeAll, describe, expect, test } from 'vitest'
import { programPath } from '../../../src/agent/database/programs.ts'
import { folder, requireTools, runAgent, startAgent } from '../../support/agent.ts'
import { majors, pgDumpInstead, programsOf, realPgDump, startServer, type TestServer } from '../../support/postgres.ts'

// The faults of the dump image in use, by their numbers in its contract. Each is first shown with the plain commands
// that the image runs, then not to be ours.

beforeAll(() => requireTools({ igzip: 'isal', gzip: 'gzip', flock: 'util-linux', pg_dump: 'postgresql-client' }))

async function filled(rows = 20_000): Promise<TestServer> {
  const server = await startServer()
  await server.sql('postgres', 'create database frag')
  await server.sql('frag', `create table t as select g, md5(g::text) as x from generate_series(1, ${rows}) g`)
  return server
}

/** Variables for the plain client programs. */
function client({ env }: TestServer): Record<string, string> {
  const { PGADMINPASS: PGPASSWORD = '', ...rest } = env
  return { ...rest, PGPASSWORD }
}

async function copies(volume: string): Promise<string[]> {
  const tier = join(volume, 'hourly')
  return existsSync(tier) ? (await readdir(tier)).filter(name => name.startsWith('backup')).sort() : []
}

/** A folder to put first in PATH, with a program of that name. */
async function instead(program: string, script: string): Promise<string> {
  const path = await folder()
  await writeFile(join(path, program), `#!/bin/bash\n${script}\n`)
  await chmod(join(path, program), 0o755)
  return `${path}:${process.env.PATH}`
}

test('1: an error ends with an exit code that is one', async () => {
  const nowhere = { PGHOST: '127.0.0.1', PGPORT: '1', PGUSER: 'x' }
  const old = await execa('sh', ['-c', 'pg_dumpall --no-password | gzip > out'], {
    cwd: await folder(),
    env: nowhere,
    reject: false,
  })
  expect(old.stderr).toContain('Connection refused')
  expect(old.exitCode).toBe(0)

  const ours = await runAgent({ ...nowhere, BACKUP_VOLUME: await folder() })
  expect(ours.code).toBe(3)
  expect(ours.termination).toMatch(/^FAILURE \(3\)\n.*Connection refused/)
})

test('2: a warning of the server does not cost a good dump', async () => {
  const server = await filled()
  await server.sql('postgres', `create database icu template template0 locale_provider icu icu_locale 'en'`)
  await server.sql('postgres', `update pg_database set datcollversion = '0' where datname = 'icu'`)
  const old = await execa('pg_dump', ['icu'], { env: client(server) })
  // The image in use takes any word on stderr for a failure, and deletes the dump.
  expect(old.exitCode).toBe(0)
  expect(old.stderr).toContain('collation version mismatch')

  const volume = await folder()
  const ours = await runAgent({ ...server.env, DATABASE: 'icu', BACKUP_VOLUME: volume })
  expect(ours.code).toBe(0)
  expect(ours.log).toContain('collation version mismatch')
  expect(await copies(volume)).toHaveLength(1)
})

describe('3: a dump that dies on its way is a failure', () => {
  test.each([
    ['killed', 'kill -9 $$', /pg_dump was killed by signal 9, without a word/],
    ['with an exit code of 0 and no end', 'exit 0', /exited with 0, but its dump is incomplete/],
    ['with an exit code and no word', 'exit 7', /pg_dump ended with 7, without a word/],
  ])('%s', async (_, end, message) => {
    const server = await filled()
    const script = `${realPgDump} "$@" | head -c 300000\n${end}`
    const BACKUP_POSTGRES_PROGRAMS = await pgDumpInstead(script)
    const where = await folder()
    const old = await execa('sh', ['-c', 'pg_dump frag | gzip > out && gzip -t out'], {
      cwd: where,
      env: { ...client(server), PATH: await instead('pg_dump', script) },
    })
    expect(old.exitCode).toBe(0)

    const ours = await runAgent({ ...server.env, BACKUP_POSTGRES_PROGRAMS, DATABASE: 'frag', BACKUP_VOLUME: where })
    expect(ours.code).toBe(4)
    expect(ours.log).toMatch(message)
    expect(await copies(where)).toEqual([])
    expect((await readdir(join(where, 'hourly'))).filter(name => name !== '.lock')).toEqual([])
  })
})

test('4: the leftovers of a killed run never count as a copy', async () => {
  const server = await filled(400_000)
  const volume = await folder()
  await mkdir(join(volume, 'hourly'))
  // Copying to the final name, the image in use leaves this when it is killed: counted by retention, LATEST for recovery.
  const half = join(volume, 'hourly', 'backup-2026-01-01T00:00:00Z-dumpall.sql.gz')
  await execa('bash', ['-c', `pg_dump frag | gzip > live && cp live ${half}`], { cwd: volume, env: client(server) })
  await truncate(half, 10_000)
  expect((await execa('gzip', ['-t', half], { reject: false })).exitCode).not.toBe(0)
  expect(await copies(volume)).toHaveLength(1)

  const other = await folder()
  const env = { ...server.env, DATABASE: 'frag', BACKUP_VOLUME: other }
  const run = startAgent(env)
  const tier = join(other, 'hourly')
  const unfinished = async () => (await readdir(tier).catch(() => [])).filter(name => name.startsWith('.unfinished'))
  await expect.poll(unfinished, { timeout: 20_000, interval: 5 }).toHaveLength(1)
  run.kill('SIGKILL')
  await run
  expect(await copies(other)).toEqual([])
  const next = await runAgent(env)
  expect(next.code).toBe(0)
  expect(next.log).toContain('left by a killed run')
  expect(await unfinished()).toEqual([])
  expect(await copies(other)).toHaveLength(1)
})

test('5: a client older than the server is a failure that names both versions', async () => {
  const server = await filled()
  const [oldest = 0] = majors
  const old = await execa('sh', ['-c', '"$PG_DUMP" frag | gzip > out'], {
    cwd: await folder(),
    env: { ...client(server), PG_DUMP: programPath(oldest, 'pg_dump') },
  })
  expect(old.stderr).toContain('aborting because of server version mismatch')
  expect(old.exitCode).toBe(0)

  const BACKUP_POSTGRES_PROGRAMS = await programsOf(oldest)
  const volume = { BACKUP_VOLUME: await folder() }
  const ours = await runAgent({ ...server.env, BACKUP_POSTGRES_PROGRAMS, DATABASE: 'frag', ...volume })
  expect(ours.code).toBe(5)
  const version = (await server.sql('frag', 'show server_version')).split(' ')[0]
  expect(ours.log).toContain(
    `the server is PostgreSQL ${version}, and ${BACKUP_POSTGRES_PROGRAMS} has only ${oldest}: use an image with pg_dump`,
  )
})

test('6: pruning keeps the good copy, however many broken ones are newer', async () => {
  const server = await filled()
  const volume = await folder()
  const env = { ...server.env, DATABASE: 'frag', BACKUP_VOLUME: volume, BACKUP_COUNT: '2' }
  expect((await runAgent(env)).code).toBe(0)
  const [good = ''] = await copies(volume)
  const broken = ['1', '2', '3'].map(hour => `backup-2099-01-01T0${hour}:00:00Z-dumpall.sql.gz`)
  for (const name of broken) await writeFile(join(volume, 'hourly', name), 'cut short')
  // The image in use: all files, oldest first, down to the count.
  const old = await execa('bash', ['-c', 'ls backup* | sort | head -n -2'], { cwd: join(volume, 'hourly') })
  expect(old.stdout.split('\n')).toContain(good)

  await new Promise(resolve => setTimeout(resolve, 1000))
  expect((await runAgent(env)).code).toBe(0)
  expect(await copies(volume)).toContain(good)
  expect(await readFile(join(volume, 'hourly', good))).not.toHaveLength(0)
})

test("13: a line of data that reads like the restoring role's own is restored", async () => {
  const server = await startServer()
  await server.sql('postgres', 'create database frag')
  await server.sql(
    'frag',
    `create table notes (line text); insert into notes values ('CREATE ROLE admin;'), ('DROP ROLE admin;')`,
  )
  const volume = await folder()
  expect((await runAgent({ ...server.env, BACKUP_VOLUME: volume, BACKUP_SYSTEM: 's' })).code).toBe(0)
  const [name = ''] = await copies(volume)
  // What recovery in use does to a dump.
  const old = await execa(
    'bash',
    ['-c', `gunzip -c ${name} | sed -E '/^(CREATE|DROP) ROLE admin;/d' | grep -c 'ROLE admin;'`],
    {
      cwd: join(volume, 'hourly'),
      reject: false,
    },
  )
  expect(old.stdout).toBe('0')

  const target = await startServer()
  const work = await folder()
  const run = await runAgent(
    { ...target.env, BACKUP_VOLUME: volume, BACKUP_SYSTEM: 's', FROM_BACKUP: 'LATEST', RESTORE_WORK: work },
    ['restore'],
  )
  expect(run.log).toContain('SUCCESS: restore')
  expect(await target.sql('frag', `select string_agg(line, ' ' order by line) from notes`)).toBe(
    'CREATE ROLE admin; DROP ROLE admin;',
  )
})
