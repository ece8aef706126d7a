import { expect, test } from 'vitest'
import { withoutUnknown } from '../../../../src/agent/database/left-out.ts'
import { StatementError } from '../../../../src/agent/database/session.ts'

const unknown = (name: string, code = '22023') => new StatementError(`ERROR: unrecognized parameter "${name}"`, code)

test.each([
  [
    'the last option of a column',
    'ALTER TABLE ONLY public.t ALTER COLUMN value SET (pg_attver=64639336);',
    'pg_attver',
    '',
  ],
  [
    'one of many',
    "CREATE TABLE public.t (\n    a integer DEFAULT 1,\n    b text DEFAULT 'WITH (new=1)'::text\n)\nWITH (fillfactor='70', new='a, b)', toast.autovacuum_enabled='false');",
    'new',
    "CREATE TABLE public.t (\n    a integer DEFAULT 1,\n    b text DEFAULT 'WITH (new=1)'::text\n)\nWITH (fillfactor='70', toast.autovacuum_enabled='false');",
  ],
  [
    'the only one',
    "CREATE INDEX i ON public.t USING btree (a) WITH (new='1') WHERE (b = 'x'::text);",
    'new',
    "CREATE INDEX i ON public.t USING btree (a) WHERE (b = 'x'::text);",
  ],
  [
    'of a view',
    "CREATE VIEW public.v WITH (security_barrier='true', new='true') AS\n SELECT 1 AS a;",
    'new',
    "CREATE VIEW public.v WITH (security_barrier='true') AS\n SELECT 1 AS a;",
  ],
  [
    'of a table on its toast table',
    "CREATE TABLE public.t (\n    a text\n)\nWITH (toast.new='1');",
    'toast.new',
    'CREATE TABLE public.t (\n    a text\n);',
  ],
  [
    'of a foreign server',
    "CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw OPTIONS (\n    host 'a, b',\n    new 'c'\n);",
    'new',
    "CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw OPTIONS (\n    host 'a, b');",
  ],
  [
    'a name in quotes',
    'ALTER TABLE ONLY public."T" ALTER COLUMN a SET ("New"=1, n_distinct=5);',
    'New',
    'ALTER TABLE ONLY public."T" ALTER COLUMN a SET (n_distinct=5);',
  ],
])('an option that the server does not know is left out: %s', (_, statement, name, rest) => {
  expect(withoutUnknown(statement, unknown(name.replace('toast.', '')))).toEqual({ name, statement: rest })
})

test.each([
  ['SET transaction_timeout = 0;', 'transaction_timeout', '42704'],
  ["SELECT pg_catalog.set_config('new', '1', false);", 'new', '42704'],
  ["ALTER ROLE a SET new TO 'x';", 'new', '42704'],
  ['ALTER ROLE "A b" IN DATABASE "c;d" SET "my.new" TO \'x\';', 'my.new', '42602'],
  ['ALTER DATABASE a SET "TimeZone" TO \'US/Gone\';', 'TimeZone', '22023'],
  ['GRANT SET ON PARAMETER new TO a;', 'new', '42704'],
])('a statement that is nothing but an unknown setting is left out: %s', (statement, name, code) => {
  expect(withoutUnknown(statement, unknown(name, code))?.statement).toBe('')
})

test('the setting of a function is left out, its body is not touched', () => {
  const body = "AS $$\nBEGIN\n    SET new TO 'y'\n;END $$;"
  const statement = `CREATE FUNCTION public.f() RETURNS void\n    LANGUAGE plpgsql\n    SET search_path TO 'public'\n    SET new TO 'x'\n    ${body}`
  expect(withoutUnknown(statement, unknown('new', '42704'))?.statement).toBe(
    `CREATE FUNCTION public.f() RETURNS void\n    LANGUAGE plpgsql\n    SET search_path TO 'public'\n    ${body}`,
  )
})

test('a membership is granted without its grantor if the server does not let that role grant it', () => {
  const error = new StatementError('ERROR: permission denied to grant privileges as role "postgres"', '42501')
  expect(withoutUnknown('GRANT "a b" TO c WITH ADMIN OPTION, INHERIT TRUE GRANTED BY postgres;', error)).toEqual({
    name: 'GRANTED BY postgres',
    statement: 'GRANT "a b" TO c WITH ADMIN OPTION, INHERIT TRUE;',
  })
})

