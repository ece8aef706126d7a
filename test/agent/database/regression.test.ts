import { mkdtemp, rm } from 'node:fs/promises'
import { execa } from 'execa'
import { expect, onTestFinished, test } from 'vitest'
import { dump } from '../../../src/agent/database/backup.ts'
import { programPath } from '../../../src/agent/database/programs.ts'
import { restore } from '../../../src/agent/restore.ts'
import { asText, firstDifference, majors, newestPsql, startServer, type TestServer } from '../../support/postgres.ts'
import { makeRegressionDatabase } from '../../support/regression-database.ts'

const never = new AbortController().signal

async function dumpOf(server: TestServer, variables: Record<string, string>): Promise<string> {
  const volume = await mkdtemp('/tmp/recovery-regression-')
  onTestFinished(() => rm(volume, { recursive: true, force: true }))
  await dump({ ...server.env, BACKUP_VOLUME: volume, BACKUP_SYSTEM: 'regression', ...variables }, never)
  return volume
}

/**
 * The database as pg_dump and psql alone bring it to another server. Not even they bring back the order of the columns
 * of tables whose parents were changed later.
 */
async function byTheToolsAlone(from: TestServer, to: TestServer): Promise<string> {
  const at = ({ env: { PGADMINPASS: PGPASSWORD = '', ...env } }: TestServer) => ({ ...env, PGPASSWORD })
  const roles = await from.sql(
    'postgres',
    `select string_agg(format('create role %I', rolname), '; ') from pg_roles where oid >= 16384`,
  )
  await to.sql('postgres', roles)
  await execa(programPath(from.major, 'pg_dump'), ['--create', 'regression'], {
    env: at(from),
    buffer: { stdout: false, stderr: true },
  }).pipe(newestPsql, ['-Xq', '--dbname=postgres', '--output=/dev/null'], {
    env: at(to),
    buffer: false,
    stderr: 'ignore',
  })
  return await asText(to, 'regression')
}

const [older = 0, newest = 0] = majors.slice(-2)

test.each([
  { from: newest, to: newest, without: [] },
  // What this one leaves on an older server crashes every pg_dump.
  { from: older, to: newest, without: ['domain'] },
])(
  "the database of PostgreSQL's own regression tests comes back from $from in $to as pg_dump sees it: with its server, and by itself",
  async ({ from, to, without }) => {
    const [server, copy, tools] = await Promise.all([from, to, to].map(major => startServer({ major })))
    if (!server || !copy || !tools) return
    await makeRegressionDatabase(server, without)
    expect(Number(await server.sql('regression', 'select count(*) from pg_class where oid >= 16384'))).toBeGreaterThan(
      1500,
    )
    const expected = await byTheToolsAlone(server, tools)
    const compare = async (): Promise<void> => {
      const text = await asText(copy, 'regression')
      if (text !== expected) expect.fail(firstDifference(expected, text))
    }
    await restore({ ...copy.env, BACKUP_VOLUME: await dumpOf(server, {}), BACKUP_SYSTEM: 'regression' }, never)
    await compare()
    const one = { BACKUP_VOLUME: await dumpOf(server, { DATABASE: 'regression' }), DATABASE: 'regression' }
    const replaced = { RESTORE_REPLACE: 'yes', RESTORE_KEEP_BEFORE: 'no' }
    await restore({ ...copy.env, ...one, ...replaced, BACKUP_SYSTEM: 'regression' }, never)
    await compare()
  },
  900_000,
)
