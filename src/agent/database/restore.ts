import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Environment } from '../../store/client.ts'
import { choose, list } from '../run/copies.ts'
import { duration, log, progress, sized } from '../run/log.ts'
import { Failure, type Result } from '../run/outcome.ts'
import { type DumpFacts, literal, quoted } from './dump-facts.ts'
import { checkDump, copiesOf, type DumpCopy, sqlOf } from './dump-file.ts'
import { DumpFilter } from './dump-filter.ts'
import { type Server, Session, serverOf } from './postgres.ts'
import { psql as psqlPath, type Version, versionOf } from './programs.ts'
import { verifies } from './scram.ts'
import type { DatabaseRestoreSettings } from './settings.ts'

// Databases that are being loaded, and those that were replaced, begin so. Names have 63 bytes at most.
const RESTORING = 'restoring_'
const BEFORE = 'before_'
const NAME_BYTES = 63

/** One database that a restore brings back. Names are text; see `raw`. */
interface Target {
  /** In the dump; empty for a dump of one database. */
  of: string
  /** That it bears in the end. */
  name: string
  /** That it bears until it is proven. */
  beside: string
  /** That what bears its name now bears after. */
  before: string
  /** There is one of its name. */
  exists: boolean
  /** Tables of the one that is there. */
  tables: number
  sessions: number
  bytes: number
}

/** All that will be done, known before anything is. */
interface Plan {
  copy: DumpCopy
  facts: DumpFacts
  server: Server
  version: Version
  targets: Target[]
  /** Databases every server has, which the dump loads into as they are. */
  inPlace: string[]
  roles: { existing: Set<string>; make: string[]; change: string[] }
  owner: string
}

/**
 * Bring databases back from a dump. The copy is read whole before the server is touched; it is loaded beside what is
 * there, under other names, and compared with what the dump says it holds; only then, in one transaction, do the new
 * databases and the old ones change names. Until that moment the old ones are as they were.
 */
export async function restoreDatabase(
  settings: DatabaseRestoreSettings,
  env: Environment,
  stop: AbortSignal,
): Promise<Result> {
  const began = Date.now()
  const { copies, place } = await copiesOf(settings, env)
  if (settings.wanted.which === 'list') return list(copies, place)
  const copy = choose(copies, settings.wanted, place)
  checkAge(copy, settings)
  log(
    `copy ${copy.name} of ${place}, taken ${copy.taken.toISOString()}, ${sized(copy.bytes)}${copy.verified ? '' : ', without a receipt'}`,
  )
  const { path, remove } = await copy.fetch()
  try {
    const facts = await checkDump(path, copy)
    const server = serverOf(settings, env)
    const home = new Session(server, 'template1')
    let plan: Plan
    try {
      plan = await makePlan(settings, copy, facts, server, home, began)
    } finally {
      await home.close()
    }
    const said = describe(plan, settings)
    if (settings.dryRun) return { ...said, dryRun: true }
    const done = await carryOut(plan, path, settings, env, stop, began)
    const seconds = (Date.now() - began) / 1000
    log(`restored in ${duration(seconds)}`)
    return { ...said, ...done, seconds }
  } finally {
    await remove()
  }
}

function checkAge(copy: DumpCopy, { wanted, maximumAge }: DatabaseRestoreSettings): void {
  if (wanted.which !== 'latest' || maximumAge === undefined) return
  const hours = (Date.now() - copy.taken.getTime()) / 3_600_000
  if (hours > maximumAge) {
    throw new Failure(
      'restore',
      `the latest copy is ${Math.floor(hours)} h old, LATEST_BACKUP_MAXIMUM_AGE_H allows ${maximumAge}: nothing was changed. Name the copy by its time in FROM_BACKUP if it is the right one`,
    )
  }
}

