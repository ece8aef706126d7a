import { log, sized } from '../run/log.ts'
import { Failure, type Result } from '../run/outcome.ts'
import { type DatabaseFacts, type DumpFacts, readable } from './dump-facts.ts'
import type { DumpCopy } from './dump-file.ts'
import { leftovers, newNames, type OwnDatabases, present } from './own-databases.ts'
import type { Server } from './postgres.ts'
import { inDatabase, type Session, sqlState } from './session.ts'
import type { DatabaseRestoreSettings } from './settings.ts'

// Prefix of replaced databases. Names have at most 63 bytes.
const BEFORE = 'before_'
const NAME_BYTES = 63

/** One database that a restore brings back. */
export interface Target {
  /** What the dump holds of it. */
  dumped: DatabaseFacts
  /** Its final name. */
  name: string
  /** Its name until it has been verified. */
  beside: string
  /** The new name of the database that now has `name`. */
  before: string
  /** A database of this name exists. */
  exists: boolean
  /** Of the existing database: its tables, and every other object that users created in it. */
  tables: number
  objects: number
  sessions: number
}

/** Everything the restore will do, decided before it changes anything. */
export interface Plan {
  copy: DumpCopy
  facts: DumpFacts
  server: Server
  version: string
  targets: Target[]
  /** What killed restores left. */
  leftovers: OwnDatabases[]
  own: OwnDatabases
  roles: { existing: Set<string>; make: string[]; change: string[] }
  /** Tablespaces of the dump: those on the server, those to create, and those without a directory. */
  tablespaces: { existing: Set<string>; make: string[]; missing: Set<string> }
  /** What a dry run found that the restore itself is refused for until somebody allows it. */
  asks: string[]
  /** Owner of a new database if the dump does not name one. */
  owner: string
}

/**
 * Compare a copy with the server and plan its restore.
 *
 * @param began when the restore began, in milliseconds since 1970
 * @throws Failure restore with the first reason why it cannot or may not be restored
 */
export async function makePlan(
  settings: DatabaseRestoreSettings,
  copy: DumpCopy,
  facts: DumpFacts,
  server: Server,
  session: Session,
  began: number,
): Promise<Plan> {
  const refuse = (why: string): Failure => new Failure('restore', `${why}. Nothing was changed`)
  if (facts.major > session.version.major) {
    throw refuse(
      `the copy is of PostgreSQL ${facts.versions.server}, the server ${settings.host} is ${session.version.text}: restore into a server of version ${facts.major} or later`,
    )
  }
  if (settings.expectedDatabases !== undefined && facts.of === 'server') {
    // Counted as the old recovery image does: every database except the server's own.
    const found = facts.databases.filter(({ name }) => !['template1', 'postgres'].includes(name)).length
    if (found < settings.expectedDatabases) {
      throw refuse(`the copy has ${found} databases, DATABASE_EXPECTED_COUNT says ${settings.expectedDatabases}`)
    }
  }
  const wanted = databasesOf(settings, facts, refuse)
  const { home, beside } = newNames(wanted.length)
  const targets = await targetsOf(wanted, beside, server, session, began, refuse)
  // A dry run is not refused for what its reader has yet to allow.
  const asks: string[] = []
  const ask = (why: string) => {
    if (!settings.dryRun) throw refuse(why)
    asks.push(why)
  }
  const full = targets.filter(target => target.objects > 0)
  if (full.length > 0 && !settings.replace) {
    const what = full.map(({ name, tables, objects }) => `${name} (${contentOf(tables, objects)})`).join(', ')
    ask(
      `${settings.host} has ${what} already. RESTORE_REPLACE=yes puts the copy in its place and keeps what is there under another name; ${targets.length === 1 ? 'RESTORE_INTO=<name>' : 'DATABASE=<one of them> with RESTORE_INTO=<name>'} restores beside it`,
    )
  }
  const used = targets.filter(target => target.sessions > 0)
  if (used.length > 0 && !settings.endConnections) {
    const what = used.map(({ name, sessions }) => `${name} (${sessions})`).join(', ')
    ask(`other sessions are connected to ${what}: scale their applications down, or set RESTORE_END_CONNECTIONS=yes`)
  }
  const prepared = await session.column(
    'select distinct database::text from pg_prepared_xacts where database = any($1)',
    [targets.filter(({ exists }) => exists).map(({ name }) => name)],
  )
  if (prepared.length > 0) {
    throw refuse(
      `prepared transactions are open in ${prepared.join(', ')}, which prevent it from being renamed: COMMIT PREPARED or ROLLBACK PREPARED them (pg_prepared_xacts lists them)`,
    )
  }
  const extensions = new Set(targets.flatMap(({ dumped }) => [...dumped.extensions]))
  const available = new Set(await session.column('select name::text from pg_available_extensions'))
  const missing = [...extensions].map(readable).filter(name => !available.has(name))
  if (missing.length > 0) {
    throw refuse(
      `the server ${settings.host} lacks the extensions ${missing.join(', ')}, which the copy needs: install them there`,
    )
  }
  const existing = new Set(await session.column("select rolname::text from pg_roles where rolname not like 'pg\\_%'"))
  const needed = [...facts.needed.keys()].map(readable).filter(name => !name.startsWith('pg_'))
  const made = facts.of === 'server' ? [...facts.roles].map(readable) : needed
  // The owner of most of its objects; an older dump of one database does not name the owner of the database itself.
  const [owner] = [...facts.needed].sort((a, b) => b[1] - a[1])[0] ?? []
  const removed = targets.filter(target => target.exists && !isKept(target, settings)).map(({ before }) => before)
  return {
    copy,
    facts,
    server,
    version: session.version.text,
    targets,
    leftovers: await leftovers(session),
    own: { home, listed: [...targets.map(({ beside }) => beside), ...removed] },
    roles: {
      existing,
      make: made.filter(name => !existing.has(name)),
      // One database of a server's dump comes without the server's roles: those that exist stay as they are.
      change: facts.of === 'server' && settings.database === '' ? made.filter(name => existing.has(name)) : [],
    },
    tablespaces: await tablespacesOf(facts, session),
    asks,
    owner: owner === undefined ? settings.user : readable(owner),
  }
}

