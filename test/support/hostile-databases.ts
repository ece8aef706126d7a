/** A database with unusual content, generated from a seed alone. */
export interface HostileDatabase {
  name: string
  /** Statements on the server that create it. */
  create: string[]
  /** Statements inside it, for a superuser, in UTF-8. */
  fill: string
}

/** Roles that the databases name, in the order in which pg_dumpall recreates them. */
const hostileRoles = ['a role', 'Role "x"', 'readers;', 'writers'].sort()

const ENCODINGS = [
  { name: 'UTF8', letters: 'äß漢字😀\u00a0' },
  { name: 'LATIN1', letters: 'äß£' },
  { name: 'WIN1252', letters: 'ä€œ' },
  { name: 'EUC_JP', letters: '漢字' },
  { name: 'SQL_ASCII', letters: 'äß' },
]

/** Draws values from a seed, always the same ones. */
class Draw {
  #state: number
  readonly #letters: string
  #names = 0

  constructor(seed: number, letters: string) {
    this.#state = seed
    this.#letters = letters
  }

  /** An integer from 0 to below a limit (mulberry32). */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }

  /** A quoted name that no other object of the database has. */
  name(): string {
    this.#names += 1
    const marks = [
      '"',
      "'",
      '\\',
      ';',
      '|',
      '.',
      ',',
      ' ',
      '$$',
      '--',
      '/*',
      '(',
      ')',
      '%',
      '{',
      'E',
      'select',
      ...this.#letters,
    ]
    const parts = Array.from({ length: 1 + this.below(4) }, () => this.of(marks))
    return `"${`${parts.join('')}${this.#names}`.replaceAll('"', '""')}"`
  }

  /** A text in quotes. */
  text(): string {
    const texts = [
      '',
      '\\.',
      '\\N',
      '\\',
      "'",
      '"',
      '\n',
      '\t',
      '\r\n',
      '\\.\n',
      'COPY x FROM stdin;',
      '; drop',
      '$$',
      '--',
      '\b',
      'null',
    ]
    const parts = Array.from({ length: this.below(5) }, () => this.of([...texts, ...this.#letters]))
    return `E'${parts.join('').replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
  }
}

type Sort = (n: () => string, d: Draw, major: number) => string

const role = (d: Draw): string => `"${d.of(hostileRoles).replaceAll('"', '""')}"`

/** One of every type of object that pg_dump supports; each is independent of the others. */
const sorts: Record<string, Sort> = {
  rows: (n, d) => {
    const t = n()
    const rows = Array.from({ length: d.below(40) }, () => `(${d.text()}, ${d.of(['null', d.text()])})`)
    return `create table ${t} (${n()} text, ${n()} text);${rows.length > 0 ? `insert into ${t} values ${rows.join(', ')};` : ''}`
  },
  types: n =>
    `create table ${n()} as select 1.5::numeric(9,3) as a, 'NaN'::float8 as b, '-infinity'::date as c, '1 year -2 days 03:04:05.6'::interval as d,
       '\\xdeadbeef'::bytea as e, '{"k": [1, null]}'::jsonb as f, array[[1,null],[3,4]] as g, '[1,5)'::int4range as h, '10.0.0.0/8'::inet as i,
       '(1,2)'::point as j, b'101'::bit(3) as k, '12:34:56+02'::timetz as l, '{NULL,"NULL",""}'::text[] as m, 'a b'::tsvector as n, '1.23'::money as o;`,
  empty: n => `create table ${n()} ();`,
  dropped: n => {
    const [t, c] = [n(), n()]
    return `create table ${t} (a int, ${c} text, b int); alter table ${t} drop column a; insert into ${t} values ('x', 1);`
  },
  generated: (n, d) => {
    const t = n()
    return `create table ${t} (a int generated ${d.of(['always', 'by default'])} as identity (start 5 increment 3), b int generated always as (c * 2) stored, c int); insert into ${t} (c) values (1), (2);`
  },
  partitions: n => {
    const [t, p, q, r] = [n(), n(), n(), n()]
    return `create table ${t} (a int not null, b text) partition by range (a); create table ${p} partition of ${t} for values from (1) to (10);
      create table ${q} partition of ${t} default partition by hash (b); create table ${r} partition of ${q} for values with (modulus 1, remainder 0);
      create index ${n()} on ${t} (a); insert into ${t} values (5, 'x'), (50, 'y'); alter table ${t} add primary key (a, b);`
  },
  inheritance: n => {
    const [t, u] = [n(), n()]
    return `create table ${t} (a int check (a > 0)); create table ${u} (b int) inherits (${t}); insert into ${t} values (1); insert into ${u} values (2, 3);`
  },
  unlogged: n => `create unlogged table ${n()} as select 1 as a;`,
  storage: (n, d) => {
    const t = n()
    return `create table ${t} (a text, b int) with (fillfactor = ${50 + d.below(50)}, toast.autovacuum_enabled = off); alter table ${t} alter a set storage external, alter a set statistics 77, alter b set (n_distinct = -0.5), replica identity full;`
  },
  typed: n => {
    const y = n()
    return `create type ${y} as (a int, b text); create table ${n()} of ${y} (a with options primary key);`
  },
  view: n => {
    const [t, v] = [n(), n()]
    return `create table ${t} (a int primary key, b text); create view ${v} with (security_barrier) as select a, count(b) as ${n()} from ${t} group by a with local check option;`.replace(
      ' with local check option',
      '',
    )
  },
  viewCycle: n => {
    const [t, v] = [n(), n()]
    return `create view ${t} as select 1 as a; create view ${v} as select a from ${t}; create or replace view ${t} as select a from ${v} where false union all select 2;`
  },
  materialized: (n, d) =>
    `create materialized view ${n()} as select generate_series(1, 3) as a with ${d.of(['', 'no '])}data;`,
  sequence: (n, d) => {
    const s = n()
    return `create sequence ${s} as smallint increment -2 minvalue -100 maxvalue 7 start 7 cache 3 cycle; select setval('${s.replaceAll("'", "''")}', -${1 + d.below(50)}, ${d.of(['true', 'false'])});`
  },
  indexes: n => {
    const t = n()
    return `create table ${t} (a int, b text, c int[], d point); create unique index ${n()} on ${t} (a desc nulls last) include (b) where a > 0;
      create index ${n()} on ${t} using gin (c); create index ${n()} on ${t} using gist (d); create index ${n()} on ${t} using brin (a) with (pages_per_range = 7);
      create index ${n()} on ${t} using hash (lower(b)); create unique index ${n()} on ${t} (b) nulls not distinct; create index on ${t} ((a + 1), b text_pattern_ops);`
  },
  constraints: n => {
    const [t, u] = [n(), n()]
    return `create table ${t} (a int constraint ${n()} primary key, s int unique deferrable, r int4range, exclude using gist (r with &&)); create table ${u} (a int, b text);
      insert into ${u} values (-1, null); alter table ${u} add constraint ${n()} check (a > 0) not valid, add constraint ${n()} foreign key (a) references ${t} on delete cascade deferrable initially deferred not valid;`
  },
  domain: n => {
    const y = n()
    return `create domain ${y} as int default 7; create table ${n()} (a ${y}); alter domain ${y} add constraint ${n()} check (value > 0) not valid;`
  },
  enum: (n, d) => {
    const y = n()
    const text = d.text().slice(0, 40)
    return `create type ${y} as enum ('a', 'b', 'it''s'); alter type ${y} add value 'c' before 'b'; create table ${n()} (a ${y} default 'b', b text default ${text.endsWith("'") ? text : "'x'"}, c ${y}[]);`
  },
  composite: n => {
    const y = n()
    return `create type ${y} as (a int, b text collate "C"); create table ${n()} as select (1, 'x')::${y} as a;`
  },
  range: n => `create type ${n()} as range (subtype = float8, subtype_diff = float8mi);`,
  shell: n => `create type ${n()};`,
  sqlFunction: n =>
    `create function ${n()}(a int, out b text, variadic c int[]) returns text language sql stable parallel safe cost 7 set search_path to pg_catalog, public as $x$ select E'\\n\\\\.\\n' || $1; $x$;`,
  atomicFunction: n =>
    `create function ${n()}(a int) returns int language sql begin atomic select 1; select case when a > 0 then 2 else 3 end; end;`,
  procedure:
    n => `create procedure ${n()}(inout a int) language plpgsql security definer as $$ begin a := a + 1; -- ; $x$ end
      commit; end $$;`,
  aggregate: n =>
    `create aggregate ${n()} (int) (sfunc = int4pl, stype = int, initcond = '0', combinefunc = int4pl, parallel = safe);`,
  operator: n => {
    const f = n()
    return `create function ${f}(int, int) returns boolean language sql immutable as 'select $1 = $2'; create operator ===== (leftarg = int, rightarg = int, procedure = ${f}, commutator = =====, restrict = eqsel);`
  },
  operatorClass: n => {
    const c = n()
    return `create operator family ${n()} using btree; create operator class ${c} for type int using btree as operator 1 <, operator 2 <=, operator 3 =, operator 4 >=, operator 5 >, function 1 btint4cmp(int, int);
      create table ${n()} (a int); `
  },
  cast: n => {
    const [y, f] = [n(), n()]
    return `create type ${y} as (a int); create function ${f}(${y}) returns int language sql immutable as 'select ($1).a'; create cast (${y} as int) with function ${f}(${y}) as assignment;`
  },
  collation: n => {
    const c = n()
    return `create collation ${c} (locale = 'C'); create table ${n()} (a text collate ${c});`
  },
  conversion: n => `create conversion ${n()} for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8;`,
  search: n => {
    const [d, c] = [n(), n()]
    return `create text search dictionary ${d} (template = simple, accept = 'false'); create text search configuration ${c} (copy = simple);
      alter text search configuration ${c} alter mapping for word with ${d}, simple; create text search template ${n()} (lexize = dsimple_lexize);
      create text search parser ${n()} (start = prsd_start, gettoken = prsd_nexttoken, end = prsd_end, lextypes = prsd_lextype);`
  },
  rule: n => {
    const [t, u] = [n(), n()]
    return `create table ${t} (a int); create table ${u} (a int); create rule ${n()} as on insert to ${t} where new.a > 0 do also (insert into ${u} values (new.a); insert into ${u} values (-1));`
  },
  trigger: (n, d) => {
    const [t, f, g] = [n(), n(), n()]
    return `create table ${t} (a int, b int); create function ${f}() returns trigger language plpgsql as 'begin return new; end';
      create trigger ${g} before update of a on ${t} for each row when (old.a is distinct from new.a) execute function ${f}('it''s', '\\x');
      create constraint trigger ${n()} after insert on ${t} deferrable initially deferred for each row execute function ${f}();
      alter table ${t} ${d.of(['disable', 'enable always', 'enable replica'])} trigger ${g};`
  },
  eventTrigger: n => {
    const f = n()
    return `create function ${f}() returns event_trigger language plpgsql as 'begin end'; create event trigger ${n()} on ddl_command_end when tag in ('CREATE TABLE') execute function ${f}();`
  },
  policy: (n, d) => {
    const t = n()
    return `create table ${t} (a int); alter table ${t} enable row level security, force row level security; create policy ${n()} on ${t} as restrictive for update to ${role(d)} using (a > 0) with check (a < 9);`
  },
  publication: n => {
    const t = n()
    return `create table ${t} (a int primary key, b text); create publication ${n()} for table ${t} (a) where (a > 5) with (publish = 'insert'); create publication ${n()} for all tables;`
  },
  subscription: n =>
    `create subscription ${n()} connection 'host=127.0.0.1 port=1 password=''x''' publication ${n()} with (connect = false, slot_name = 'none', binary = true, streaming = on);`,
  foreign: (n, d) => {
    const [w, s, t] = [n(), n(), n()]
    return `create foreign data wrapper ${w} options (a 'b'); create server ${s} type 'x' version '1' foreign data wrapper ${w} options (host 'it''s'); create user mapping for ${role(d)} server ${s} options (password 'x;');
      create foreign table ${t} (a int options (b 'c')) server ${s} options (d 'e');`
  },
  statistics: n => {
    const t = n()
    return `create table ${t} (a int, b int); create statistics ${n()} (dependencies, mcv) on a, b from ${t}; create statistics ${n()} on (a + b) from ${t};`
  },
  comments: (n, d) => {
    const t = n()
    const text = d.text()
    return `create table ${t} (a int); comment on table ${t} is ${text}; comment on column ${t}.a is ${text};`
  },
  grants: (n, d) => {
    const [t, s, f] = [n(), n(), n()]
    return `create table ${t} (a int, b int); create schema ${s} authorization ${role(d)}; create function ${f}() returns int language sql as 'select 1';
      grant select, insert (a) on ${t} to ${role(d)} with grant option; grant all on ${t} to public; revoke execute on function ${f}() from public; grant usage on schema ${s} to ${role(d)};
      alter default privileges for role ${role(d)} in schema ${s} grant select on tables to ${role(d)}; alter table ${t} owner to ${role(d)};`
  },
  largeObjects: (n, d) => {
    const id = 100_000 + d.below(1_000_000)
    return `select lo_from_bytea(${id}, '\\x00ff5c2e0a'); select lo_create(0); alter large object ${id} owner to ${role(d)}; grant select on large object ${id} to ${role(d)}; comment on large object ${id} is ${n().replaceAll("'", "''").replace(/^"|"$/g, "'").replace(/"$/, "'").replaceAll('""', '"').replaceAll('\\', '')};`
  },
  extension: (n, d) => {
    const s = n()
    return `create schema ${s}; create extension ${d.of(['hstore', 'citext', 'ltree', 'pg_trgm', 'pgcrypto', 'intarray', 'cube', 'isn'])} schema ${s};`
  },
  language: n => {
    // pg_dump dumps a language completely only if its handlers are user-defined.
    const [h, i, v] = [n(), n(), n()]
    return `create function ${h}() returns language_handler language c as '$libdir/plpgsql', 'plpgsql_call_handler'; create function ${i}(internal) returns void strict language c as '$libdir/plpgsql', 'plpgsql_inline_handler';
      create function ${v}(oid) returns void strict language c as '$libdir/plpgsql', 'plpgsql_validator'; create trusted language ${n()} handler ${h} inline ${i} validator ${v};`
  },
  accessMethod: n => {
    const m = n()
    return `create access method ${m} type table handler heap_tableam_handler; create table ${n()} using ${m} as select 1 as a;`
  },
  checksThatSearch: n => {
    // A dump empties the search path, and writes the rows of tables in the order of their names.
    const [t, f, g] = [n(), n(), n()]
    return `set search_path to public; create table if not exists zz_ref (a int); insert into zz_ref values (1); create function public.${f}(int) returns boolean language plpgsql as 'begin return exists (select from zz_ref where a = $1); end';
      create table ${t} (a int check (public.${f}(a)), b int); insert into ${t} values (1, 2);
      create function public.${g}(int) returns int language plpgsql immutable as 'begin return zz_double($1); end'; create or replace function zz_double(int) returns int language sql immutable as 'select $1 * 2';
      create table ${n()} (a int generated always as (public.${g}(b)) stored, b int); reset search_path`
  },
  mappings: n => {
    const [w, s] = [n(), n()]
    return `create foreign data wrapper ${w}; create server ${s} foreign data wrapper ${w}; create user mapping for public server ${s} options (user 'x''y'); create user mapping for current_user server ${s}`
  },
  dependentViews: n => {
    const [a, b, c] = [n(), n(), n()]
    return `create materialized view ${a} as select 1 as x; create materialized view ${b} as select x, 2 as y from ${a}; create unique index ${n()} on ${b} (y); create view ${c} as select * from ${b}; create materialized view ${n()} as select * from ${c} with no data`
  },
  generatedColumns: (n, _, major) => {
    const [p, q, t, u] = [n(), n(), n(), n()]
    return `create table ${p} (a int, b int generated always as (a * 2) stored) partition by list (a); create table ${q} partition of ${p} ${major >= 16 ? '(b generated always as (a * 3) stored)' : ''} for values in (1); insert into ${p} (a) values (1);
      create table ${t} (a int); create table ${u} (b int generated always as (a + 1) stored) inherits (${t}); insert into ${u} (a) values (4);
${major >= 18 ? `create table ${n()} (a int constraint ${n()} not null, b int generated always as (a + 1), constraint ${n()} check (a > 0) not enforced)` : ''}`
  },
  owners: (n, d) => {
    const [t, s] = [n(), n()]
    return `create table ${t} (a int generated by default as identity, b serial); alter table ${t} owner to ${role(d)}; create sequence ${s}; alter sequence ${s} owner to ${role(d)}; create view ${n()} as select * from ${t}; create table ${n()} (like ${t} including defaults including constraints including storage)`
  },
  circularKeys: n => {
    const [t, u] = [n(), n()]
    return `create table ${t} (a int primary key, b int); create table ${u} (a int primary key, b int references ${t}); alter table ${t} add foreign key (b) references ${u}; insert into ${t} values (1, null); insert into ${u} values (1, 1); update ${t} set b = 1`
  },
  longNames: () =>
    `create table ${'y'.repeat(63)} (${'x'.repeat(63)} int unique, ${'x'.repeat(62)} int references ${'y'.repeat(63)} (${'x'.repeat(63)})); create index on ${'y'.repeat(63)} (${'x'.repeat(62)})`,
  wide: n =>
    `do $$ begin execute 'create table zz_wide (' || (select string_agg('c' || i || ' smallint', ',') from generate_series(1, 400) i) || ')'; end $$; insert into zz_wide (c400) values (1); create table ${n()} as select repeat('x\\y', 100000) as a`,
  systemGrants: (_, d) =>
    `revoke execute on function pg_catalog.pg_sleep(float8) from public; grant select (rolname) on pg_authid to ${role(d)};`,
  publicSchema: (_, d) =>
    `alter schema public owner to ${role(d)}; comment on schema public is ${d.text()}; revoke all on schema public from public;`,
}

const SETTINGS = [
  `search_path to "x;y", public`,
  `work_mem to '5MB'`,
  `statement_timeout to '10ms'`,
  `default_transaction_read_only to on`,
  `standard_conforming_strings to off`,
  `quote_all_identifiers to on`,
  `idle_in_transaction_session_timeout to '10ms'`,
  `application_name to 'it''s \\ "x"'`,
  `datestyle to 'German, DMY'`,
  `my.own to 'x=y, z'`,
]

/**
 * Statements that create the roles of a seed: those that the databases name, and others that have one another as
 * members, by the hands of roles that are no superusers.
 *
 * @param major of the server
 */
export function hostileRolesOf(seed: number, major: number): string {
  const d = new Draw(seed ^ 0x3c6ef372, 'äß漢字😀')
  const named = hostileRoles.map(name => `"${name.replaceAll('"', '""')}"`)
  const statements = named.map(name => `create role ${name}`)
  const others = Array.from({ length: 2 + d.below(5) }, () => d.name())
  for (const name of others) {
    const options = [
      d.of(['login', 'nologin']),
      d.of(['inherit', 'noinherit']),
      d.of(['', 'createdb', 'bypassrls', 'replication']),
      d.of(['', `valid until '2031-01-31 03:07:00+00'`, `valid until 'infinity'`]),
      `connection limit ${d.of([-1, 0, 7])}`,
    ]
    statements.push(`create role ${name} ${options.join(' ')}`)
    if (d.below(2) === 0) {
      statements.push(
        `set password_encryption to '${d.of(['md5', 'scram-sha-256'])}'`,
        `alter role ${name} password ${d.text()}`,
      )
    }
    if (d.below(2) === 0) statements.push(`comment on role ${name} is ${d.text()}`)
    if (d.below(2) === 0) statements.push(`alter role ${name} set ${d.of(SETTINGS)}`)
  }
  const makers = Array.from({ length: 1 + d.below(2) }, () => d.name())
  for (const maker of makers) {
    const made = Array.from({ length: 1 + d.below(4) }, () => d.name())
    statements.push(
      `create role ${maker} createrole createdb`,
      `set role ${maker}`,
      ...made.map(name => `create role ${name}`),
    )
    // Only who comes later becomes a member, so no circle closes.
    for (const [index, group] of made.entries()) {
      for (const member of made.slice(index + 1)) {
        if (d.below(2) === 0) statements.push(`grant ${group} to ${member} ${membership(d, major)}`)
      }
      const [before] = made.slice(index - 1, index)
      // By a member that may pass it on.
      if (before !== undefined && d.below(2) === 0) {
        statements.push(
          `grant ${before} to ${group} with admin option`,
          `set role ${group}`,
          `grant ${before} to ${d.of(others)}`,
          `set role ${maker}`,
        )
      }
    }
    statements.push('reset role', `grant ${d.of(made)} to ${d.of(others)} ${membership(d, major)}`)
    statements.push(
      `grant ${d.of(['pg_monitor', 'pg_read_all_data', 'pg_signal_backend'])} to ${d.of(made)} ${membership(d, major)}`,
    )
  }
  if (major >= 15) {
    statements.push(`grant set, alter system on parameter work_mem to ${d.of(others)} with grant option`)
    statements.push(`grant set on parameter my.own to public`)
  }
  return statements.join(';\n')
}

function membership(d: Draw, major: number): string {
  const since16 = ['with inherit false', 'with set false', 'with admin option, inherit true, set false']
  return d.of(['', 'with admin option', ...(major >= 16 ? since16 : [])])
}

/**
 * Generate the database of a seed.
 * @param major of its server
 */
export function hostileDatabase(seed: number, major: number): HostileDatabase {
  const start = new Draw(seed, 'ä')
  const encoding = start.of([ENCODINGS[0] as (typeof ENCODINGS)[number], ...ENCODINGS])
  const d = new Draw(seed ^ 0x5bd1e995, encoding.letters)
  // pg_dump itself corrupts a name whose bytes are invalid in the encoding of its own database, such as UTF-8 in
  // EUC_JP.
  const name = `${start.of(['', encoding.name === 'EUC_JP' ? '' : 'Ä', 'a=b ', "it's", '"', '\\', ' ', '%', 'postgresql://', '$(x)', ';', '|'])}${seed}`
  const quoted = `"${name.replaceAll('"', '""')}"`
  const locale = encoding.name === 'UTF8' ? start.of([`locale 'C'`, `locale 'C.UTF-8'`]) : `locale 'C'`
  const create = [
    `create database ${quoted} encoding '${encoding.name}' ${locale} template template0 owner ${role(d)} connection limit ${start.of([-1, 50])}`,
    ...Array.from({ length: start.below(4) }, () => `alter database ${quoted} set ${start.of(SETTINGS)}`),
    ...(start.below(3) === 0 ? [`alter role ${role(d)} in database ${quoted} set ${start.of(SETTINGS)}`] : []),
    ...(start.below(3) === 0 ? [`grant connect, temporary on database ${quoted} to ${role(d)} with grant option`] : []),
    ...(start.below(3) === 0 ? [`comment on database ${quoted} is 'it''s "x" \\ ä'`] : []),
    ...(start.below(6) === 0 ? [`alter database ${quoted} is_template true`] : []),
  ]
  const names = Object.keys(sorts)
  // Each type occurs within a few seeds; which of them occur together is drawn.
  const chosen = new Set(Array.from({ length: 9 }, (_, index) => names[(seed * 9 + index) % names.length] as string))
  for (let more = d.below(5); more > 0; more -= 1) chosen.add(d.of(names))
  const schema = d.name()
  const fill = [
    `set client_encoding to 'UTF8'; set statement_timeout to 0; set default_transaction_read_only to off; set standard_conforming_strings to on; set quote_all_identifiers to off; set idle_in_transaction_session_timeout to 0`,
    `create schema ${schema}; set search_path to ${schema}, public`,
    ...[...chosen].map(sort => (sorts[sort] as Sort)(() => d.name(), d, major)),
  ]
  return { name, create, fill: fill.join(';\n') }
}
