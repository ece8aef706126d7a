import { createHash, randomBytes } from 'node:crypto'
import { log } from '../run/log.ts'
import { Failure } from '../run/outcome.ts'
import { quoted } from './dump-facts.ts'
import type { Server } from './postgres.ts'
import { inDatabase, type Session } from './session.ts'

const RESTORING = 'restoring_'

/** The databases that one restore creates and removes. */
export interface OwnDatabases {
  /** The home: the restore's own database, in which it keeps a session and from which it renames the others. */
  home: string
  /** The comment on the home lists the loaded databases, and those to remove once these have replaced them. */
  listed: string[]
}

/** Names for a restore's databases that cannot collide by chance. */
export function newNames(count: number): { home: string; beside: string[] } {
  const home = RESTORING + randomBytes(8).toString('hex')
  return { home, beside: Array.from({ length: count }, (_, index) => `${home}_${index}`) }
}

/**
 * The mark of a home: its connection limit, which CREATE DATABASE sets atomically with the name. A database is never
 * considered ours because of its name alone.
 */
function markOf(home: string): number {
  const hash = createHash('sha256').update(`a restore by fragalysis-backups works from ${home}`).digest()
  return 1000 + (hash.readUInt32BE() >>> 4)
}

/** Create the home of a restore. It lists what the restore is about to create before any of it is created. */
export async function makeHome(session: Session, { home, listed }: OwnDatabases): Promise<void> {
  await session.run(`create database ${quoted(home)} template template0 connection limit ${markOf(home)}`)
  const record = JSON.stringify({ restore: home, databases: listed })
  await session.run(`comment on database ${quoted(home)} is '${record.replaceAll("'", "''")}'`)
}

/**
 * What killed restores left on a server.
 *
 * @throws Failure busy while another restore is running
 */
export async function leftovers(session: Session): Promise<OwnDatabases[]> {
  const found = await session.rows<{ name: string; limit: number; comment: string | null; sessions: string }>(
    `select datname as name, datconnlimit as limit, shobj_description(oid, 'pg_database') as comment,
       (select count(*) from pg_stat_activity where datid = d.oid and backend_type = 'client backend') as sessions
     from pg_database d where starts_with(datname::text, $1) order by datname`,
    [RESTORING],
  )
  const homes: OwnDatabases[] = []
  for (const { name, limit, comment, sessions } of found) {
    const listed = recordOf(name, comment)
    // An interrupted DROP DATABASE leaves -2.
    if (limit !== markOf(name) && !(limit === -2 && listed)) continue
    if (sessions !== '0') {
      throw new Failure(
        'busy',
        `another restore is running on this server (from the database ${name}): its databases were not touched`,
      )
    }
    homes.push({ home: name, listed: listed ?? [] })
  }
  return homes
}

function recordOf(home: string, comment: string | null): string[] | undefined {
  try {
    const record = JSON.parse(comment ?? '') as { restore?: unknown; databases?: unknown }
    return record.restore === home && Array.isArray(record.databases) ? record.databases.map(String) : undefined
  } catch {
    // Killed before the comment was written: nothing else had been created yet.
    return undefined
  }
}

/** Those of the listed databases that exist. */
export async function present(session: Session, { home, listed }: OwnDatabases): Promise<string[]> {
  return await session.column('select datname::text from pg_database where datname = any($1) order by 1', [
    [...listed, home],
  ])
}

/** Remove all databases of a restore, the home last. `session` must not be in any of them. */
export async function removeOwn(server: Server, session: Session, own: OwnDatabases): Promise<void> {
  const there = await present(session, own)
  for (const name of there) if (name !== own.home) await dropDatabase(server, session, name)
  if (there.includes(own.home)) await dropDatabase(server, session, own.home)
}

/** Drop a database with its content, and end all sessions in it. */
export async function dropDatabase(server: Server, session: Session, name: string): Promise<void> {
  const subscriptions = await session.one(
    `select count(*) from pg_subscription where subdbid = (select oid from pg_database where datname = $1)`,
    [name],
  )
  if (subscriptions !== '0') await dropSubscriptions(server, name)
  const template = await session.one('select datistemplate from pg_database where datname = $1', [name])
  if (template) await session.run(`alter database ${quoted(name)} is_template false`)
  await session.run(`drop database ${quoted(name)} with (force)`)
}

/** A subscription prevents its database from being dropped. The publisher's slot is not ours to remove. */
async function dropSubscriptions(server: Server, database: string): Promise<void> {
  await inDatabase(server, database, async inside => {
    const names = await inside.column(
      'select subname::text from pg_subscription where subdbid = (select oid from pg_database where datname = current_database())',
    )
    for (const name of names) {
      await inside.run(`alter subscription ${quoted(name)} disable`)
      await inside.run(`alter subscription ${quoted(name)} set (slot_name = none)`)
      await inside.run(`drop subscription ${quoted(name)}`)
      log(`removed the subscription ${name} with ${database}; its replication slot on the publisher, if any, stays`)
    }
  })
}
