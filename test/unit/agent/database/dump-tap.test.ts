import { randomBytes } from 'node:crypto'
import { zstdDecompressSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { Gathered, Tap, ZstdFrames } from '../../../../src/agent/database/dump-tap.ts'

const SETTING = 'SET transaction_timeout = 0;'
const dump = (setting: string) => `--
-- PostgreSQL database dump
--
SET lock_timeout = 0;
${setting}
SET client_encoding = 'UTF8';
CREATE FUNCTION f() RETURNS void AS $$ SELECT 'SET transaction_timeout = 0;'
COPY public.fake (line) FROM stdin;
$$;
CREATE FUNCTION e() RETURNS text LANGUAGE sql AS $_$ SELECT E'\\'' || $1; SELECT 'x
COPY public.fake (line) FROM stdin;
'; $_$;
CREATE FUNCTION g() RETURNS void LANGUAGE sql BEGIN ATOMIC
 SELECT CASE WHEN true THEN 1 END;
 SELECT 2;
END;
CREATE RULE r AS ON INSERT TO public.logs DO ALSO ( INSERT INTO public.a VALUES (1);
 INSERT INTO public.b VALUES (2);
);
CREATE TABLE public.empty (
    id integer
);
COPY public.empty (id) FROM stdin;
\\.

COPY public."a|b ""c"" (" ("x;", line) FROM stdin;
SET lock_timeout = 0;
${SETTING}
 FROM stdin;
\\\\.
x\\.
\\.

CREATE TABLE public.part (
    id integer
)
PARTITION BY RANGE (id);
SELECT pg_catalog.lo_create('16400');
-- PostgreSQL database dump complete
`

test('wherever chunks end, the unknown setting is removed, rows are unchanged, and each is counted', () => {
  const input = Buffer.from(dump(SETTING))
  for (let size = 1; size <= input.length; size += size < 80 ? 1 : 37) {
    const out: Buffer[] = []
    const tap = new Tap(bytes => out.push(Buffer.from(bytes)), 16)
    // The same memory is reused for every read, as in the tap.
    const buffer = Buffer.alloc(size)
    for (let at = 0; at < input.length; at += size) tap.take(buffer.subarray(0, input.copy(buffer, 0, at, at + size)))
    expect(tap.end()).toEqual({
      plainBytes: input.length,
      complete: true,
      databases: [''],
      roles: [],
      counts: {
        tables: 3,
        largeObjects: 1,
        'rows:public.empty': 0,
        'rows:public."a|b ""c"" ("': 5,
        'rows:public.part': 0,
      },
    })
    expect(Buffer.concat(out).toString()).toBe(dump(''))
  }
})

test('a dump that is cut off is not complete', () => {
  const tap = new Tap(() => {}, 17)
  tap.take(Buffer.from(dump(SETTING)).subarray(0, -10))
  expect(tap.end()).toMatchObject({ complete: false })
})

test('a dump of one database has the statements that create it as comments, a dump of a server as statements', () => {
  const one = `--
-- PostgreSQL database dump
--
CREATE DATABASE "größe" WITH TEMPLATE = template0 ENCODING = 'UTF8';
\\connect -reuse-previous=on "dbname='größe'"
SET client_encoding = 'UTF8';
-- PostgreSQL database dump complete
`
  const passed = (text: string): string => {
    const out: Buffer[] = []
    const tap = new Tap(bytes => out.push(Buffer.from(bytes)), 17)
    tap.take(Buffer.from(text))
    tap.end()
    return Buffer.concat(out).toString()
  }
  const commented = passed(one).split('\n')
  expect(commented[3]).toMatch(/^-- database: "CREATE DATABASE \\"gr\\u00c3\\u00b6/)
  expect(commented.filter(line => line !== '' && !line.startsWith('--'))).toEqual(["SET client_encoding = 'UTF8';"])
  const server = one.replaceAll('database dump', 'database cluster dump')
  expect(passed(server)).toBe(server)
})

test('small pieces are gathered in order, large ones pass', () => {
  const out: Buffer[] = []
  const gathered = new Gathered(bytes => out.push(Buffer.from(bytes)))
  const pieces = [1, 70_000, 3, 65_536, 65_535, 2].map(size => randomBytes(size))
  for (const piece of pieces) gathered.take(piece)
  gathered.end()
  expect(Buffer.concat(out).equals(Buffer.concat(pieces))).toBe(true)
  expect(out.length).toBeLessThan(pieces.length + 1)
})

test.each([0, 1, 1024 * 1024, 2.5 * 1024 * 1024])('%d bytes in zstd frames are read as one file', size => {
  const input = randomBytes(size)
  const out: Buffer[] = []
  const frames = new ZstdFrames(bytes => out.push(bytes))
  const buffer = Buffer.alloc(700_001)
  for (let at = 0; at < size; at += buffer.length) {
    frames.take(buffer.subarray(0, input.copy(buffer, 0, at, at + buffer.length)))
  }
  frames.end()
  if (size > 0) expect(zstdDecompressSync(Buffer.concat(out)).equals(input)).toBe(true)
  else expect(out).toEqual([])
})
