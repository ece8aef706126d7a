import type { Facts } from './difference.ts'

/**
 * Runs SQL in one database of a server and returns what `psql -XAtq` prints.
 * Rejects when a statement fails, with psql's message.
 */
export type Sql = (database: string, sql: string) => Promise<string>

/**
 * Everything of a PostgreSQL server, or of one of its databases, that a restore has to bring back: roles, settings,
 * owners, definitions, privileges, sequences, and a count and hash of each table's rows and of the large objects.
 * Two servers with equal fingerprints hold the same. `sql` must run as a superuser; it only reads.
 * An empty `database` means the whole server; of one database,
 * the name is not among the facts.
 */
export async function databaseFingerprint(sql: Sql, database: string): Promise<Facts> {
  if (database !== '') return await contents(sql, database)
  const facts = await asked(sql, 'postgres', server)
  for (const name of await strings(sql, 'postgres', 'SELECT datname FROM pg_database WHERE datallowconn')) {
    facts[`database ${name}`] = await contents(sql, name)
  }
  return facts
}

async function contents(sql: Sql, database: string): Promise<Facts> {
  const counted = await strings(sql, database, `${tablesWithRows} UNION ALL ${sequences}`)
  return await asked(sql, database, [...definitions, ...counted].join('\nUNION ALL\n'))
}

/** Asks a query of rows `(name, value)`, value in JSON, and returns them as facts. */
async function asked(sql: Sql, database: string, query: string): Promise<Facts> {
  return JSON.parse(
    await sql(
      database,
      `${settings} SELECT coalesce(json_object_agg(name, value), '{}') FROM (${query}) AS q (name, value);`,
    ),
  )
}

async function strings(sql: Sql, database: string, query: string): Promise<string[]> {
  return JSON.parse(
    await sql(database, `${settings} SELECT coalesce(json_agg(name), '[]') FROM (${query}) AS q (name);`),
  )
}

/** A row's text must not hang on what the role or the database sets, and no name may lose its schema. */
const settings = `SET client_encoding = 'UTF8'; SET quote_all_identifiers = off; SET search_path = pg_catalog; SET datestyle = 'ISO, YMD'; SET timezone = 'UTC'; SET intervalstyle = 'postgres';
  SET extra_float_digits = 1; SET bytea_output = 'hex'; SET row_security = off; SET statement_timeout = 0;`

/** Sixty bits of an MD5 for each row, added up: the order of the rows does not matter, and a duplicate row counts. */
function sumOfHashes(text: string): string {
  return `coalesce(sum(('x' || left(md5(${text}), 15))::bit(60)::bigint::numeric), 0)::text`
}

/** Privileges in one order, the defaults written out: after a restore their order may differ, or they may be missing. */
function privileges(acl: string, kind: string, owner: string): string {
  return `(SELECT coalesce(string_agg(concat_ws(' ', p.privilege_type, CASE p.grantee WHEN 0 THEN 'PUBLIC' ELSE p.grantee::regrole::text END,
    CASE WHEN p.is_grantable THEN 'grantable' END), ', ' ORDER BY p.grantee::regrole::text, p.privilege_type), 'none')
    FROM aclexplode(coalesce(${acl}, acldefault('${kind}', ${owner}))) AS p)`
}

const ours = `NOT IN ('pg_catalog', 'information_schema', 'pg_toast')`

/** Roles with a hash of their password's verifier, memberships, databases, and settings of roles and databases. */
const server = `
  SELECT 'role ' || rolname, json_build_object('superuser', rolsuper, 'inherit', rolinherit, 'createrole', rolcreaterole,
    'createdb', rolcreatedb, 'login', rolcanlogin, 'replication', rolreplication, 'bypassrls', rolbypassrls,
    'connection limit', rolconnlimit, 'valid until', rolvaliduntil, 'password', md5(rolpassword), 'comment', shobj_description(oid, 'pg_authid'))
  FROM pg_authid WHERE rolname !~ '^pg_'
  UNION ALL
  SELECT 'membership of ' || member::regrole::text || ' in ' || roleid::regrole::text, json_build_object('admin', admin_option,
    'inherit', to_jsonb(m) ->> 'inherit_option', 'set', to_jsonb(m) ->> 'set_option')
  FROM pg_auth_members m WHERE member::regrole::text !~ '^pg_'
  UNION ALL
  SELECT 'settings of ' || coalesce('role ' || r.rolname, 'all roles') || coalesce(' in database ' || d.datname, ''), to_json(array_to_string(setconfig, '; '))
  FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = setrole LEFT JOIN pg_database d ON d.oid = setdatabase
  UNION ALL
  SELECT 'attributes of database ' || datname, json_build_object('owner', datdba::regrole::text, 'encoding', pg_encoding_to_char(encoding),
    'collation', datcollate, 'character type', datctype, 'connection limit', datconnlimit, 'template', datistemplate,
    'privileges', ${privileges('datacl', 'd', 'datdba')})
  FROM pg_database WHERE datallowconn`

