import { mkdtemp, rm } from 'node:fs/promises'
import { execa } from 'execa'
import { expect, onTestFinished, test } from 'vitest'
import { dump } from '../../../src/agent/database/backup.ts'
import { sessionOptions } from '../../../src/agent/database/session.ts'
import { restore } from '../../../src/agent/restore.ts'
import { hostileDatabase, hostileRoles } from '../../support/hostile-databases.ts'
import { startServer, type TestServer } from '../../support/postgres.ts'

// BACKUPS_TEST_SEEDS=<first>-<last> runs others than these, and as many as one likes.
const [first = 1, last = 200] = (process.env.BACKUPS_TEST_SEEDS ?? '1-200').split('-').map(Number)
const SEEDS_OF_A_SERVER = 25

const never = new AbortController().signal

function connection(name: string): string {
  return `dbname='${name.replaceAll(/['\\]/g, '\\$&')}'`
}

/** A database as pg_dump writes it, without what it draws anew each time. */
async function asText(server: TestServer, name: string): Promise<string> {
  const { PGADMINPASS: PGPASSWORD = '', ...env } = server.env
  const { stdout } = await execa('pg_dump', ['--create', connection(name)], {
    env: { ...env, PGPASSWORD, PGOPTIONS: sessionOptions(15) },
    encoding: 'buffer',
    maxBuffer: 1024 ** 3,
  })
  return Buffer.from(stdout)
    .toString('latin1')
    .replaceAll(/^\\(?:un)?restrict .*$/gm, '')
}

function firstDifference(before: string, after: string): string {
  const [left, right] = [before.split('\n'), after.split('\n')]
  const at = left.findIndex((line, index) => line !== right[index])
  const around = (lines: string[]) => lines.slice(Math.max(0, at - 3), at + 4).join('\n')
  return `${around(left)}\n--- came back as ---\n${around(right)}`
}

const batches = Array.from({ length: Math.ceil((last - first + 1) / SEEDS_OF_A_SERVER) }, (_, index) => {
  const from = first + index * SEEDS_OF_A_SERVER
  return [from, Math.min(last, from + SEEDS_OF_A_SERVER - 1)] as const
})

test.each(batches)(
  'hostile databases of the seeds %d to %d come back as pg_dump sees them: a server, and one by itself',
  async (from, to) => {
    const [server, copy] = await Promise.all([startServer(), startServer()])
    const roles = hostileRoles.map(role => `create role "${role.replaceAll('"', '""')}"`).join('; ')
    await server.sql('postgres', roles)
    const made = Array.from({ length: to - from + 1 }, (_, index) => hostileDatabase(from + index))
    for (const { name, create, fill } of made) {
      await server.sql('postgres', create.join(';\n'))
      await server.sql(name, fill).catch(error => {
        throw new Error(`the database of the seed ${name} cannot be made: ${error.stderr}\n${fill}`)
      })
    }
    const volume = await mkdtemp('/tmp/recovery-generated-')
    onTestFinished(() => rm(volume, { recursive: true, force: true }))
    await dump({ ...server.env, BACKUP_VOLUME: volume, BACKUP_SYSTEM: 'generated' }, never)
    await restore({ ...copy.env, BACKUP_VOLUME: volume, BACKUP_SYSTEM: 'generated' }, never)
    const different: string[] = []
    for (const { name } of made) {
      const [before, after] = await Promise.all([asText(server, name), asText(copy, name)])
      if (before !== after) different.push(`${name}: ${firstDifference(before, after)}`)
    }
    const [one] = made
    expect(different, `differ, of ${made.length}`).toEqual([])
    if (!one) return
    const single = await mkdtemp('/tmp/recovery-generated-')
    onTestFinished(() => rm(single, { recursive: true, force: true }))
    await dump({ ...server.env, BACKUP_VOLUME: single, BACKUP_SYSTEM: 'one', DATABASE: one.name }, never)
    const bare = { ...copy.env, BACKUP_VOLUME: single, BACKUP_SYSTEM: 'one', DATABASE: one.name }
    await restore({ ...bare, RESTORE_REPLACE: 'yes', RESTORE_KEEP_BEFORE: 'no' }, never)
    expect(await asText(copy, one.name)).toBe(await asText(server, one.name))
  },
  300_000,
)
