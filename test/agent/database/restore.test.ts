import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { execa } from 'execa'
import { expect, onTestFinished, test } from 'vitest'
import { dump } from '../../../src/agent/database/backup.ts'
import { restore } from '../../../src/agent/restore.ts'
import { loadByHand } from '../../../src/kinds/database.ts'
import { databaseFingerprint } from '../../../src/lab/content/database.ts'
import { differences } from '../../../src/lab/content/difference.ts'
import { fill, startServer, type TestServer } from '../../support/postgres.ts'

const never = new AbortController().signal
async function folder(): Promise<string> {
  const path = await mkdtemp('/tmp/recovery-volume-')
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

async function seedsDump(server: TestServer, program: string, args: string[], volume: string): Promise<string> {
  const { PGADMINPASS: PGPASSWORD = '', ...env } = server.env
  const { stdout } = await execa(program, args, {
    env: { ...env, PGPASSWORD },
    encoding: 'buffer',
    maxBuffer: 1024 ** 3,
  })
  await mkdir(join(volume, 'hourly'), { recursive: true })
  const name = 'backup-2026-01-31T03:07:00Z-dumpall.sql.gz'
  await writeFile(join(volume, 'hourly', name), gzipSync(stdout, { level: 1 }))
  return name
}

/** What was restored is what was dumped. The kept databases of before are no part of it. */
async function expectSame(original: TestServer, copy: TestServer, database = ''): Promise<void> {
  const facts = await Promise.all([original, copy].map(({ sql }) => databaseFingerprint(sql, database)))
  const [before, after] = facts.map(fact =>
    Object.fromEntries(Object.entries(fact).filter(([name]) => !/ before_/.test(name))),
  )
  expect(differences('server', before ?? {}, after ?? {}, 20)).toEqual([])
}

test('a server is restored to a new one from our dump: roles, owners, settings, every row', async () => {
  const original = await startServer()
  await fill(original, 'infrastructure', { awx: 'true' })
  const volume = await folder()
  await dump({ ...original.env, BACKUP_VOLUME: volume, BACKUP_SYSTEM: 'infra' }, never)
  const copy = await startServer()
  const env = { ...copy.env, BACKUP_VOLUME: volume, BACKUP_SYSTEM: 'infra' }
  const dry = await restore({ ...env, RESTORE_DRY_RUN: 'yes' }, never)
  expect(dry).toMatchObject({ dryRun: true })
  expect(await copy.sql('postgres', 'select count(*) from pg_database')).toBe('3')
  await restore(env, never)
  await expectSame(original, copy)

  // Into place: what is there is refused, then replaced and kept; a role's later change is undone.
  await copy.sql('keycloak', 'create table public.later ()')
  await copy.sql('postgres', 'alter role reporting set work_mem = 100; alter role keycloak nologin')
  await expect(restore(env, never)).rejects.toMatchObject({
    kind: 'restore',
    message: expect.stringContaining('RESTORE_REPLACE'),
  })
  // A dry run says the same, and succeeds.
  expect(await restore({ ...env, RESTORE_DRY_RUN: 'yes' }, never)).toMatchObject({
    dryRun: true,
    asks: [expect.stringMatching(/already\. RESTORE_REPLACE=yes puts the copy in its place/)],
  })
  const replaced = await restore({ ...env, RESTORE_REPLACE: 'yes' }, never)
  await expectSame(original, copy)
  const [kept = ''] = (replaced.kept as string[]).filter(name => name.endsWith('_keycloak'))
  expect(await copy.sql(kept, `select to_regclass('public.later') is not null`)).toBe('t')
})

test('a dump of the old images (pg_dumpall --clean) is restored, with the environment of the recovery image', async () => {
  const original = await startServer()
  await fill(original, 'infrastructure', { awx: 'false' })
  const backup = await folder()
  await seedsDump(original, 'pg_dumpall', ['--clean', '--no-password'], backup)
  const copy = await startServer({ password: 'another password' })
  await copy.sql('postgres', 'create role readers; create database keycloak; create database unrelated')
  const recovery = { ...copy.env, BACKUP_VOLUME: backup, FROM_BACKUP: 'LATEST', DATABASE_EXPECTED_COUNT: '2' }
  await expect(restore({ ...recovery, LATEST_BACKUP_MAXIMUM_AGE_H: '24' }, never)).rejects.toThrow('h old')
  await expect(restore({ ...recovery, DATABASE_EXPECTED_COUNT: '9' }, never)).rejects.toThrow('DATABASE_EXPECTED_COUNT')
  await restore(recovery, never)
  expect(await copy.sql('unrelated', 'select 1')).toBe('1')
  await copy.sql('postgres', 'drop database unrelated')
  const password = 'md5(rolpassword)'
  const [before, after] = await Promise.all([original, copy].map(({ sql }) => databaseFingerprint(sql, '')))
  // The admin keeps the password that the server's Secret has, and pg_dumpall leaves out the settings of all roles.
  expect(differences('server', before ?? {}, after ?? {}, 20)).toEqual([
    expect.stringMatching(/^server, role admin, password: /),
    'server, settings of all roles: missing in the copy',
  ])
  expect(password).toBeTruthy()
})

test.each([
  [
    'ours',
    async (original: TestServer, volume: string) => {
      await dump({ ...original.env, BACKUP_VOLUME: volume, DATABASE: 'frag', BACKUP_COMPRESSION: 'zstd' }, never)
    },
  ],
  [
    'pg_dump',
    async (original: TestServer, volume: string) => {
      await seedsDump(original, 'pg_dump', ['frag'], volume)
    },
  ],
  [
    'pg_dump --clean',
    async (original: TestServer, volume: string) => {
      await seedsDump(original, 'pg_dump', ['--clean', 'frag'], volume)
    },
  ],
])('one database (%s): beside, and into place while it is in use', async (_, make) => {
  const original = await startServer()
  await fill(original, 'stack', { database: 'frag', owner: 'fragalysis' })
  const volume = await folder()
  await make(original, volume)
  const copy = await startServer()
  const env = { ...copy.env, BACKUP_VOLUME: volume, DATABASE: 'frag' }
  await restore(env, never)
  await expectSame(original, copy, 'frag')

  await restore({ ...env, RESTORE_INTO: 'frag beside' }, never)
  expect(await copy.sql('frag beside', 'select count(*) from pg_largeobject_metadata')).toBe(
    await original.sql('frag', 'select count(*) from pg_largeobject_metadata'),
  )
  // Rights and settings of the database itself are no part of such a dump: they come from the one that is replaced.
  await copy.sql(
    'postgres',
    `alter database frag set search_path = "$user", public; revoke connect on database frag from public`,
  )
  const was = await copy.sql(
    'postgres',
    `select datacl, (select setconfig from pg_db_role_setting where setdatabase = d.oid) from pg_database d where datname = 'frag'`,
  )
  const session = execa('psql', ['-Xq', '--dbname=frag'], {
    input: 'select pg_sleep(60);',
    env: { ...copy.env, PGPASSWORD: copy.env.PGADMINPASS ?? '' },
    reject: false,
  })
  await expect
    .poll(() =>
      copy.sql('postgres', `select count(*) from pg_stat_activity where query like '%sleep(60)%' and datname = 'frag'`),
    )
    .toBe('1')
  const replace = { ...env, RESTORE_REPLACE: 'yes' }
  await expect(restore(replace, never)).rejects.toThrow('RESTORE_END_CONNECTIONS')
  const { kept } = await restore({ ...replace, RESTORE_END_CONNECTIONS: 'yes' }, never)
  expect((await session).exitCode).not.toBe(0)
  expect(kept).toHaveLength(1)
  expect(
    await copy.sql(
      'postgres',
      `select datacl, (select setconfig from pg_db_role_setting where setdatabase = d.oid) from pg_database d where datname = 'frag'`,
    ),
  ).toBe(was)
  await expectSame(original, copy, 'frag')
})

test('one database is restored from the dump of a server', async () => {
  const original = await startServer()
  await fill(original, 'infrastructure', { awx: 'true' })
  const volume = await folder()
  await dump({ ...original.env, BACKUP_VOLUME: volume }, never)
  const env = { ...original.env, BACKUP_VOLUME: volume, DATABASE: 'keycloak', RESTORE_INTO: 'keycloak_yesterday' }
  await original.sql('postgres', `alter role keycloak set statement_timeout = '7s'`)
  // The roles of the copy exist, and a restore of one database leaves them as they are.
  expect(await restore({ ...env, RESTORE_DRY_RUN: 'yes' }, never)).toMatchObject({ rolesMade: 0, rolesChanged: 0 })
  expect(await restore(env, never)).toMatchObject({ rolesMade: 0, rolesChanged: 0 })
  expect(await original.sql('postgres', `select rolconfig from pg_roles where rolname = 'keycloak'`)).toContain('7s')
  const names = await original.sql('postgres', 'select datname from pg_database order by 1')
  expect(names.split('\n').filter(name => /^(restoring|before)_/.test(name))).toEqual(['restoring_project'])
  const facts = await Promise.all(
    ['keycloak', 'keycloak_yesterday'].map(name => databaseFingerprint(original.sql, name)),
  )
  const [before, after] = facts.map(fact => Object.values(fact)[0] as Record<string, never>)
  expect(differences('keycloak', before ?? {}, after ?? {})).toEqual([])
})

test('an incomplete copy, one of a newer server, and an empty one are refused, and nothing is changed', async () => {
  const server = await startServer()
  await server.sql('postgres', 'create database frag')
  const volume = await folder()
  const env = { ...server.env, BACKUP_VOLUME: volume, DATABASE: 'frag' }
  await expect(restore(env, never)).rejects.toMatchObject({
    kind: 'restore',
    message: expect.stringContaining('no copy'),
  })
  await dump(env, never)
  const [name = ''] = (await readdir(join(volume, 'hourly'))).filter(found => found.startsWith('backup'))
  const path = join(volume, 'hourly', name)
  const whole = await readFile(path)
  const before = await databaseFingerprint(server.sql, '')
  const damage = async (bytes: Buffer, said: string) => {
    await writeFile(path, bytes)
    await expect(restore({ ...env, RESTORE_REPLACE: 'yes' }, never)).rejects.toMatchObject({
      kind: 'restore',
      message: expect.stringContaining(said),
    })
  }
  const flipped = Buffer.from(whole)
  flipped.writeUInt8(flipped.readUInt8(flipped.length >> 1) ^ 0xff, flipped.length >> 1)
  await damage(flipped, 'cannot be restored')
  await damage(whole.subarray(0, whole.length >> 1), 'cannot be restored')
  await damage(gzipSync('-- PostgreSQL database dump\nselect 1;\n'), 'end marker')
  await damage(gzipSync('hello'), 'does not begin like a dump')
  await damage(
    gzipSync(
      '-- PostgreSQL database dump\n\n-- Dumped from database version 99.1\n-- PostgreSQL database dump complete\n',
    ),
    'version 99 or later',
  )
  // It breaks in the middle: what was loaded goes again.
  await damage(
    gzipSync(
      '-- PostgreSQL database dump\n\nCREATE TABLE public.t (a int);\nSELECT 1/0;\n-- PostgreSQL database dump complete\n',
    ),
    'division by zero',
  )
  await damage(
    gzipSync(
      '-- PostgreSQL database dump\n\nCREATE EXTENSION IF NOT EXISTS nobody_has_it;\n-- PostgreSQL database dump complete\n',
    ),
    'nobody_has_it',
  )
  expect(differences('server', before, await databaseFingerprint(server.sql, ''))).toEqual([])
})

test('a killed restore leaves the databases unchanged, and the next one removes its leftovers', async () => {
  const server = await startServer()
  await fill(server, 'stack', { database: 'frag', owner: 'fragalysis' })
  const volume = await folder()
  const env = { ...server.env, BACKUP_VOLUME: volume, DATABASE: 'frag', RESTORE_REPLACE: 'yes' }
  await dump(env, never)
  const before = await databaseFingerprint(server.sql, '')
  const beside = () => server.sql('postgres', `select datname from pg_database where datname ~ '^restoring_.*_0$'`)
  const agent = execa(process.execPath, ['src/agent/main.ts', 'restore'], { env, reject: false })
  await expect.poll(beside, { timeout: 60_000, interval: 20 }).not.toBe('')
  agent.kill('SIGKILL')
  expect((await agent).signal).toBe('SIGKILL')
  // Its psql reads on to the end of the pipe, and then is gone as well.
  const left = await beside()
  await expect
    .poll(() => server.sql('postgres', `select count(*) from pg_stat_activity where datname ~ '^restoring_'`), {
      timeout: 30_000,
    })
    .toBe('0')
  const after = Object.fromEntries(
    Object.entries(await databaseFingerprint(server.sql, '')).filter(([name]) => !/ restoring_/.test(name)),
  )
  expect(left).not.toBe('')
  expect(differences('server', before, after)).toEqual([])
  await restore({ ...env, RESTORE_KEEP_BEFORE: 'no' }, never)
  expect(differences('server', before, await databaseFingerprint(server.sql, ''))).toEqual([])
})

test('our dump of a server can be restored with gunzip and psql alone, and with the old recovery image', async () => {
  const original = await startServer()
  await fill(original, 'infrastructure', { awx: 'false' })
  const volume = await folder()
  await dump({ ...original.env, BACKUP_VOLUME: volume, BACKUP_SYSTEM: 'infra' }, never)
  // The recovery image drops these lines of its own user, and lets no error pass.
  const recovery = `set -o pipefail; gunzip -c "$1"/hourly/backup-* | sed -E '/^(CREATE|DROP) ROLE (IF EXISTS )?admin;/d' | psql -Xq -v ON_ERROR_STOP=1 -d postgres`
  const runbook = `set -o pipefail; cd "$1"; cp hourly/backup-* dump.sql.gz; ${loadByHand}
    load '/^(CREATE|DROP) ROLE (IF EXISTS )?'"$PGUSER"';$/d' postgres`
  for (const script of [recovery, runbook]) {
    const copy = await startServer()
    const { PGADMINPASS: PGPASSWORD = '', ...env } = copy.env
    // As in the runbook: one database takes no writes.
    const PGOPTIONS = '-c default_transaction_read_only=off'
    const { stderr } = await execa('bash', ['-c', script, 'bash', volume], {
      env: { ...env, PGPASSWORD, PGOPTIONS },
      stdout: 'ignore',
    })
    expect(stderr.split('\n').filter(line => line.includes('ERROR:'))).toEqual([])
    await expectSame(original, copy)
  }
})
