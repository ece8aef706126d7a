import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { execa } from 'execa'
import { expect, onTestFinished, test, vi } from 'vitest'
import { dump } from '../../../src/agent/database/backup.ts'
import { programPath } from '../../../src/agent/database/programs.ts'
import { sessionOptions } from '../../../src/agent/database/session.ts'
import { restore } from '../../../src/agent/restore.ts'
import { startServer, type TestServer } from '../../support/postgres.ts'

const never = new AbortController().signal

async function folder(): Promise<string> {
  const path = await mkdtemp('/tmp/recovery-real-data-')
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

function client({ env }: TestServer): Record<string, string> {
  const { PGADMINPASS: PGPASSWORD = '', ...rest } = env
  return { ...rest, PGPASSWORD }
}

/** What pg_dump or pg_dumpall says of a server, without what it draws anew each time. */
async function asText(server: TestServer, database?: string): Promise<string> {
  const [program, args] = database === undefined ? ['pg_dumpall', []] : ['pg_dump', [`dbname='${database}'`]]
  const env = { ...client(server), PGOPTIONS: sessionOptions(server.major) }
  const { stdout } = await execa(programPath(server.major, program as string), args as string[], {
    env,
    maxBuffer: 1024 ** 3,
  })
  return stdout
    .replaceAll(/^\\(?:un)?restrict .*$/gm, '')
    .replaceAll(/SCRAM-SHA-256\$[^']*/g, 'SCRAM')
    .replaceAll(/^\\connect .*$/gm, '\\connect')
}

async function receiptOf(volume: string) {
  const receipts = join(volume, '.receipts/real/hourly')
  const [name = ''] = (await readdir(receipts)).sort().slice(-1)
  return JSON.parse(await readFile(join(receipts, name), 'utf8'))
}

async function dumpOf(server: TestServer, variables: Record<string, string> = {}): Promise<string> {
  const volume = await folder()
  await dump({ ...server.env, BACKUP_VOLUME: volume, BACKUP_SYSTEM: 'real', ...variables }, never)
  return volume
}

const databases = (server: TestServer) =>
  server.sql('postgres', `select string_agg(datname, ' ' order by datname) from pg_database`)

test('a database that takes no connections fails the dump, which is stored and names it; what pg_dumpall passes over is saved or named', async () => {
  const server = await startServer()
  await server.sql('postgres', 'create database retired allow_connections false')
  await server.sql(
    'postgres',
    `alter role all set work_mem = '5MB'; alter role all set application_name = 'Grüße \\ ''x''';
     alter role all set search_path = "$user", public, "Odd"; create function pg_catalog.ours() returns int language sql as 'select 1'`,
  )
  await server.sql('postgres', 'create database half_dropped')
  await server.sql('postgres', `update pg_database set datconnlimit = -2 where datname = 'half_dropped'`)
  const volume = await folder()
  const env = { ...server.env, BACKUP_VOLUME: volume, BACKUP_SYSTEM: 'real' }
  await expect(dump(env, never)).rejects.toMatchObject({
    kind: 'dump',
    message: expect.stringContaining('the copy is stored, but it lacks database retired'),
  })
  expect((await receiptOf(volume)).details.lacks).toEqual(['database retired'])
  const copy = await startServer()
  const from = { ...copy.env, BACKUP_VOLUME: volume, BACKUP_SYSTEM: 'real' }
  const dry = await restore({ ...from, RESTORE_DRY_RUN: 'yes' }, never)
  expect(dry.notHeld).toEqual([
    'database retired',
    'database half_dropped, which an interrupted DROP DATABASE left: drop it again',
    'function ours() in the database postgres',
  ])
  await restore(from, never)
  const settings = 'select unnest(setconfig) from pg_db_role_setting where setrole = 0 and setdatabase = 0 order by 1'
  expect(await copy.sql('postgres', settings)).toBe(await server.sql('postgres', settings))
})

test("a user's databases whose names begin as ours do are never removed", async () => {
  const server = await startServer()
  await server.sql('postgres', 'create database restoring_project; create database before_x; create database frag')
  await server.sql('restoring_project', 'create table precious as select 1 as x')
  // As ours would look, but for the mark.
  await server.sql(
    'postgres',
    `create database restoring_0123456789abcdef; create database restoring_0123456789abcdef_0;
     comment on database restoring_0123456789abcdef is '{"restore":"restoring_0123456789abcdef","databases":["frag"]}'`,
  )
  const volume = await dumpOf(server, { DATABASE: 'frag' })
  const before = await databases(server)
  const env = { ...server.env, BACKUP_VOLUME: volume, BACKUP_SYSTEM: 'real', DATABASE: 'frag' }
  expect(await restore({ ...env, RESTORE_DRY_RUN: 'yes' }, never)).toMatchObject({ removed: ['frag'] })
  await restore(env, never)
  expect(await databases(server)).toBe(before)
  expect(await server.sql('restoring_project', 'select x from precious')).toBe('1')
})

test('whatever a database and a role set, the dump is made, counted and restored; CREATE DATABASE works meanwhile', async () => {
  const server = await startServer()
  await server.sql(
    'postgres',
    `create role other; create database latin encoding 'LATIN1' locale 'C' template template0`,
  )
  await server.sql(
    'latin',
    `create table "größe" ("übung" text); insert into "größe" values ('Ä'), ('ß'); create table "a|b" (x int); insert into "a|b" values (1), (2), (3);
     create table "it's ""q"", (x) FROM stdin;" (x text); insert into "it's ""q"", (x) FROM stdin;" values ('\\.'), (E'\\\\.\\n\\\\.\\n'), (null);
     create table big as select generate_series(1, 100000) as i; create schema "COPY"; create table "COPY"."x.y" ()`,
  )
  for (const setting of [
    `statement_timeout = '20ms'`,
    `lock_timeout = '20ms'`,
    `idle_in_transaction_session_timeout = '20ms'`,
    `idle_session_timeout = '20ms'`,
    'default_transaction_read_only = on',
    'quote_all_identifiers = on',
    'standard_conforming_strings = off',
    'search_path = "COPY", public',
    `client_encoding = 'LATIN1'`,
    'transform_null_equals = on',
    'array_nulls = off',
    `bytea_output = 'escape'`,
    `DateStyle = 'German, DMY'`,
    `IntervalStyle = 'sql_standard'`,
    'row_security = off',
  ]) {
    await server.sql('postgres', `alter database latin set ${setting}`)
  }
  await server.sql('postgres', `alter role admin in database latin set role = 'other'`)
  await server.sql('postgres', `alter role admin set statement_timeout = '20ms'`)
  const counts = {
    'rows:latin.public."größe"': 2,
    'rows:latin.public."a|b"': 3,
    'rows:latin.public."it\'s ""q"", (x) FROM stdin;"': 3,
    'rows:latin.public.big': 100_000,
    'rows:latin."COPY"."x.y"': 0,
  }
  let during = 0
  const making = (async () => {
    const made = await execa('psql', ['-Xq', '-d', 'postgres', '-v', 'ON_ERROR_STOP=1'], {
      env: { ...client(server), PGOPTIONS: '-c statement_timeout=0' },
      input: Array.from({ length: 3 }, (_, i) => `create database during${i}; drop database during${i};`).join('\n'),
    })
    during += made.exitCode === 0 ? 1 : 0
  })()
  const volume = await dumpOf(server)
  await making
  expect(during).toBe(1)
  expect((await receiptOf(volume)).counts).toMatchObject(counts)
  const one = await dumpOf(server, { DATABASE: 'latin' })
  const copy = await startServer()
  await restore({ ...copy.env, BACKUP_VOLUME: volume, BACKUP_SYSTEM: 'real' }, never)
  expect(await asText(copy)).toBe(await asText(server))
  await restore(
    {
      ...copy.env,
      BACKUP_VOLUME: one,
      BACKUP_SYSTEM: 'real',
      DATABASE: 'latin',
      RESTORE_REPLACE: 'yes',
      RESTORE_KEEP_BEFORE: 'no',
    },
    never,
  )
  expect(await asText(copy)).toBe(await asText(server))
  // Beside, on a server that has no such database: encoding and settings come from the dump.
  const bare = await startServer()
  await restore({ ...bare.env, BACKUP_VOLUME: one, BACKUP_SYSTEM: 'real', RESTORE_INTO: 'again' }, never)
  expect(
    await bare.sql('postgres', `select pg_encoding_to_char(encoding) from pg_database where datname = 'again'`),
  ).toBe('LATIN1')
})

test('names that could be taken for connection strings, and long ones that begin alike, are names', async () => {
  const server = await startServer()
  const long = 'x'.repeat(62)
  const names = [
    'a=b',
    'postgresql://127.0.0.1:1/x',
    'it\'s \\ "odd"',
    `${long}1`,
    `${long}2`,
    'host=/nowhere',
    ' ',
    '--help',
    'größe',
  ]
  for (const name of names) {
    await server.sql('postgres', `create database "${name.replaceAll('"', '""')}"`)
    await server.sql(name, `create table here as select '${name.replaceAll("'", "''")}'::text as name`)
  }
  const volume = await dumpOf(server)
  const env = { ...server.env, BACKUP_VOLUME: volume, BACKUP_SYSTEM: 'real' }
  const { kept } = await restore({ ...env, RESTORE_REPLACE: 'yes' }, never)
  expect(new Set(kept as string[]).size).toBe(names.length)
  for (const name of names) {
    expect(await server.sql(name, 'select name from here')).toBe(name)
    const one = await dumpOf(server, { DATABASE: name })
    expect((await receiptOf(one)).counts).toMatchObject({ 'rows:public.here': 1 })
  }
})

test('subscriptions, policies, tablespaces, roles that were granted on, and what template1 and postgres hold come back, twice', async () => {
  const server = await startServer()
  const place = await folder()
  await execa('chown', ['postgres:', place])
  await server.sql('postgres', `create tablespace fast location '${place}'`)
  await server.sql(
    'postgres',
    `create role granted_on; create role maker createrole login; create role only_in_policy; create role reader;
     grant reader to maker with admin option; set role maker; grant reader to granted_on; reset role;
     create database app owner maker tablespace fast; create table in_postgres as select 1 as x; create extension hstore`,
  )
  await server.sql(
    'template1',
    'create table in_template as select 2 as x; create function f() returns int language sql as $$ select 1 $$',
  )
  await server.sql(
    'app',
    `create table t (i int, h text) tablespace pg_default; create index fast_i on t (i); insert into t values (1, 'x');
     alter table t enable row level security; create policy p on t for select to only_in_policy, reader using (i > 0);
     create subscription sub connection 'host=127.0.0.1 port=1 dbname=none' publication p with (connect = false, slot_name = 'none_such')`,
  )
  const original = await asText(server)
  const volume = await dumpOf(server)
  const one = await dumpOf(server, { DATABASE: 'app' })
  const env = {
    ...server.env,
    BACKUP_VOLUME: volume,
    BACKUP_SYSTEM: 'real',
    RESTORE_REPLACE: 'yes',
    RESTORE_KEEP_BEFORE: 'no',
  }
  for (const _ of ['once', 'and again']) {
    await restore(env, never)
    expect(await asText(server)).toBe(original)
  }
  // A new server has no folder for the tablespace: the data is whole without it.
  const copy = await startServer()
  await restore({ ...copy.env, BACKUP_VOLUME: volume, BACKUP_SYSTEM: 'real' }, never)
  expect(await copy.sql('postgres', 'select string_agg(spcname, $$ $$) from pg_tablespace')).toBe(
    'pg_default pg_global',
  )
  expect(await copy.sql('app', 'select count(*) from t')).toBe('1')
  expect(await copy.sql('template1', 'select x from in_template')).toBe('2')
  // One database on a new server: every role that it names is there first.
  const bare = await startServer()
  await restore({ ...bare.env, BACKUP_VOLUME: one, BACKUP_SYSTEM: 'real', DATABASE: 'app' }, never)
  expect(await bare.sql('app', `select roles::text from pg_policies`)).toBe('{only_in_policy,reader}')
  // And it may be restored over itself, though a subscription keeps a database from being dropped.
  const again = { ...bare.env, BACKUP_VOLUME: one, BACKUP_SYSTEM: 'real', DATABASE: 'app', RESTORE_REPLACE: 'yes' }
  await restore({ ...again, RESTORE_KEEP_BEFORE: 'no' }, never)
  expect(await databases(bare)).toBe('app postgres template0 template1')
})

test('a restore that is killed at any moment leaves every database usable and complete, and the next one finishes it', async () => {
  const server = await startServer()
  await server.sql('postgres', 'create database app; create database other')
  await server.sql(
    'app',
    `create table t as select generate_series(1, 20000) as i; create index on t (i);
     create subscription sub connection 'host=127.0.0.1 port=1' publication p with (connect = false)`,
  )
  const volume = await dumpOf(server)
  const original = await asText(server)
  const env = {
    ...server.env,
    BACKUP_VOLUME: volume,
    BACKUP_SYSTEM: 'real',
    RESTORE_REPLACE: 'yes',
    RESTORE_KEEP_BEFORE: 'no',
  }
  const whole = Date.now()
  await restore(env, never)
  const took = Date.now() - whole + 1000
  for (const part of [0.3, 0.45, 0.6, 0.7, 0.8, 0.9, 1]) {
    const agent = execa(process.execPath, ['src/agent/main.ts', 'restore'], { env, reject: false })
    setTimeout(() => agent.kill('SIGKILL'), took * part)
    await agent
    for (const database of ['app', 'other', 'postgres', 'template1']) {
      expect(await server.sql(database, 'select 1'), `${database}, killed at ${part}`).toBe('1')
    }
    expect(await server.sql('app', 'select count(*) from t')).toBe('20000')
  }
  await restore(env, never)
  expect(await databases(server)).toBe('app other postgres template0 template1')
  expect(await asText(server)).toBe(original)
})

test('a PostGIS database comes back, with the reference systems that were added to its own', async () => {
  // PostGIS is installed with this machine's own PostgreSQL; the images' has none.
  vi.stubEnv('BACKUP_POSTGRES_PROGRAMS', '/usr/lib/postgresql')
  onTestFinished(() => {
    vi.unstubAllEnvs()
  })
  const [server, copy] = await Promise.all([startServer(), startServer()])
  await server.sql('postgres', 'create database gis')
  await server.sql(
    'gis',
    `create extension postgis; insert into spatial_ref_sys values (990001, 'ours', 1, 'LOCAL_CS["x"]', '+proj=longlat');
     create table places as select i, st_setsrid(st_makepoint(i, -i), 4326) as at from generate_series(1, 50) i; create index on places using gist (at)`,
  )
  const env = { ...copy.env, BACKUP_VOLUME: await dumpOf(server), BACKUP_SYSTEM: 'real' }
  await restore(env, never)
  expect(await asText(copy, 'gis')).toBe(await asText(server, 'gis'))
  await restore(
    { ...env, BACKUP_VOLUME: await dumpOf(server, { DATABASE: 'gis' }), DATABASE: 'gis', RESTORE_REPLACE: 'yes' },
    never,
  )
  expect(await asText(copy, 'gis')).toBe(await asText(server, 'gis'))
})

test('a server with locales that the other lacks, as en_US.utf8 of the official images, is restored under C.UTF-8, which is named', async () => {
  const server = await startServer()
  await server.sql(
    'postgres',
    `create database app; create database latin encoding 'LATIN1' locale 'C' template template0`,
  )
  await server.sql(
    'app',
    `create collation ours (provider = libc, locale = 'C.UTF-8'); create table t (a text collate "C.utf8" primary key, b text collate ours);
     insert into t values ('x', 'Ä'); create index on t (b collate "C.utf8")`,
  )
  const volume = await dumpOf(server)
  // No machine for tests has such locales: their names take the place of those that it has.
  const [name = ''] = (await readdir(join(volume, 'hourly'))).filter(found => found.startsWith('backup'))
  const sql = gunzipSync(await readFile(join(volume, 'hourly', name))).toString('latin1')
  const elsewhere = sql
    .replaceAll('C.UTF-8', 'en_US.utf8')
    .replaceAll('"C.utf8"', '"en_US.utf8"')
    .replaceAll("LOCALE = 'C'", "LOCALE = 'en_US.iso88591'")
  await writeFile(join(volume, 'hourly', name), gzipSync(Buffer.from(elsewhere, 'latin1')))
  await rm(join(volume, '.receipts'), { recursive: true })
  const copy = await startServer()
  const { leftOut } = await restore({ ...copy.env, BACKUP_VOLUME: volume }, never)
  expect(leftOut).toEqual({
    'the locale en_US.utf8': 4,
    'the locale en_US.iso88591': 1,
    'the collation pg_catalog.en_US.utf8': 1,
    'the collation en_US.utf8': 1,
  })
  expect(await copy.sql('app', 'select a || b from t')).toBe('xÄ')
  const locales = `select string_agg(datname || ' ' || datctype, ', ' order by datname) from pg_database where datname in ('app', 'latin')`
  expect(await copy.sql('postgres', locales)).toBe('app C.UTF-8, latin C')
})

test('a table that stays locked fails the dump in time, which names who holds the lock', async () => {
  const server = await startServer({ options: '-c max_prepared_transactions=1' })
  await server.sql('postgres', 'create database app')
  await server.sql('app', `create table t (); begin; lock table t; prepare transaction 'left by a "crash"'`)
  const env = { ...server.env, BACKUP_VOLUME: await folder(), BACKUP_LOCK_WAIT_S: '1' }
  for (const DATABASE of ['', 'app']) {
    await expect(dump({ ...env, DATABASE }, never)).rejects.toMatchObject({
      kind: 'dump',
      message: expect.stringMatching(
        /stayed locked for 1 s .*held by the prepared transaction left by a "crash" in the database app since 20/,
      ),
    })
  }
  await server.sql('app', `rollback prepared 'left by a "crash"'`)
  await dump(env, never)
})

test('names that are not UTF-8, as a database of the encoding SQL_ASCII may hold, neither stop the dump nor change', async () => {
  const server = await startServer()
  await server.sql('postgres', `create database raw encoding 'SQL_ASCII' locale 'C' template template0`)
  await server.sql(
    'raw',
    `do $$ declare e text := chr(233); begin
       execute format('create table %I (%I text primary key)', 't' || e, 'c' || e); execute format('insert into %I values (%L)', 't' || e, 'x' || chr(255));
       create foreign data wrapper w; create server s foreign data wrapper w; execute format('create foreign table %I (a int) server s', 'f' || e);
     end $$`,
  )
  const copy = await startServer()
  const env = { ...copy.env, BACKUP_VOLUME: await dumpOf(server), BACKUP_SYSTEM: 'real' }
  const { notHeld } = await restore(env, never)
  expect(notHeld).toEqual(['rows of the foreign table public."f\ufffd" in the database raw'])
  const bytes = `select encode(relname::text::bytea, 'hex') from pg_class where relname ~ '^[tf].$' order by 1`
  expect(await copy.sql('raw', bytes)).toBe('66e9\n74e9')
})

test('a copy holds the text of what made its database', async () => {
  const server = await startServer()
  await server.sql('postgres', `create database frag; alter database frag set work_mem = '5MB'`)
  const volume = await dumpOf(server, { DATABASE: 'frag' })
  const [name = ''] = (await readdir(join(volume, 'hourly'))).filter(found => found.startsWith('backup'))
  const sql = gunzipSync(await readFile(join(volume, 'hourly', name))).toString()
  expect(sql).toMatch(/^-- database: "CREATE DATABASE frag WITH TEMPLATE = template0 ENCODING = 'UTF8' /m)
  expect(sql).toMatch(/^-- database: "ALTER DATABASE frag SET work_mem TO '5MB';"$/m)
})
