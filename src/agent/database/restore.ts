import { setTimeout as sleep } from 'node:timers/promises'
import type { Environment } from '../../store/client.ts'
import { choose, list } from '../run/copies.ts'
import { requireIdentity } from '../run/encryption.ts'
import { duration, log, progress, sized } from '../run/log.ts'
import { Failure, inWordsOfReader, type Result } from '../run/outcome.ts'
import { countsOf, literal, ofDatabase, placed, quoted, raw, readable } from './dump-facts.ts'
import { checkDump, copiesOf, type DumpCopy, sqlOf } from './dump-file.ts'
import { type Changes, DumpFilter } from './dump-filter.ts'
import { type LeftOut, runKnown } from './left-out.ts'
import { type Loaded, loadDump } from './load.ts'
import { grantedMemberships, revokeOthers } from './memberships.ts'
import { dropDatabase, makeHome, removeOwn } from './own-databases.ts'
import { serverOf } from './postgres.ts'
import { describe, isKept, makePlan, type Plan, type Target } from './restore-plan.ts'
import { verifies } from './scram.ts'
import { inDatabase, openAnywhere, Session, StatementError, sqlState } from './session.ts'
import type { DatabaseRestoreSettings } from './settings.ts'
import { LISTS } from './skipped.ts'
import { type Part, partsOf } from './sql.ts'

/**
 * Restore databases from a dump. The whole copy is read before the server is changed; it is loaded under temporary
 * names beside the existing databases and compared with what the dump holds; only then, in one transaction, are the old
 * databases renamed away and the new ones given their names. Until then the old ones stay unchanged, even if the
 * restore fails.
 */
export async function restoreDatabase(
  settings: DatabaseRestoreSettings,
  env: Environment,
  stop: AbortSignal,
): Promise<Result> {
  const began = Date.now()
  const { copies, place, now } = await copiesOf(settings, env)
  if (settings.wanted.which === 'list') return list(copies, place)
  const copy = choose(copies, settings.wanted, place)
  checkAge(copy, settings, now)
  requireIdentity(copy.name, settings.identity)
  log(
    `copy ${copy.name} of ${place}, taken ${copy.taken.toISOString()}, ${sized(copy.bytes)}${copy.verified ? '' : ', without a receipt'}`,
  )
  const { path, remove } = await copy.fetch()
  try {
    const facts = await checkDump(path, copy, settings.identity)
    const server = serverOf(settings, env)
    const { session } = await openAnywhere(server)
    let plan: Plan
    let said: Result
    try {
      plan = await makePlan(settings, copy, facts, server, session, began)
      plan.asks = plan.asks.map(why => inWordsOfReader(why, env))
      said = await describe(plan, settings, session)
    } finally {
      await session.close()
    }
    if (settings.dryRun) return { ...said, dryRun: true }
    const done = await carryOut(plan, path, settings, env, stop)
    const seconds = (Date.now() - began) / 1000
    log(`restored in ${duration(seconds)}`)
    return { ...said, ...done, counts: countsOf(facts), seconds }
  } finally {
    await remove()
  }
}

function checkAge(copy: DumpCopy, { wanted, maximumAge }: DatabaseRestoreSettings, now: Date): void {
  if (wanted.which !== 'latest' || maximumAge === undefined) return
  const hours = (now.getTime() - copy.taken.getTime()) / 3_600_000
  if (hours > maximumAge) {
    throw new Failure(
      'restore',
      `the latest copy is ${Math.floor(hours)} h old, LATEST_BACKUP_MAXIMUM_AGE_H allows ${maximumAge}: nothing was changed. Name the copy by its time in FROM_BACKUP if it is the right one`,
    )
  }
}