async function targetsOf(
  wanted: readonly { dumped: DatabaseFacts; name: string }[],
  beside: readonly string[],
  server: Server,
  session: Session,
  began: number,
  refuse: (why: string) => Failure,
): Promise<Target[]> {
  const stamp = new Date(began)
    .toISOString()
    .replaceAll(/[-:]|\..*/g, '')
    .toLowerCase()
  const targets: Target[] = []
  for (const [index, { dumped, name }] of wanted.entries()) {
    if (name.includes('\uFFFD')) {
      throw refuse(`the name of the database ${name} is not UTF-8: restore it by hand, as the runbook says`)
    }
    const [there] = await session.rows<{ sessions: string }>(
      `select (select count(*) from pg_stat_activity a
         where a.datid = d.oid and backend_type = 'client backend' and pid <> pg_backend_pid()) as sessions
       from pg_database d where datname = $1`,
      [name],
    )
    targets.push({
      dumped,
      name,
      beside: beside[index] ?? '',
      before: beforeName(stamp, name, index),
      exists: there !== undefined,
      ...(there === undefined ? { tables: 0, objects: 0 } : await contents(server, name, refuse)),
      sessions: Number(there?.sessions ?? 0),
    })
  }
  return targets
}

function databasesOf(
  { database, into }: DatabaseRestoreSettings,
  facts: DumpFacts,
  refuse: (why: string) => Failure,
): { dumped: DatabaseFacts; name: string }[] {
  if (facts.of === 'database') {
    if (!database && !into) {
      throw new Failure('environment', 'the copy is of one database and does not say which: set DATABASE')
    }
    return facts.databases.map(dumped => ({ dumped, name: into || database }))
  }
  const held = facts.databases.filter(({ created, statements }) => created || statements > 0)
  if (!database) {
    if (into)
      throw new Failure(
        'environment',
        'RESTORE_INTO is set for a copy of a whole server: name one of its databases in DATABASE',
      )
    return held.map(dumped => ({ dumped, name: readable(dumped.name) }))
  }
  const one = held.filter(({ name }) => readable(name) === database)
  if (one.length === 0) {
    throw refuse(`the copy has no database ${database}, only ${held.map(({ name }) => readable(name)).join(', ')}`)
  }
  return one.map(dumped => ({ dumped, name: into || database }))
}

/** The new name of a replaced database: the time, and as much of the old name as fits. */
function beforeName(stamp: string, name: string, index: number): string {
  const whole = `${BEFORE}${stamp}_${name}`
  if (Buffer.byteLength(whole) <= NAME_BYTES) return whole
  // Numbered, since two long names may have the same prefix.
  let short = `${BEFORE}${stamp}_${index}_${name}`
  while (Buffer.byteLength(short) > NAME_BYTES) short = [...short].slice(0, -1).join('')
  return short
}