/** Hold the copy against the server. @throws Failure restore with the first reason why it cannot or may not be restored */
async function makePlan(
  settings: DatabaseRestoreSettings,
  copy: DumpCopy,
  facts: DumpFacts,
  server: Server,
  home: Session,
  began: number,
): Promise<Plan> {
  const refuse = (why: string): Failure => new Failure('restore', `${why}. Nothing was changed`)
  const version = await home.serverVersion()
  if (facts.major > version.major) {
    throw refuse(
      `the copy is of PostgreSQL ${facts.versions.server}, the server ${settings.host} is ${version.text}: restore into a server of version ${facts.major} or later`,
    )
  }
  if (settings.expectedDatabases !== undefined && facts.of === 'server') {
    // As the recovery image counts: every database but those of the server itself.
    const found = facts.databases.filter(({ name }) => !['template1', 'postgres'].includes(name)).length
    if (found < settings.expectedDatabases) {
      throw refuse(`the copy has ${found} databases, DATABASE_EXPECTED_COUNT says ${settings.expectedDatabases}`)
    }
  }
  const wanted = await targetsOf(settings, facts, refuse)
  const stamp = new Date(began)
    .toISOString()
    .replaceAll(/[-:]|\..*/g, '')
    .toLowerCase()
  const targets: Target[] = []
  for (const [index, { of, name }] of wanted.entries()) {
    const [row] = await home.query(
      `select pg_database_size(oid), (select count(*) from pg_stat_activity a where a.datid = d.oid and backend_type = 'client backend' and pid <> pg_backend_pid())
       from pg_database d where datname = ${literal(name)}`,
    )
    const [bytes = '0', sessions = '0'] = row?.split('|') ?? []
    targets.push({
      of,
      name,
      beside: `${RESTORING}${stamp}_${index}`,
      before: shortened(`${BEFORE}${stamp}_${name}`),
      exists: row !== undefined,
      tables: row === undefined ? 0 : await tablesIn(server, name),
      sessions: Number(sessions),
      bytes: Number(bytes),
    })
  }
  const full = targets.filter(target => target.tables > 0)
  if (full.length > 0 && !settings.replace) {
    const what = full.map(({ name, tables }) => `${name} (${tables} tables)`).join(', ')
    throw refuse(
      `${settings.host} has ${what} already. RESTORE_REPLACE=yes puts the copy in its place and keeps what is there under another name; ${targets.length === 1 ? 'RESTORE_INTO=<name>' : 'DATABASE=<one of them> with RESTORE_INTO=<name>'} restores beside it`,
    )
  }
  const used = targets.filter(target => target.sessions > 0)
  if (used.length > 0 && !settings.endConnections) {
    const what = used.map(({ name, sessions }) => `${name} (${sessions})`).join(', ')
    throw refuse(`others are connected to ${what}: scale their applications down, or set RESTORE_END_CONNECTIONS=yes`)
  }
  const dumped = facts.databases.filter(
    ({ name }) => settings.database === '' || name === '' || text(name) === settings.database,
  )
  const extensions = new Set(dumped.flatMap(database => [...database.extensions]))
  const available = new Set(await home.query('select name from pg_available_extensions'))
  const missing = [...extensions].map(text).filter(name => !available.has(name))
  if (missing.length > 0) {
    throw refuse(
      `the server ${settings.host} lacks the extensions ${missing.join(', ')}, which the copy needs: install them there`,
    )
  }
  const existing = new Set(await home.query("select rolname from pg_roles where rolname not like 'pg\\_%'"))
  const needed = [...facts.needed.keys()].map(text).filter(name => !name.startsWith('pg_'))
  const made = facts.of === 'server' ? [...facts.roles].map(text) : needed
  // Who owns most of what is in it; the dump of one database does not say who owns the database itself.
  const [owner] = [...facts.needed].sort((a, b) => b[1] - a[1])[0] ?? []
  return {
    copy,
    facts,
    server,
    version,
    targets,
    inPlace: facts.databases
      .filter(({ name, created }) => name !== '' && !created)
      .map(({ name }) => text(name))
      .filter(name => settings.database === '' || name === settings.database),
    roles: {
      existing,
      make: made.filter(name => !existing.has(name)),
      change: facts.of === 'server' ? made.filter(name => existing.has(name)) : [],
    },
    owner: owner === undefined ? settings.user : text(owner),
  }
}