/** Load, compare, swap. If it fails before the swap, what was loaded is removed again. */
async function carryOut(
  plan: Plan,
  path: string,
  settings: DatabaseRestoreSettings,
  env: Environment,
  stop: AbortSignal,
): Promise<Result> {
  const { server, facts, targets, roles, own } = plan
  const left = plan.leftovers.flatMap(({ home, listed }) => [home, ...listed])
  const maker = await openAnywhere(server, left)
  try {
    for (const leftover of plan.leftovers) {
      await removeOwn(server, maker.session, leftover)
      log(`removed ${leftover.home} and its databases, left by a restore that was killed`)
    }
    await makeHome(maker.session, own)
  } finally {
    await maker.session.close()
  }
  const changes = {
    databases: new Map(targets.map(({ dumped, beside }) => [dumped.name, beside])),
    only: facts.of === 'server' && settings.database !== '' ? raw(settings.database) : undefined,
    existing: new Set([...roles.existing].map(raw)),
    tablespaces: { existing: asBytes(plan.tablespaces.existing), missing: asBytes(plan.tablespaces.missing) },
    admin: raw(settings.user),
    isOwnPassword: (verifier: string) =>
      env.PGADMINPASS !== undefined && verifies(verifier, settings.user, env.PGADMINPASS),
  }
  const filter = new DumpFilter(changes)
  // This session marks the restore as running.
  const home = await Session.open(server, own.home)
  let swapped = false
  try {
    const leftOut: LeftOut = new Map()
    await prepare(plan, home, leftOut)
    const loaded = await load(plan, path, changes, filter, settings, stop, leftOut)
    const differences = await compare(plan)
    for (const difference of differences) log(`not as in the copy: ${difference}`)
    if (differences.length > 0 && !settings.goOn) {
      throw new Failure('restore', `${differences.length} findings in what was loaded, the first: ${differences[0]}`)
    }
    stop.throwIfAborted()
    await changePlaces(plan, filter, home, settings, leftOut)
    swapped = true
    for (const note of filter.notes) log(note)
    await home.close()
    const kept = await tidy(plan, settings)
    const result = { kept, leftOut: Object.fromEntries([...leftOut].map(([name, times]) => [readable(name), times])) }
    const errors = loaded.errors.length
    if (errors > 0 || differences.length > 0) {
      throw new Failure(
        'restore',
        `restored with ${errors} errors and ${differences.length} findings, as DO_NOT_STOP_ON_ERROR asks; see the log. ${whereBefore(kept)}`,
      )
    }
    return result
  } catch (error) {
    await home.close()
    if (swapped) throw error
    const undone = await undo(plan)
    const failure = stop.aborted ? stop.reason : error
    if (failure instanceof Failure && failure.kind === 'restore') {
      const now = undone
        ? 'What was loaded was removed again; the server is unchanged'
        : 'The databases are unchanged; what the log names could not be removed'
      throw new Failure('restore', `${failure.message}. ${now}`, { cause: error })
    }
    throw failure
  }
}

function asBytes(names: ReadonlySet<string>): Set<string> {
  return new Set([...names].map(raw))
}

/**
 * Create what the dump itself does not create: the database of a single-database dump, and those that every server has.
 */
async function prepare(plan: Plan, home: Session, leftOut: LeftOut): Promise<void> {
  const { facts, targets, owner } = plan
  try {
    if (facts.of === 'database') {
      for (const role of plan.roles.make) {
        await home.run(`create role ${quoted(role)} nologin`)
        log(`created the role ${role}, without login: give it its password, or restore the server's copy for it`)
      }
    }
    for (const target of targets) {
      if (target.dumped.created && facts.of === 'server') continue
      if (target.exists) await makeLike(home, target)
      else if (facts.attributes.length > 0) await makeAsDumped(plan, home, target, leftOut)
      else {
        const { encoding } = target.dumped
        const locale = encoding === 'UTF8' ? '' : ` locale 'C'`
        await home.run(
          `create database ${quoted(target.beside)} owner ${quoted(owner)} template template0 encoding '${encoding}'${locale}`,
        )
      }
    }
  } catch (error) {
    if (!(error instanceof StatementError)) throw error
    throw new Failure('restore', `the database for the copy cannot be created: ${error.message}`, { cause: error })
  }
}

/** Create a database like the one it will replace, with its owner, encoding, locale, settings and privileges. */
async function makeLike(home: Session, { name, beside }: Target): Promise<void> {
  // The columns for ICU and builtin locales are named differently, or missing, in other versions of PostgreSQL.
  const how = await home.one(
    `select concat_ws(' ', 'owner', quote_ident(pg_get_userbyid(datdba)), 'encoding', quote_literal(pg_encoding_to_char(encoding)),
       'lc_collate', quote_literal(datcollate), 'lc_ctype', quote_literal(datctype), 'connection limit', datconnlimit, 'is_template', datistemplate::text,
       case when spcname <> 'pg_default' then 'tablespace ' || quote_ident(spcname) end,
       case j ->> 'datlocprovider' when 'i' then 'locale_provider icu icu_locale ' || quote_literal(coalesce(j ->> 'datlocale', j ->> 'daticulocale'))
         when 'b' then 'locale_provider builtin builtin_locale ' || quote_literal(j ->> 'datlocale') end,
       'icu_rules ' || quote_literal(j ->> 'daticurules'))
     from pg_database d join pg_tablespace t on t.oid = dattablespace, to_jsonb(d) j where datname = $1`,
    [name],
  )
  await home.run(`create database ${quoted(beside)} template template0 ${how}`)
  const like = await home.column(
    `select format('revoke all on database %I from public, %I', $2::text, pg_get_userbyid(datdba)) from pg_database
       where datname = $1 and datacl is not null
     union all
     select format('grant %s on database %I to %s%s', privilege_type, $2::text, case grantee when 0 then 'public' else grantee::regrole::text end,
       case when is_grantable then ' with grant option' else '' end) from pg_database, aclexplode(datacl) where datname = $1
     union all
     select format(case setrole when 0 then 'alter database %1$I set %3$I to %4$s' else 'alter role %2$s in database %1$I set %3$I to %4$s' end,
       $2::text, nullif(setrole, 0)::regrole, split_part(setting, '=', 1),
       case when split_part(setting, '=', 1) in ${LISTS}
         then substr(setting, strpos(setting, '=') + 1) else quote_literal(substr(setting, strpos(setting, '=') + 1)) end)
     from pg_db_role_setting s join pg_database d on d.oid = setdatabase, unnest(setconfig) setting where datname = $1
     union all
     select format('comment on database %I is %L', $2::text, shobj_description(oid, 'pg_database')) from pg_database
       where datname = $1 and shobj_description(oid, 'pg_database') is not null`,
    [name, beside],
  )
  for (const statement of like) await home.run(statement)
}