/** The content of a database, one query for each type of object. */
const definitions = [
  `SELECT 'extension ' || extname, json_build_object('version', extversion, 'schema', extnamespace::regnamespace::text) FROM pg_extension`,
  `SELECT 'schema ' || nspname, json_build_object('owner', nspowner::regrole::text, 'privileges', ${privileges('nspacl', 'n', 'nspowner')})
   FROM pg_namespace WHERE nspname ${ours} AND nspname !~ '^pg_(toast_)?temp_'`,
  `SELECT CASE relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialised view ' WHEN 'S' THEN 'definition of sequence ' ELSE 'definition of table ' END || c.oid::regclass::text,
     json_build_object('owner', relowner::regrole::text, 'persistence', relpersistence, 'row security', relrowsecurity::text || relforcerowsecurity,
       'partition', pg_get_expr(relpartbound, c.oid), 'partitioned by', CASE relkind WHEN 'p' THEN pg_get_partkeydef(c.oid) END,
       'populated', relispopulated, 'query', CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END, 'comment', obj_description(c.oid, 'pg_class'),
       'privileges', ${privileges('relacl', 'r', 'relowner')},
       'columns', (SELECT string_agg(concat_ws(' ', quote_ident(attname), format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN 'NOT NULL' END,
         nullif(attidentity, ''), nullif(attgenerated, ''), pg_get_expr(adbin, adrelid), attacl::text), ', ' ORDER BY attnum)
         FROM pg_attribute a LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped),
       'parents', (SELECT string_agg(inhparent::regclass::text, ', ' ORDER BY inhseqno) FROM pg_inherits WHERE inhrelid = c.oid),
       'sequence', (SELECT concat_ws(' ', format_type(seqtypid, NULL), seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle) FROM pg_sequence WHERE seqrelid = c.oid))
   FROM pg_class c WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND relnamespace::regnamespace::text ${ours}`,
  `SELECT 'index ' || indexrelid::regclass::text, to_json(pg_get_indexdef(indexrelid)) FROM pg_index JOIN pg_class c ON c.oid = indrelid
   WHERE relnamespace::regnamespace::text ${ours}`,
  `SELECT 'constraint ' || quote_ident(conname) || ' of ' || CASE conrelid WHEN 0 THEN contypid::regtype::text ELSE conrelid::regclass::text END, to_json(pg_get_constraintdef(oid))
   FROM pg_constraint WHERE connamespace::regnamespace::text ${ours} AND contype <> 'n'`,
  `SELECT 'function ' || p.oid::regprocedure::text, json_build_object('definition', pg_get_functiondef(p.oid), 'owner', proowner::regrole::text,
     'privileges', ${privileges('proacl', 'f', 'proowner')})
   FROM pg_proc p WHERE pronamespace::regnamespace::text ${ours} AND prokind <> 'a'`,
  `SELECT 'trigger ' || quote_ident(tgname) || ' of ' || tgrelid::regclass::text, to_json(concat_ws(' ', pg_get_triggerdef(oid), tgenabled)) FROM pg_trigger WHERE NOT tgisinternal`,
  `SELECT 'policy ' || quote_ident(polname) || ' of ' || polrelid::regclass::text, to_json(concat_ws(' ', polcmd, polpermissive, polroles::regrole[]::text, pg_get_expr(polqual, polrelid)))
   FROM pg_policy`,
  `SELECT 'rule ' || quote_ident(rulename) || ' of ' || ev_class::regclass::text, to_json(pg_get_ruledef(oid)) FROM pg_rewrite
   WHERE rulename <> '_RETURN' AND ev_class >= 16384`,
  `SELECT 'type ' || t.oid::regtype::text, json_build_object('owner', typowner::regrole::text, 'base', format_type(typbasetype, typtypmod),
     'labels', (SELECT string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid))
   FROM pg_type t WHERE typtype IN ('d', 'e', 'c', 'r') AND typnamespace::regnamespace::text ${ours}`,
  `SELECT 'publication ' || quote_ident(pubname), to_json((SELECT string_agg(prrelid::regclass::text, ', ' ORDER BY prrelid::regclass::text)
     FROM pg_publication_rel WHERE prpubid = p.oid)) FROM pg_publication p`,
  `SELECT 'subscription ' || quote_ident(subname), json_build_object('owner', subowner::regrole::text, 'enabled', subenabled, 'connection', subconninfo,
     'slot', subslotname, 'publications', array_to_string(subpublications, ', '))
   FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())`,
  `SELECT 'default privileges of ' || defaclrole::regrole::text || ' for ' || defaclobjtype::text || coalesce(' in ' || nullif(defaclnamespace, 0)::regnamespace::text, ''),
     to_json(${privileges('defaclacl', 'r', 'defaclrole')}) FROM pg_default_acl`,
  `SELECT 'large objects', json_build_object('count', count(*), 'bytes', coalesce(sum(length(lo_get(oid))), 0),
     'hash', ${sumOfHashes("concat_ws(' ', oid, lomowner::regrole, md5(lo_get(oid)), obj_description(oid, 'pg_largeobject'))")}) FROM pg_largeobject_metadata`,
]

/** Queries that yield queries: for each table its count and hash, for each sequence its value. `ONLY` keeps a parent's rows apart from its children's. */
const tablesWithRows = `SELECT format($$SELECT 'table ' || %L, json_build_object('rows', count(*), 'hash', ${sumOfHashes('t::text')}) FROM ONLY %s AS t$$,
  oid::regclass, oid::regclass) FROM pg_class WHERE relkind IN ('r', 'm') AND relispopulated AND relpersistence <> 't' AND relnamespace::regnamespace::text ${ours}`
const sequences = `SELECT format($$SELECT 'sequence ' || %L, json_build_object('last value', last_value, 'called', is_called) FROM %s$$,
  oid::regclass, oid::regclass) FROM pg_class WHERE relkind = 'S' AND relnamespace::regnamespace::text ${ours}`
