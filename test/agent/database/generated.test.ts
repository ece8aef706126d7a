import { mkdtemp, rm } from 'node:fs/promises'
import { expect, onTestFinished, test } from 'vitest'
import { dump } from '../../../src/agent/database/backup.ts'
import { restore } from '../../../src/agent/restore.ts'
import { hostileDatabase, hostileRolesOf } from '../../support/hostile-databases.ts'
import { asText, firstDifference, majors, startServer } from '../../support/postgres.ts'

// BACKUPS_TEST_SEEDS=<first>-<last> runs others than these, and as many as one likes.
const [first = 1, last = 200] = (process.env.BACKUPS_TEST_SEEDS ?? '1-200').split('-').map(Number)
const SEEDS_OF_A_SERVER = 25

const never = new AbortController().signal

// Each batch goes from one major to the same or to a later one. Servers write views and memberships in other words since
// 16, so that what comes from before can be compared only there.
const pairs = majors
  .flatMap(from => majors.filter(to => to >= from).map(to => [from, from < 16 && to >= 16 ? from : to] as const))
  .reverse()

const batches = Array.from({ length: Math.ceil((last - first + 1) / SEEDS_OF_A_SERVER) }, (_, index) => {
  const from = first + index * SEEDS_OF_A_SERVER
  const [older, newer] = pairs[index % pairs.length] ?? [0, 0]
  return { from, to: Math.min(last, from + SEEDS_OF_A_SERVER - 1), older, newer }
})

test.each(batches)(
  'hostile databases of the seeds $from to $to come back from $older in $newer as pg_dump sees them: a server, and one by itself',
  async ({ from, to, older, newer }) => {
    const [server, copy] = await Promise.all([startServer({ major: older }), startServer({ major: newer })])
    await server.sql('postgres', hostileRolesOf(from, older))
    const made = Array.from({ length: to - from + 1 }, (_, index) => hostileDatabase(from + index, older))
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
    const [roles, rolesAfter] = await Promise.all([asText(server), asText(copy)])
    if (rolesAfter !== roles) different.push(`roles: ${firstDifference(roles, rolesAfter)}`)
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