/** Create a database as the comments in a single-database dump say. */
async function makeAsDumped(
  { facts, tablespaces }: Plan,
  home: Session,
  { beside }: Target,
  leftOut: LeftOut,
): Promise<void> {
  for (const statement of facts.attributes) {
    const renamed = ofDatabase(placed(statement, asBytes(tablespaces.missing)))?.renamed(beside)
    if (renamed !== undefined) await runKnown(home, renamed, leftOut)
  }
}

async function load(
  plan: Plan,
  path: string,
  changes: Changes,
  first: DumpFilter,
  settings: DatabaseRestoreSettings,
  stop: AbortSignal,
  leftOut: LeftOut,
): Promise<Loaded> {
  const [single] = plan.targets
  const ofOne = plan.facts.of === 'database' && single
  let filter: DumpFilter | undefined = first
  const read = (): AsyncIterable<Part> => {
    // What a second reading defers or notes, the first has already.
    const reading = filter ?? new DumpFilter(changes)
    filter = undefined
    if (ofOne) reading.inside(single.beside)
    return reading.changed(partsOf(sqlOf(path, settings.identity)))
  }
  return await loadDump(read, {
    server: plan.server,
    database: ofOne ? single.beside : plan.own.home,
    goOn: settings.goOn,
    stop,
    onProgress: progress('load', plan.facts.bytes),
    leftOut,
  })
}

/** Compare what was loaded with what the dump holds: its roles, its tables, the rows of each, its large objects. */
async function compare(plan: Plan): Promise<string[]> {
  const findings: string[] = []
  for (const { dumped, name, beside } of plan.targets) {
    await inDatabase(plan.server, beside, async session => {
      // Names as the dump writes them.
      await session.run(`set client_encoding = '${dumped.encoding}'`)
      for (const [table, rows] of dumped.rows) {
        const found = await rowsOf(session, table)
        if (found === undefined) findings.push(`${name}: the table ${readable(table)} is missing`)
        // An extension fills its own tables, and a dump holds only what was added to them.
        else if (found !== rows && !(found > rows && (await isOfExtension(session, table)))) {
          findings.push(`${name}: ${readable(table)} has ${found} rows, the copy ${rows}`)
        }
      }
      const objects = Number(await session.one('select count(*) from pg_largeobject_metadata'))
      if (objects !== dumped.largeObjects) {
        findings.push(`${name}: ${objects} large objects, the copy has ${dumped.largeObjects}`)
      }
    })
  }
  log(`compared ${plan.targets.length} databases of ${plan.server.host} with the copy: ${findings.length} findings`)
  return findings
}

/** @returns undefined if there is no such table */
async function rowsOf(session: Session, table: string): Promise<number | undefined> {
  try {
    return await session.number(Buffer.from(`select count(*) from only ${table}`, 'latin1'))
  } catch (error) {
    if (sqlState(error) === '42P01' || sqlState(error) === '3F000') return undefined
    throw error
  }
}

async function isOfExtension(session: Session, table: string): Promise<boolean> {
  const query = `select count(*) from pg_depend where classid = 'pg_class'::regclass and deptype = 'e' and objid = ${literal(table)}::regclass`
  return (await session.number(Buffer.from(query, 'latin1'))) > 0
}

// The server waits five seconds for other sessions to leave a database before a rename fails.
const END_SESSIONS_EVERY_MS = 200