/** The objects that users created in a database: everything that a new one does not have. */
async function contents(
  server: Server,
  database: string,
  refuse: (why: string) => Failure,
): Promise<{ tables: number; objects: number }> {
  // The first OID that is not reserved for the server.
  const since = 'where oid >= 16384'
  const catalogs = [
    'pg_proc',
    'pg_namespace',
    'pg_extension',
    'pg_largeobject_metadata',
    'pg_operator',
    'pg_collation',
    'pg_conversion',
    'pg_cast',
    'pg_event_trigger',
    'pg_foreign_server',
    'pg_publication',
    'pg_ts_config',
    'pg_ts_dict',
    'pg_default_acl',
  ]
  try {
    return await inDatabase(server, database, async session => {
      const [row] = await session.rows<{ tables: string; objects: string }>(
        `select (select count(*) from pg_class ${since} and relkind in ('r', 'p', 'm', 'f')
             and relnamespace not in (select oid from pg_namespace where nspname ~ '^pg_(toast|temp_|toast_temp_)')) as tables,
           (select count(*) from pg_class ${since}) + (select count(*) from pg_type ${since})
             + (select count(*) from pg_subscription s join pg_database d on d.oid = subdbid where datname = current_database())
             + ${catalogs.map(name => `(select count(*) from ${name} ${since})`).join(' + ')} as objects`,
      )
      return { tables: Number(row?.tables), objects: Number(row?.objects) }
    })
  } catch (error) {
    if (sqlState(error) !== '55000') throw error
    throw refuse(
      `the database ${database} takes no connections, so what it holds is unknown: ALTER DATABASE … ALLOW_CONNECTIONS true, or drop or rename it`,
    )
  }
}

async function tablespacesOf(facts: DumpFacts, session: Session): Promise<Plan['tablespaces']> {
  const existing = new Set(await session.column('select spcname::text from pg_tablespace'))
  const make: string[] = []
  const missing = new Set<string>()
  for (const [bytes, location] of facts.tablespaces) {
    const name = readable(bytes)
    if (existing.has(name)) continue
    if (await isEmptyFolder(session, readable(location))) make.push(name)
    else missing.add(name)
  }
  return { existing, make, missing }
}

async function isEmptyFolder(session: Session, path: string): Promise<boolean> {
  try {
    return (await session.one('select count(*) from pg_ls_dir($1, false, false)', [path])) === '0'
  } catch (error) {
    // Missing, or not readable for us.
    if (sqlState(error) === undefined) throw error
    return false
  }
}

/** Whether replaced databases are kept under their new names. */
export function isKept({ objects }: Target, { keepBefore }: DatabaseRestoreSettings): boolean {
  return keepBefore && objects > 0
}

function contentOf(tables: number, objects: number): string {
  return tables > 0 ? `${tables} tables` : `no tables, ${objects} other objects`
}

/** Log the plan. */
export async function describe(plan: Plan, settings: DatabaseRestoreSettings, session: Session): Promise<Result> {
  const { facts, targets, roles, tablespaces } = plan
  log(`PostgreSQL ${facts.versions.server} → ${plan.version} on ${settings.host}; ${sized(facts.bytes)} of SQL`)
  for (const what of facts.notHeld) log(`  not in the copy: ${what}`)
  const removed: string[] = []
  for (const own of plan.leftovers) removed.push(...(await present(session, own)))
  if (removed.length > 0) log(`  removed: ${removed.join(', ')}, left by a restore that was killed`)
  for (const target of targets) {
    const { name, exists, tables, objects, sessions, before, dumped } = target
    const rows = [...dumped.rows.values()].reduce((sum, count) => sum + count, 0)
    const content = contentOf(tables, objects)
    const there = !exists
      ? ''
      : isKept(target, settings)
        ? `; what is there now (${content}) is kept as ${before}`
        : `; what is there now (${objects > 0 ? content : 'empty'}) is removed`
    if (exists && !isKept(target, settings)) removed.push(name)
    const ended = sessions > 0 ? `; ${sessions} sessions are ended` : ''
    log(`  database ${name}: ${dumped.rows.size} tables, ${rows} rows${there}${ended}`)
  }
  if (roles.make.length > 0) log(`  roles created: ${roles.make.join(', ')}`)
  if (roles.change.length > 0) log(`  roles set as in the copy: ${roles.change.join(', ')}`)
  if (tablespaces.make.length > 0) log(`  tablespaces created: ${tablespaces.make.join(', ')}`)
  if (tablespaces.missing.size > 0) {
    const what = [...facts.tablespaces].filter(([name]) => tablespaces.missing.has(readable(name)))
    log(
      `  tablespaces left out, because the server has no empty directory for them: ${what.map(([name, at]) => `${readable(name)} (${readable(at)})`).join(', ')}; what is in them goes to the default tablespace`,
    )
  }
  for (const why of plan.asks) log(`  the restore will be refused: ${why}`)
  return {
    system: settings.system,
    copy: plan.copy.name,
    taken: plan.copy.taken.toISOString(),
    databases: targets.map(target => target.name),
    replaced: targets.filter(target => target.exists).map(target => target.name),
    removed,
    notHeld: facts.notHeld,
    ...(plan.asks.length > 0 && { asks: plan.asks }),
    rolesMade: roles.make.length,
    rolesChanged: roles.change.length,
    from: facts.versions.server,
    to: plan.version,
  }
}