const noLocale = (name: string, code: string) =>
  new StatementError(`ERROR: invalid LC_COLLATE locale name: "${name}"`, code)
test.each([
  [
    "CREATE DATABASE \"LOCALE = 'x'\" WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'en_US.utf8';",
    noLocale('en_US.utf8', '42809'),
    "CREATE DATABASE \"LOCALE = 'x'\" WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'C.UTF-8';",
  ],
  [
    "CREATE DATABASE a WITH ENCODING = 'UTF8' LC_COLLATE = 'C.UTF-8' LC_CTYPE = 'C.UTF-8';",
    noLocale('C.UTF-8', '42809'),
    "CREATE DATABASE a WITH ENCODING = 'UTF8' LC_COLLATE = 'C' LC_CTYPE = 'C';",
  ],
  [
    "CREATE DATABASE a WITH ENCODING = 'LATIN1' LOCALE = 'de_DE';",
    noLocale('de_DE', '42809'),
    "CREATE DATABASE a WITH ENCODING = 'LATIN1' LOCALE = 'C';",
  ],
  [
    "CREATE COLLATION public.c (provider = libc, locale = 'de_DE.utf8');",
    noLocale('de_DE.utf8', '22023'),
    "CREATE COLLATION public.c (provider = libc, locale = 'C');",
  ],
  [
    `CREATE TABLE public.t (\n    a text COLLATE pg_catalog."de_DE" DEFAULT ' COLLATE "de_DE"',\n    b text COLLATE public."de_DE"\n);`,
    new StatementError('ERROR: collation "pg_catalog.de_DE" for encoding "UTF8" does not exist', '42704'),
    `CREATE TABLE public.t (\n    a text DEFAULT ' COLLATE "de_DE"',\n    b text COLLATE public."de_DE"\n);`,
  ],
])('a locale that the server does not have is replaced: %s', (statement, error, rest) => {
  expect(withoutUnknown(statement, error)?.statement).toBe(rest)
})

test('the server may say it in another language', () => {
  const error = new StatementError('FEHLER: unbekannter Parameter »pg_attver«', '22023')
  expect(withoutUnknown('ALTER TABLE t ALTER COLUMN a SET (pg_attver=1);', error)?.name).toBe('pg_attver')
})

test.each([
  [
    'an error of another kind',
    'ALTER TABLE t SET (fillfactor=70);',
    new StatementError('ERROR: "fillfactor"', '42501'),
  ],
  ['a type that is missing', 'CREATE TABLE t (a fillfactor) WITH (x=1);', unknown('fillfactor', '42704')],
  ['a sequence that is missing', "SELECT pg_catalog.setval('public.s', 1, true);", unknown('public.s', '42883')],
  ['rows', 'COPY public.t (a) FROM stdin;', unknown('t', '42704')],
])('what holds data is never left out: %s', (_, statement, error) => {
  expect(withoutUnknown(statement, error)).toBeUndefined()
})

test.each([
  ['GRANT SELECT(wal_write) ON TABLE pg_catalog.pg_stat_wal TO a;', 'privileges on pg_catalog.pg_stat_wal', '42703'],
  ['REVOKE ALL ON FUNCTION pg_catalog.gone(a text) FROM PUBLIC;', 'privileges on pg_catalog.gone(a text)', '42883'],
])('a privilege on what the server itself no longer has is left out: %s', (statement, name, code) => {
  expect(withoutUnknown(statement, new StatementError('ERROR: does not exist', code))).toEqual({ name, statement: '' })
  const ours = statement.replace('pg_catalog.', 'public.')
  expect(withoutUnknown(ours, new StatementError('ERROR: does not exist', code))).toBeUndefined()
})

test('a password that the server refuses is left out, and nothing else of the role', () => {
  const statement = "ALTER ROLE \"A b\" WITH NOSUPERUSER LOGIN PASSWORD 'md5''x' VALID UNTIL 'infinity';"
  expect(withoutUnknown(statement, new StatementError('ERROR: too long', '54000'))).toEqual({
    name: 'the password of A b',
    statement: 'ALTER ROLE "A b" WITH NOSUPERUSER LOGIN VALID UNTIL \'infinity\';',
  })
})