/**
 * Swap the names of the old and new databases in one transaction, and run the deferred statements about existing roles.
 */
async function changePlaces(
  plan: Plan,
  filter: DumpFilter,
  home: Session,
  settings: DatabaseRestoreSettings,
  leftOut: LeftOut,
): Promise<void> {
  const names = plan.targets.filter(target => target.exists).map(({ name }) => name)
  // A rename blocks new sessions, and existing ones are ended meanwhile. So no database is ever closed to connections
  // in a way that would persist if the agent were killed.
  const ending = new AbortController()
  const ended = names.length > 0 ? endSessions(plan, names, ending.signal) : Promise.resolve()
  try {
    await home.run('begin')
    for (const { name, before, exists, beside } of plan.targets) {
      if (exists) await home.run(`alter database ${quoted(name)} rename to ${quoted(before)}`)
      await home.run(`alter database ${quoted(beside)} rename to ${quoted(name)}`)
    }
    if (settings.database === '') {
      for (const role of plan.roles.change) {
        if (role !== settings.user) await home.run(`alter role ${quoted(role)} reset all`)
      }
      if (filter.deferred.some(statement => statement.startsWith('ALTER ROLE ALL '))) {
        await home.run('alter role all reset all')
      }
      await revokeOthers(home, plan.roles.change, grantedMemberships(filter.deferred))
      for (const statement of filter.deferred) await runDeferred(home, statement, leftOut)
    }
    await home.run('commit')
  } catch (error) {
    if (!(error instanceof StatementError)) throw error
    throw new Failure('restore', `the databases could not be renamed: ${error.message}`, { cause: error })
  } finally {
    ending.abort()
    await ended
  }
}

async function runDeferred(home: Session, statement: string, leftOut: LeftOut): Promise<void> {
  await home.run('savepoint deferred')
  await runKnown(home, statement, leftOut, () => home.run('rollback to savepoint deferred'))
  await home.run('release savepoint deferred')
}

async function endSessions(plan: Plan, names: readonly string[], until: AbortSignal): Promise<void> {
  try {
    await inDatabase(plan.server, plan.own.home, async session => {
      while (!until.aborted) {
        await session.rows('select pg_terminate_backend(pid) from pg_stat_activity where datname = any($1)', [names])
        await sleep(END_SESSIONS_EVERY_MS, undefined, { signal: until }).catch(() => {})
      }
    })
  } catch (error) {
    log(`could not end the sessions of others: ${(error as Error).message}`)
  }
}

/**
 * Remove what is not kept.
 * @returns the names of what is kept
 */
async function tidy(plan: Plan, settings: DatabaseRestoreSettings): Promise<string[]> {
  const { session } = await openAnywhere(plan.server, [plan.own.home, ...plan.own.listed])
  try {
    await removeOwn(plan.server, session, plan.own)
  } finally {
    await session.close()
  }
  const kept = plan.targets.filter(target => target.exists && isKept(target, settings)).map(({ before }) => before)
  if (kept.length > 0) log(whereBefore(kept))
  return kept
}

function whereBefore(kept: readonly string[]): string {
  if (kept.length === 0) return 'The replaced data was not kept'
  const drops = kept.map(name => `DROP DATABASE ${quoted(name)};`).join(' ')
  return `The previous data is kept as ${kept.join(', ')}. Once you have checked the restored data: ${drops}`
}

/**
 * Undo the restore on the server. Best effort: the next restore finds what cannot be removed.
 * @returns whether everything was removed
 */
async function undo(plan: Plan): Promise<boolean> {
  try {
    const { session } = await openAnywhere(plan.server, [plan.own.home, ...plan.own.listed])
    try {
      for (const { beside } of plan.targets) {
        if ((await session.one('select count(*) from pg_database where datname = $1', [beside])) === '1') {
          await dropDatabase(plan.server, session, beside)
        }
      }
      for (const name of plan.tablespaces.make) await session.run(`drop tablespace if exists ${quoted(name)}`)
      // A role may have granted memberships, or have privileges on settings.
      const made = await session.column('select rolname::text from pg_roles where rolname = any($1)', [plan.roles.make])
      for (const role of made) await session.run(`drop owned by ${quoted(role)}`)
      for (const role of made) await session.run(`drop role ${quoted(role)}`)
      await removeOwn(plan.server, session, { ...plan.own, listed: plan.targets.map(({ beside }) => beside) })
      return true
    } finally {
      await session.close()
    }
  } catch (error) {
    log(
      `could not remove all that was loaded: ${(error as Error).message}; the next restore on this server removes ${plan.own.home} and its databases`,
    )
    return false
  }
}