async function targetsOf(
  { database, into }: DatabaseRestoreSettings,
  facts: DumpFacts,
  refuse: (why: string) => Failure,
): Promise<{ of: string; name: string }[]> {
  if (facts.of === 'database') {
    if (!database && !into) {
      throw new Failure('environment', 'the copy is of one database and does not say which: set DATABASE')
    }
    return [{ of: '', name: into || database }]
  }
  const created = facts.databases.filter(({ created }) => created).map(({ name }) => text(name))
  if (!database) {
    if (into)
      throw new Failure(
        'environment',
        'RESTORE_INTO is set for a copy of a whole server: name one of its databases in DATABASE',
      )
    return created.map(name => ({ of: name, name }))
  }
  if (!created.includes(database)) throw refuse(`the copy has no database ${database}, only ${created.join(', ')}`)
  return [{ of: database, name: into || database }]
}

function shortened(name: string): string {
  let short = name
  while (Buffer.byteLength(short) > NAME_BYTES) short = short.slice(0, -1)
  return short
}

async function tablesIn(server: Server, database: string): Promise<number> {
  return await inDatabase(server, database, async session =>
    Number(
      await session.one(
        `select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where relkind in ('r', 'p', 'm', 'f') and nspname not in ('pg_catalog', 'information_schema') and nspname !~ '^pg_'`,
      ),
    ),
  )
}

/** Say what will be done. */
function describe(plan: Plan, settings: DatabaseRestoreSettings): Result {
  const { facts, targets, roles } = plan
  log(`PostgreSQL ${facts.versions.server} → ${plan.version.text} on ${settings.host}; ${sized(facts.bytes)} of SQL`)
  for (const { name, exists, tables, sessions, before, of } of targets) {
    const from = facts.databases.find(database => text(database.name) === of)
    const rows = [...(from?.rows.values() ?? [])].reduce((sum, count) => sum + count, 0)
    const there = exists ? `; the ${tables} tables there now are kept as ${before}` : ''
    const ended = sessions > 0 ? `; ${sessions} sessions are ended` : ''
    log(`  database ${name}: ${from?.rows.size ?? 0} tables, ${rows} rows${there}${ended}`)
  }
  if (plan.inPlace.length > 0) log(`  loaded into as they are: ${plan.inPlace.join(', ')}`)
  if (roles.make.length > 0) log(`  roles made: ${roles.make.join(', ')}`)
  if (roles.change.length > 0) log(`  roles set as in the copy: ${roles.change.join(', ')}`)
  return {
    system: settings.system,
    copy: plan.copy.name,
    taken: plan.copy.taken.toISOString(),
    databases: targets.map(target => target.name),
    replaced: targets.filter(target => target.exists).map(target => target.name),
    rolesMade: roles.make.length,
    rolesChanged: roles.change.length,
    from: facts.versions.server,
    to: plan.version.text,
  }
}

/** Load, compare, change places. What was loaded is removed again when it does not come to that. */
async function carryOut(
  plan: Plan,
  path: string,
  settings: DatabaseRestoreSettings,
  env: Environment,
  stop: AbortSignal,
  began: number,
): Promise<Result> {
  const { server, facts, targets, roles } = plan
  // A database of our own, to be connected to while all others change names.
  const home = `${RESTORING}${began}`
  const admin = new Session(server, 'template1')
  try {
    await removeLeftovers(admin)
    await admin.query(`create database ${quoted(home)} template template0`)
  } finally {
    await admin.close()
  }
  const filter = new DumpFilter({
    databases: new Map(targets.map(({ of, beside }) => [raw(of), beside])),
    only: facts.of === 'server' && settings.database !== '' ? raw(settings.database) : undefined,
    existing: new Set([...roles.existing].map(raw)),
    admin: raw(settings.user),
    isOwnPassword: verifier => env.PGADMINPASS !== undefined && verifies(verifier, settings.user, env.PGADMINPASS),
    restrict: await knowsRestrict(),
  })
  let swapped = false
  try {
    const [single] = targets
    if (facts.of === 'database' && single) await prepare(plan, single, home)
    const into = facts.of === 'database' && single ? single.beside : home
    const errors = await load(plan, path, filter, into, settings, stop)
    const differences = await compare(plan, settings)
    for (const difference of differences) log(`not as in the copy: ${difference}`)
    if (differences.length > 0 && !settings.goOn) {
      throw new Failure('restore', `${differences.length} findings in what was loaded, the first: ${differences[0]}`)
    }
    stop.throwIfAborted()
    await changePlaces(plan, filter, home, settings)
    swapped = true
    for (const note of filter.notes) log(note)
    const kept = await tidy(plan, home, settings)
    if (errors > 0 || differences.length > 0) {
      throw new Failure(
        'restore',
        `restored with ${errors} errors and ${differences.length} findings, as DO_NOT_STOP_ON_ERROR asks; see the log. ${whereBefore(kept)}`,
      )
    }
    return { kept }
  } catch (error) {
    if (swapped) throw error
    await undo(plan, home)
    const failure = stop.aborted ? stop.reason : error
    if (failure instanceof Failure && failure.kind === 'restore') {
      throw new Failure('restore', `${failure.message}. What was loaded is removed again; the server is as it was`, {
        cause: error,
      })
    }
    throw failure
  }
}

