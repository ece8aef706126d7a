import { expect, test } from 'vitest'
import { UnknownSettingFilter } from '../../../src/agent/dump-tap.ts'

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
