import { quoted } from './dump-facts.ts'
import type { Server } from './postgres.ts'
import { inDatabase, type Session } from './session.ts'

/** What a server has and its dump will not hold, because pg_dump and pg_dumpall skip it. */
export interface Skipped {
  /** Databases, with the reason: a copy without them is incomplete. */
  databases: Map<string, string>
  /** Databases that the dump will hold. */
  dumped: string[]
  /** Statements to add to the dump that restore what the programs skip. */
  statements: string[]
  /** What can only be reported. */
  notHeld: string[]
}

/** Settings whose value is a list of names, which must not be quoted as one string: pg_dump has the same list. */
export const LISTS = `('local_preload_libraries', 'search_path', 'session_preload_libraries', 'shared_preload_libraries', 'temp_tablespaces', 'unix_socket_directories')`

// One line in the dump; anything longer has to be looked up.
const NAMED = 50

/**
 * Query what a dump of the whole server will not hold.
 * @param session in any of its databases
 */
export async function skippedOfServer(server: Server, session: Session): Promise<Skipped> {
  const databases = new Map<string, string>()
  const open: string[] = []
  const unreadable: string[] = []
  const all = await session.rows<{ name: string; open: boolean; limit: number }>(
    `select datname::text as name, datallowconn as open, datconnlimit as limit from pg_database where datname <> 'template0' order by 1`,
  )
  for (const { name, open: takesConnections, limit } of all) {
    // An unreadable database, which no program dumps.
    if (limit === -2) unreadable.push(`database ${name}, which an interrupted DROP DATABASE left: drop it again`)
    else if (!takesConnections)
      databases.set(name, 'it takes no connections: ALTER DATABASE … ALLOW_CONNECTIONS true, or drop it')
    else if (/[\r\n]/.test(name)) databases.set(name, 'pg_dumpall refuses names with a line break: rename it')
    else open.push(name)
  }
  const settings = await session.rows<{ name: string; value: string; list: boolean }>(
    `select split_part(setting, '=', 1) as name, substr(setting, strpos(setting, '=') + 1) as value, split_part(setting, '=', 1) in ${LISTS} as list
     from pg_db_role_setting, unnest(setconfig) setting where setrole = 0 and setdatabase = 0`,
  )
  const statements = settings.map(
    ({ name, value, list }) => `ALTER ROLE ALL SET ${quoted(name)} TO ${list ? value : asciiLiteral(value)};`,
  )
  const notHeld = [
    ...unreadable,
    ...(await session.column(
      `select format('setting %s of template0', split_part(setting, '=', 1)) from pg_db_role_setting
         join pg_database d on d.oid = setdatabase, unnest(setconfig) setting where datname = 'template0'`,
    )),
    ...(await session.column(`select 'replication slot ' || slot_name from pg_replication_slots where not temporary`)),
    // Those that a subscription has are made with it.
    ...(await session.column(
      `select 'replication origin ' || roname from pg_replication_origin where roname !~ '^pg_[0-9]+$'`,
    )),
    ...((await session.one(`select has_function_privilege('pg_show_all_file_settings()', 'execute')`))
      ? await session.column(
          `select format('setting %s of ALTER SYSTEM', name) from pg_file_settings where sourcefile like '%/postgresql.auto.conf'`,
        )
      : []),
    ...(await session.column(`select format('prepared transaction %s in %s', gid, database) from pg_prepared_xacts`)),
  ]
  for (const name of open) {
    const inside = await inDatabase(server, name, skippedInside)
    notHeld.push(...inside.map(what => `${what} in the database ${name}`))
  }
  return { databases, dumped: open, statements, notHeld }
}

/** What users may have added to a table. */
const ADDED = `
  select indrelid as tab, indexrelid as oid, 'index' as what, relname::text as name from pg_index join pg_class c on c.oid = indexrelid
  union all select tgrelid, oid, 'trigger', tgname from pg_trigger where not tgisinternal
  union all select polrelid, oid, 'policy', polname from pg_policy
  union all select ev_class, oid, 'rule', rulename from pg_rewrite where rulename <> '_RETURN'
  union all select stxrelid, oid, 'statistics', stxname from pg_statistic_ext`

/**
 * The tables of extensions, and the newest object that each extension itself has made: what was added to a table later
 * is not the extension's, and pg_dump passes over it.
 */
const MEMBERS = `
  select t.objid as tab, extname, (select max(objid) from pg_depend m
    where m.refclassid = 'pg_extension'::regclass and m.refobjid = e.oid and m.deptype = 'e') as newest
  from pg_depend t join pg_extension e on e.oid = t.refobjid
  where t.refclassid = 'pg_extension'::regclass and t.classid = 'pg_class'::regclass and t.deptype = 'e'`

/** What a dump of the session's database will not hold. */
export async function skippedInside(session: Session): Promise<string[]> {
  // The first OID that is not reserved for the server.
  const foreign = (catalog: string, namespace: string): string =>
    `oid >= 16384 and ${namespace} in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
     and not exists (select from pg_depend where classid = '${catalog}'::regclass and objid = o.oid and deptype in ('e', 'i'))`
  return await session.column(
    `select 'function ' || o.oid::regprocedure from pg_proc o where ${foreign('pg_proc', 'pronamespace')}
     union all
     select 'relation ' || o.oid::regclass from pg_class o where relkind in ('r', 'p', 'v', 'm', 'S', 'f') and ${foreign('pg_class', 'relnamespace')}
     union all
     select 'type ' || o.oid::regtype from pg_type o where typtype in ('d', 'e', 'r') and ${foreign('pg_type', 'typnamespace')}
     union all
     select 'operator ' || o.oid::regoperator from pg_operator o where ${foreign('pg_operator', 'oprnamespace')}
     union all
     select 'rows of ' || o.oid::regclass || ', which belongs to the extension ' || extname from pg_class o
       join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = o.oid and deptype = 'e'
       join pg_extension e on d.refclassid = 'pg_extension'::regclass and e.oid = d.refobjid
       where relkind = 'r' and pg_relation_size(o.oid) > 0 and not o.oid = any(coalesce(extconfig, '{}'))
     union all
     select 'rows of the foreign table ' || ftrelid::regclass from pg_foreign_table
     union all
     select 'index ' || indexrelid::regclass || ', which is not valid: REINDEX or drop it' from pg_index
       join pg_class on pg_class.oid = indexrelid where not indisvalid and relkind = 'i'
     union all
     select format('%s %s on %s, which belongs to the extension %s', added.what, added.name, added.tab::regclass, extname) from (${ADDED}) added
       join (${MEMBERS}) members on members.tab = added.tab where added.oid > members.newest`,
  )
}

/** A readable, shortened list of what the dump does not hold. */
export function shortList(list: readonly string[]): string[] {
  return list.length <= NAMED ? [...list] : [...list.slice(0, NAMED), `and ${list.length - NAMED} more`]
}

/** A text as an SQL string that is the same in every encoding. */
function asciiLiteral(text: string): string {
  const escaped = text
    .replaceAll('\\', '\\\\')
    .replaceAll("'", "''")
    .replaceAll(/[^\n\x20-\x7e]/gu, one => `\\+${(one.codePointAt(0) ?? 0).toString(16).padStart(6, '0')}`)
  return escaped.includes('\\') ? `U&'${escaped}'` : `'${escaped}'`
}
