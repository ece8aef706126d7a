import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { execa } from 'execa'
import { expect, onTestFinished, test } from 'vitest'
import { oneByHand } from '../../../src/kinds/database.ts'
import { startServer } from '../../support/postgres.ts'

test('one database of a server is loaded under another name by the commands of the runbook, and no other is touched', async () => {
  const server = await startServer()
  const env = { ...server.env, PGPASSWORD: server.env.PGADMINPASS ?? '' }
  for (const name of ['frag', 'frag 2', 'other']) {
    await server.sql('postgres', `create database "${name}"`)
    await server.sql(name, `create table t (value text); insert into t values ('${name}')`)
  }
  // Rows that read like the dump's own lines.
  await server.sql(
    'frag',
    `insert into t values ('-- Database "other" dump'), ('ALTER DATABASE frag RENAME'), ('\\connect other')`,
  )
  await server.sql(
    'frag',
    `alter database frag set statement_timeout = '7min'; comment on database frag is 'the first'`,
  )
  const { stdout } = await execa('pg_dumpall', ['--clean', '--if-exists'], { env })
  const folder = await mkdtemp('/tmp/by-hand-')
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'dump.sql.gz'), gzipSync(stdout))
  const bash = (command: string) =>
    execa('bash', ['-c', `set -euo pipefail\n${oneByHand}\n${command}`], {
      cwd: folder,
      env,
      reject: false,
    })

  const loaded = await bash('one frag frag_restored')
  expect(loaded.exitCode, loaded.stderr).toBe(0)
  const rows = 'select string_agg(value, $$; $$ order by value) from t'
  expect(await server.sql('frag_restored', rows)).toBe(await server.sql('frag', rows))
  expect(await server.sql('frag_restored', 'show statement_timeout')).toBe('7min')
  expect(
    await server.sql(
      'postgres',
      `select string_agg(datname, ',' order by datname) from pg_database where datname like 'frag%' or datname = 'other'`,
    ),
  ).toBe('frag,frag 2,frag_restored,other')
  expect((await bash('one "frag 2" again')).exitCode).toBe(0)
  expect(await server.sql('again', rows)).toBe('frag 2')
  const missing = await bash('one nothing nowhere')
  expect(missing.exitCode).not.toBe(0)
  expect(missing.stderr).toContain('the copy has no database nothing')
})
