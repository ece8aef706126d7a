import { randomBytes } from 'node:crypto'
import { zstdDecompressSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { UnknownSettingFilter, ZstdFrames } from '../../../../src/agent/database/dump-tap.ts'

const SETTING = 'SET transaction_timeout = 0;\n'
const dump = (setting: string) => `--
-- PostgreSQL database dump
--
SET lock_timeout = 0;
${setting}SET client_encoding = 'UTF8';
CREATE FUNCTION f() RETURNS void AS $$ SELECT 'SET transaction_timeout = 0;' $$;
COPY public.empty (id) FROM stdin;
\\.

COPY public.logs (line) FROM stdin;
SET lock_timeout = 0;
${SETTING}SET client_encoding = 'UTF8';
 FROM stdin;
\\\\.
\\.

-- another database of the same server
SET lock_timeout = 0;
${setting}-- PostgreSQL database dump complete
`

test('the setting goes wherever chunks are cut, and the same line in table data stays', () => {
  const input = Buffer.from(dump(SETTING))
  for (let size = 1; size <= input.length; size += size < 80 ? 1 : 37) {
    const filter = new UnknownSettingFilter()
    const out: Buffer[] = []
    // The same memory is read into again, as the tap does.
    const buffer = Buffer.alloc(size)
    for (let at = 0; at < input.length; at += size) {
      const bytes = input.copy(buffer, 0, at, at + size)
      for (const piece of filter.pass(buffer.subarray(0, bytes))) out.push(Buffer.from(piece))
    }
    out.push(...filter.end())
    expect(Buffer.concat(out).toString()).toBe(dump(''))
  }
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
