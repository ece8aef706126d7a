import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { folder, runAgent } from '../../support/agent.ts'
import { majors, programsOf, startServer } from '../../support/postgres.ts'

/** Dumps the database `frag` of a server of a major, with the programs of some majors, and reads dump and receipt. */
async function dumped(major: number, programs: readonly number[] = majors) {
  const server = await startServer({ major })
  await server.sql('postgres', 'create database frag')
  await server.sql('frag', `create table t as select g as value from generate_series(1, 1000) g`)
  const BACKUP_VOLUME = await folder()
  const run = await runAgent({
    ...server.env,
    BACKUP_VOLUME,
    BACKUP_SYSTEM: 's',
    DATABASE: 'frag',
    BACKUP_POSTGRES_PROGRAMS: await programsOf(...programs),
  })
  expect(run.code, run.log).toBe(0)
  const [name = ''] = (await readdir(join(BACKUP_VOLUME, 'hourly'))).filter(file => file.startsWith('backup-'))
  const receipt = JSON.parse(await readFile(join(BACKUP_VOLUME, '.receipts/s/hourly', `${name}.json`), 'utf8'))
  const sql = gunzipSync(await readFile(join(BACKUP_VOLUME, 'hourly', name))).toString()
  return { server, BACKUP_VOLUME, sql, log: run.log, versions: receipt.versions as Record<string, string> }
}

test.each(majors.map(major => [major]))('a server of %i is dumped by its own client', async major => {
  const { log, versions, sql } = await dumped(major)
  expect(versions.pg_dump?.split('.')[0]).toBe(String(major))
  expect(versions.server?.split('.')[0]).toBe(String(major))
  expect(log).not.toContain('warning:')
  // An option that a server since November 2026 keeps for itself on every column, and its own client never dumps.
  expect(sql).not.toContain('pg_attver')
})

test('without its own client a server is dumped by a newer one, which log and receipt say, and restored', async () => {
  const newest = majors.at(-1) ?? 0
  const major = majors.at(-2) ?? 0
  const { server, BACKUP_VOLUME, log, versions } = await dumped(major, [newest])
  expect(versions.pg_dump?.split('.')[0]).toBe(String(newest))
  expect(log).toContain(
    `warning: there is no PostgreSQL client of ${major}: that of ${versions.pg_dump} dumps the server's ${versions.server}`,
  )
  for (const target of [server, await startServer({ major: newest })]) {
    const env = { ...target.env, BACKUP_VOLUME, BACKUP_SYSTEM: 's', DATABASE: 'frag', RESTORE_INTO: 'back' }
    const work = { FROM_BACKUP: 'LATEST', RESTORE_FROM: 'volume', RESTORE_WORK: await folder() }
    const restored = await runAgent({ ...env, ...work }, ['restore'])
    expect(restored.code, restored.log).toBe(0)
    expect(await target.sql('back', 'select sum(value) from t')).toBe('500500')
  }
})