/** Remove what killed restores left: databases that never took their places. */
async function removeLeftovers(session: Session): Promise<void> {
  const names = await session.query(
    `select datname from pg_database d where datname like '${RESTORING.replace('_', '\\_')}%'`,
  )
  for (const name of names) {
    const used = await session.one(`select count(*) from pg_stat_activity where datname = ${literal(name)}`)
    if (used !== '0') {
      throw new Failure(
        'busy',
        `another restore is at work on this server (in the database ${name}): it was left alone`,
      )
    }
    await session.query(`alter database ${quoted(name)} is_template false`)
    await session.query(`drop database ${quoted(name)}`)
    log(`removed ${name}, left by a restore that did not end`)
  }
}

// Releases of August 2025, the first of each major to know `\restrict`; from 18 on, all do.
const RESTRICT_SINCE: Readonly<Record<number, number>> = { 13: 22, 14: 19, 15: 14, 16: 10, 17: 6 }

async function knowsRestrict(): Promise<boolean> {
  const { major, text: said } = await versionOf(psqlPath())
  return major >= 18 || Number(said.split('.')[1] ?? 0) >= (RESTRICT_SINCE[major] ?? Number.POSITIVE_INFINITY)
}

/** Make the database that a dump of one database is loaded into, like the one it will replace. */
async function prepare(plan: Plan, target: Target, home: string): Promise<void> {
  await inDatabase(plan.server, home, async session => {
    for (const role of plan.roles.make) {
      await session.query(`create role ${quoted(role)} nologin`)
      log(`made the role ${role}, without login: give it its password, or restore the server's copy for it`)
    }
    if (!target.exists) {
      await session.query(
        `create database ${quoted(target.beside)} owner ${quoted(plan.owner)} template template0 encoding 'UTF8'`,
      )
      return
    }
    // ICU and builtin locales have columns that other versions of PostgreSQL call otherwise, or lack.
    const [how = ''] = await session.query(
      `select concat_ws(' ', 'owner', quote_ident(datdba::regrole::name), 'encoding', quote_literal(pg_encoding_to_char(encoding)),
         'lc_collate', quote_literal(datcollate), 'lc_ctype', quote_literal(datctype), 'connection limit', datconnlimit,
         case j ->> 'datlocprovider' when 'i' then 'locale_provider icu icu_locale ' || quote_literal(coalesce(j ->> 'datlocale', j ->> 'daticulocale'))
           when 'b' then 'locale_provider builtin builtin_locale ' || quote_literal(j ->> 'datlocale') end)
       from pg_database d, to_jsonb(d) j where datname = ${literal(target.name)}`,
    )
    await session.query(`create database ${quoted(target.beside)} template template0 ${how}`)
    const like = await session.query(
      `select format('revoke all on database %I from public, %s', ${literal(target.beside)}, datdba::regrole) from pg_database
         where datname = ${literal(target.name)} and datacl is not null
       union all
       select format('grant %s on database %I to %s%s', privilege_type, ${literal(target.beside)}, case grantee when 0 then 'public' else grantee::regrole::text end,
         case when is_grantable then ' with grant option' else '' end) from pg_database, aclexplode(datacl) where datname = ${literal(target.name)}
       union all
       select format(case setrole when 0 then 'alter database %1$I set %3$I to %4$s' else 'alter role %2$s in database %1$I set %3$I to %4$s' end,
         ${literal(target.beside)}, nullif(setrole, 0)::regrole, split_part(setting, '=', 1),
         case when split_part(setting, '=', 1) in ('search_path', 'temp_tablespaces', 'session_preload_libraries', 'local_preload_libraries')
           then substr(setting, strpos(setting, '=') + 1) else quote_literal(substr(setting, strpos(setting, '=') + 1)) end)
       from pg_db_role_setting s join pg_database d on d.oid = setdatabase, unnest(setconfig) setting where datname = ${literal(target.name)}
       union all
       select format('comment on database %I is %L', ${literal(target.beside)}, shobj_description(oid, 'pg_database')) from pg_database
         where datname = ${literal(target.name)} and shobj_description(oid, 'pg_database') is not null`,
    )
    for (const statement of like) await session.query(statement)
  })
}

