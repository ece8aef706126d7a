import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { execa } from 'execa'
import { expect, onTestFinished, test } from 'vitest'
import { dump } from '../../../src/agent/database/backup.ts'
import { restore } from '../../../src/agent/restore.ts'
import { loadByHand } from '../../../src/kinds/database.ts'
import { startServer, type TestServer } from '../../support/postgres.ts'

const never = new AbortController().signal

async function folder(): Promise<string> {
  const path = await mkdtemp('/tmp/recovery-hostile-')
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

/** The SQL of the one copy on a volume. */
async function sqlIn(volume: string): Promise<string> {
  const [name = ''] = (await readdir(join(volume, 'hourly'))).filter(found => found.startsWith('backup'))
  return gunzipSync(await readFile(join(volume, 'hourly', name))).toString('latin1')
}

/** A volume with one copy that no receipt vouches for. */
async function volumeOf(sql: string): Promise<string> {
  const volume = await folder()
  await mkdir(join(volume, 'hourly'))
  const bytes = gzipSync(Buffer.from(sql, 'latin1'), { level: 1 })
  await writeFile(join(volume, 'hourly', 'backup-2026-01-31T03:07:00Z-dumpall.sql.gz'), bytes)
  return volume
}

async function dumpOf(server: TestServer, variables: Record<string, string> = {}): Promise<string> {
  const volume = await folder()
  await dump({ ...server.env, BACKUP_VOLUME: volume, BACKUP_SYSTEM: 'hostile', ...variables }, never)
  return volume
}

const databases = (server: TestServer) =>
  server.sql('postgres', `select string_agg(datname, ' ' order by datname) from pg_database`)

test('lines that the server does not know, and that hold no data, are left out of a copy and named; rows that read alike stay', async () => {
  const original = await startServer()
  await original.sql('postgres', 'create role reporting login; create role keycloak; create database frag')
  const line = 'ALTER TABLE ONLY public.t ALTER COLUMN value SET (pg_attver=64639336);'
  await original.sql(
    'frag',
    `create table t (id int primary key, value text) with (fillfactor = 70); insert into t values (1, '${line}'), (2, 'SET unknown_timeout = 0;');
     create function f() returns int language sql set search_path to public as 'select 1'; alter table t owner to keycloak`,
  )
  const whole = await sqlIn(await dumpOf(original))
  const one = await sqlIn(await dumpOf(original, { DATABASE: 'frag' }))
  const unknown = (sql: string) =>
    sql
      .replace('SET client_encoding', 'SET unknown_timeout = 0;\nSET client_encoding')
      .replace("fillfactor='70'", "unknown_option='a, b', fillfactor='70'")
      .replace('\n    SET search_path', "\n    SET unknown_setting TO 'on'\n    SET search_path")
      .replace('-- Data for Name: t', `${line}\n\n-- Data for Name: t`)
      .replace(/-- Name: t t_pkey;/, `SELECT * FROM pg_catalog.pg_restore_nothing('version', '180006'::integer);\n$&`)
  const names = ['pg_attver', 'unknown_option', 'unknown_setting', 'unknown_timeout', 'pg_restore_nothing']

  const copy = await startServer()
  const volume = await volumeOf(unknown(one))
  const restored = await restore({ ...copy.env, BACKUP_VOLUME: volume, DATABASE: 'frag' }, never)
  expect(Object.keys(restored.leftOut as object)).toEqual(expect.arrayContaining(names))
  const content = `select string_agg(value, '|' order by id), (select reloptions from pg_class where relname = 't'), f() from t`
  expect(await copy.sql('frag', content)).toBe(`${line}|SET unknown_timeout = 0;|{fillfactor=70}|1`)

  // Of roles too: one that is there, whose settings come with the change of names, and one that is not.
  const ofRoles = unknown(whole).replace(
    'ALTER ROLE reporting',
    "ALTER ROLE reporting SET unknown_of_role TO 'x';\nALTER ROLE reporting SET work_mem TO '5MB';\nALTER ROLE reporting",
  )
  const server = await startServer()
  await server.sql('postgres', 'create role reporting')
  const server2 = await restore({ ...server.env, BACKUP_VOLUME: await volumeOf(ofRoles) }, never)
  expect(Object.keys(server2.leftOut as object)).toEqual(expect.arrayContaining([...names, 'unknown_of_role']))
  expect(await server.sql('frag', content)).toBe(`${line}|SET unknown_timeout = 0;|{fillfactor=70}|1`)
  expect(await server.sql('postgres', `select rolconfig from pg_roles where rolname = 'reporting'`)).toBe(
    '{work_mem=5MB}',
  )
})

test('by hand too: the line that the server does not know is left out, the row that reads alike is not', async () => {
  const original = await startServer()
  await original.sql('postgres', 'create database frag')
  const line = 'ALTER TABLE ONLY public.t ALTER COLUMN value SET (pg_attver=64639336);'
  await original.sql(
    'frag',
    `create table t (value text); insert into t values (null), ('${line}'), ('SET unknown_timeout = 0;')`,
  )
  const one = (await sqlIn(await dumpOf(original, { DATABASE: 'frag' })))
    .replace('SET client_encoding', 'SET unknown_timeout = 0;\nSET client_encoding')
    .replace('-- Data for Name: t', `${line}\n\n-- Data for Name: t`)
  const volume = await volumeOf(one)
  const hand = await startServer()
  await hand.sql('postgres', 'create database frag template template0')
  const { PGADMINPASS: PGPASSWORD = '', ...env } = hand.env
  const load = (filter: string) =>
    execa(
      'bash',
      [
        '-c',
        `set -o pipefail; cd "$1"; cp hourly/backup-* dump.sql.gz; ${loadByHand}; load "$2" frag`,
        'bash',
        volume,
        filter,
      ],
      { env: { ...env, PGPASSWORD }, reject: false },
    )
  expect((await load('')).stderr).toContain('unrecognized configuration parameter "unknown_timeout"')
  const loaded = await load(String.raw`/^(SET |ALTER .* SET \(?"?)(unknown_timeout|pg_attver)\>/d`)
  expect(loaded.stderr).toBe('')
  expect(await hand.sql('frag', 'select count(*), min(value) from t')).toBe(`3|${line}`)
})

test('a domain with a constraint that is not valid can be restored, from our copy, from pg_dump --clean --if-exists, and by hand', async () => {
  const original = await startServer()
  await original.sql('postgres', 'create database frag')
  await original.sql(
    'frag',
    `create domain d as int; alter domain d add constraint c check (value > 0) not valid; create table t (v d); insert into t values (1);
     create view a as select 1 as x; create view b as select x from a; create or replace view a as select x from b where false union all select 1;
     create type p as (x int); create table part (i int) partition by list (i); create table part1 partition of part for values in (1);
     create schema "odd ""x"; create publication pub for table t; select lo_create(4711)`,
  )
  const { PGADMINPASS: PGPASSWORD = '', ...env } = original.env
  const plain = await execa('pg_dump', ['--clean', '--if-exists', 'frag'], { env: { ...env, PGPASSWORD } })
  expect(plain.stdout).toContain('ALTER DOMAIN public.d DROP CONSTRAINT IF EXISTS c')
  const ours = await dumpOf(original, { DATABASE: 'frag' })
  for (const volume of [ours, await volumeOf(`${plain.stdout}\n`)]) {
    const copy = await startServer()
    await restore({ ...copy.env, BACKUP_VOLUME: volume, DATABASE: 'frag' }, never)
    const { PGADMINPASS: password = '', ...at } = copy.env
    const again = await execa('pg_dump', ['--clean', '--if-exists', 'frag'], { env: { ...at, PGPASSWORD: password } })
    expect(withoutKeys(again.stdout)).toBe(withoutKeys(plain.stdout))
  }
  const hand = await startServer()
  const { PGADMINPASS: password = '', ...at } = hand.env
  await hand.sql('postgres', 'create database frag template template0')
  await execa('bash', ['-c', 'gunzip -c "$1"/hourly/backup-* | psql -Xq -v ON_ERROR_STOP=1 -d frag', 'bash', ours], {
    env: { ...at, PGPASSWORD: password },
  })
  const again = await execa('pg_dump', ['--clean', '--if-exists', 'frag'], { env: { ...at, PGPASSWORD: password } })
  expect(withoutKeys(again.stdout)).toBe(withoutKeys(plain.stdout))
})

/** pg_dump puts a random key into each dump. */
function withoutKeys(sql: string): string {
  return sql.replaceAll(/^\\(?:un)?restrict .*$/gm, '')
}

test('rows are never run as SQL: those of a table that cannot be made are withheld, also where errors are passed over', async () => {
  const original = await startServer()
  await original.sql('postgres', 'create database frag')
  await original.sql(
    'frag',
    `create table a (x text); insert into a values ('first');
     create table b (x text); insert into b values (';create role evil superuser login;'), ('\\! touch /tmp/evil'), ('\\connect postgres');
     create table c (x text); insert into c values ('last')`,
  )
  const good = await sqlIn(await dumpOf(original, { DATABASE: 'frag' }))
  const copy = await startServer()
  const env = { ...copy.env, DATABASE: 'frag' }
  for (const broken of [
    good.replace('CREATE TABLE public.b (', 'CREATE TABLE public.b ( broken nothing,'),
    good.replace('COPY public.b (x)', 'COPY public.b (y)'),
    good.replace(/(COPY public\.b [^\n]*\n)/, '$1a\tb\tc\n'),
  ]) {
    expect(broken).not.toBe(good)
    const volume = await volumeOf(broken)
    await expect(restore({ ...env, BACKUP_VOLUME: volume }, never)).rejects.toMatchObject({ kind: 'restore' })
    expect(await databases(copy)).toBe('postgres template0 template1')
    await expect(restore({ ...env, BACKUP_VOLUME: volume, DO_NOT_STOP_ON_ERROR: 'yes' }, never)).rejects.toThrow(
      /restored with [1-9]\d* errors/,
    )
    expect(await copy.sql('postgres', `select count(*) from pg_roles where rolname = 'evil'`)).toBe('0')
    expect(await copy.sql('frag', 'select (select x from a), (select x from c)')).toBe('first|last')
    await copy.sql('postgres', 'drop database frag')
  }
})

test('a server dump succeeds while tables come and go as fast as one session can make them', async () => {
  const server = await startServer()
  await server.sql('postgres', 'create database frag; create database other')
  await server.sql('frag', 'create table stays as select generate_series(1, 1000) as i')
  const { PGADMINPASS: PGPASSWORD = '', ...env } = server.env
  const script = Array.from(
    { length: 20_000 },
    (_, i) => `create table t${i % 7}_${i} (i int); drop table t${i % 7}_${i};`,
  )
  const busy = execa('psql', ['-Xq', '-d', 'frag'], {
    env: { ...env, PGPASSWORD },
    input: script.join('\n'),
    reject: false,
  })
  onTestFinished(async () => {
    busy.kill()
    await busy
  })
  const others = `select count(*) from pg_stat_activity where datname = 'frag' and pid <> pg_backend_pid()`
  await expect.poll(() => server.sql('postgres', others), { timeout: 20_000 }).not.toBe('0')
  for (const variables of [{ DATABASE: 'frag' }, {}]) {
    const volume = await dumpOf(server, variables as Record<string, string>)
    const [receipt = ''] = await readdir(join(volume, '.receipts/hostile/hourly'))
    const { counts } = JSON.parse(await readFile(join(volume, '.receipts/hostile/hourly', receipt), 'utf8'))
    expect(counts['DATABASE' in variables ? 'rows:public.stays' : 'rows:frag.public.stays']).toBe(1000)
  }
})