/** Feed the dump to psql. @returns the errors that it went on over, none unless it was told to */
async function load(
  plan: Plan,
  path: string,
  filter: DumpFilter,
  database: string,
  settings: DatabaseRestoreSettings,
  stop: AbortSignal,
): Promise<number> {
  const args = ['--no-psqlrc', '--quiet', '--no-password', '--output=/dev/null', '--dbname', database]
  if (!settings.goOn) args.push('--set=ON_ERROR_STOP=1')
  // Its own messages in English, so that errors are known by their name.
  const env = { ...process.env, ...plan.server.env, LC_MESSAGES: 'C' }
  const psql = spawn(psqlPath(), args, { env, stdio: ['pipe', 'ignore', 'pipe'], signal: stop })
  const ended = once(psql, 'close').catch(() => [null])
  const errors: string[] = []
  const listening = (async () => {
    for await (const line of createInterface({ input: psql.stderr })) {
      if (!/^(psql:.*)?(NOTICE|DETAIL|HINT)/.test(line)) log(`psql: ${line}`)
      if (/(ERROR|FATAL|PANIC):|invalid command/.test(line)) errors.push(line.replace(/^psql:\S*\s*/, ''))
    }
  })()
  const told = progress('load', plan.facts.bytes)
  let done = 0
  if (plan.facts.of === 'database') filter.inside(database)
  async function* fed(): AsyncGenerator<Buffer> {
    for await (const bytes of filter.changed(sqlOf(path))) {
      done += bytes.length
      told(done)
      yield bytes
    }
  }
  // A psql that stops reading has said why on stderr, and its exit code counts; all else is ours.
  await pipeline(Readable.from(fed(), { objectMode: false }), psql.stdin).catch(error => {
    if (!['EPIPE', 'ERR_STREAM_PREMATURE_CLOSE'].includes(error.code)) throw error
  })
  const [code] = await ended
  await listening
  stop.throwIfAborted()
  if (code !== 0 && !(settings.goOn && code !== null)) {
    throw new Failure('restore', `psql ended with ${code ?? 'a signal'}: ${errors.at(-1) ?? 'without a word'}`)
  }
  return errors.length
}

/** Hold what was loaded against what the dump holds: its tables, the rows of each, its large objects. */
async function compare(plan: Plan, settings: DatabaseRestoreSettings): Promise<string[]> {
  const findings: string[] = []
  for (const { of, name, beside } of plan.targets) {
    const dumped = plan.facts.databases.find(database => text(database.name) === of)
    if (!dumped) continue
    await inDatabase(plan.server, beside, async session => {
      for (const [table, rows] of dumped.rows) {
        const [there] = await session.query(`select to_regclass(${literal(text(table))}) is not null`)
        if (there !== 't') findings.push(`${name}: the table ${text(table)} is missing`)
        else {
          const found = Number(await session.one(`select count(*) from only ${text(table)}`))
          if (found !== rows) findings.push(`${name}: ${text(table)} has ${found} rows, the copy ${rows}`)
        }
      }
      const objects = Number(await session.one('select count(*) from pg_largeobject_metadata'))
      if (objects < dumped.largeObjects) {
        findings.push(`${name}: ${objects} large objects, the copy has ${dumped.largeObjects}`)
      }
      const counts = plan.facts.of === 'database' ? (plan.copy.vouched?.counts ?? {}) : {}
      for (const [what, count] of Object.entries(counts)) {
        if (!what.startsWith('rows:')) continue
        const rows = [...dumped.rows].find(([table]) => text(table).replaceAll('"', '') === what.slice(5))?.[1]
        if (rows !== undefined && rows !== count) {
          findings.push(`${name}: ${what.slice(5)} has ${rows} rows in the copy, its receipt says ${count}`)
        }
      }
    })
  }
  log(`compared ${plan.targets.length} databases of ${settings.host} with the copy: ${findings.length} findings`)
  return findings
}

/** The old databases' names go to the new ones, all in one transaction, with what the dump says of roles that exist. */
async function changePlaces(
  plan: Plan,
  filter: DumpFilter,
  home: string,
  settings: DatabaseRestoreSettings,
): Promise<void> {
  const old = plan.targets.filter(target => target.exists)
  await inDatabase(plan.server, home, async session => {
    try {
      for (const { name } of old) {
        await session.query(`alter database ${quoted(name)} allow_connections false`)
        await session.query(`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${literal(name)}`)
      }
      await session.query('begin')
      for (const { name, before, exists, beside } of plan.targets) {
        if (exists) await session.query(`alter database ${quoted(name)} rename to ${quoted(before)}`)
        await session.query(`alter database ${quoted(beside)} rename to ${quoted(name)}`)
      }
      for (const role of settings.database === '' ? plan.roles.change : []) {
        if (role !== settings.user) await session.query(`alter role ${quoted(role)} reset all`)
        const groups = await session.query(
          `select roleid::regrole from pg_auth_members where member = ${literal(quoted(role))}::regrole`,
        )
        for (const group of groups) await session.query(`revoke ${group} from ${quoted(role)}`)
      }
      const deferred = settings.database === '' ? filter.deferred : []
      for (const statement of deferred) await session.query(text(statement).replace(/;$/, ''))
      await session.query('commit')
    } catch (error) {
      throw error instanceof Failure ? new Failure('restore', error.message, { cause: error }) : error
    }
  })
  await inDatabase(plan.server, home, async session => {
    for (const { before } of old) await session.query(`alter database ${quoted(before)} allow_connections true`)
  })
}

/** Remove what is not kept. @returns the names of what is */
async function tidy(plan: Plan, home: string, { keepBefore }: DatabaseRestoreSettings): Promise<string[]> {
  const kept: string[] = []
  await inDatabase(plan.server, plan.targets[0]?.name ?? 'postgres', async session => {
    for (const { exists, tables, before } of plan.targets) {
      if (!exists) continue
      if (keepBefore && tables > 0) kept.push(before)
      else {
        await session.query(`alter database ${quoted(before)} is_template false`)
        await session.query(`drop database ${quoted(before)} with (force)`)
      }
    }
    await session.query(`drop database ${quoted(home)} with (force)`)
  })
  if (kept.length > 0) log(whereBefore(kept))
  return kept
}

function whereBefore(kept: readonly string[]): string {
  if (kept.length === 0) return 'Nothing of before is kept'
  const drops = kept.map(name => `DROP DATABASE ${quoted(name)};`).join(' ')
  return `What was there before is kept as ${kept.join(', ')}. When the new state is proven: ${drops}`
}

/** Make the server what it was. Best effort: what cannot be removed is found by the next restore. */
async function undo(plan: Plan, home: string): Promise<void> {
  try {
    // It may be template1 itself that nobody can connect to.
    await inDatabase(plan.server, home, async session => {
      for (const { name, exists } of plan.targets) {
        if (exists) await session.query(`alter database ${quoted(name)} allow_connections true`)
      }
    })
    await inDatabase(plan.server, 'template1', async session => {
      const left = await session.query(
        `select datname from pg_database where datname in (${[home, ...plan.targets.map(target => target.beside)].map(literal).join(', ')})`,
      )
      for (const name of left) {
        await session.query(`alter database ${quoted(name)} is_template false`)
        await session.query(`drop database ${quoted(name)} with (force)`)
      }
      for (const role of plan.roles.make) await session.query(`drop role if exists ${quoted(role)}`)
    })
  } catch (error) {
    log(
      `could not remove all that was loaded: ${(error as Error).message}; databases whose names begin with ${RESTORING} may be dropped`,
    )
  }
}

async function inDatabase<T>(server: Server, database: string, work: (session: Session) => Promise<T>): Promise<T> {
  const session = new Session(server, database)
  try {
    return await work(session)
  } finally {
    await session.close()
  }
}

/** What a dump's bytes say, as text. */
function text(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

/** A text as a dump's bytes. */
function raw(said: string): string {
  return Buffer.from(said, 'utf8').toString('latin1')
}
