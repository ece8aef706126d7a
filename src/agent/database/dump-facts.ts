import { type Part, partsOf } from './sql.ts'

/** What a dump holds of one database. */
export interface DatabaseFacts {
  /** Empty in a dump of one database, unless its attributes name the database. */
  name: string
  /** The dump creates the database; otherwise it loads into one that every server has (`postgres`, `template1`). */
  created: boolean
  /** Tables as the dump writes them (`public."Odd"`), with the number of rows it holds of each. */
  rows: Map<string, number>
  largeObjects: number
  extensions: Set<string>
  /** `SET client_encoding`: the encoding of all names and data; `UTF8` if the dump does not set it. */
  encoding: string
  /** Statements other than SET, without those on the database itself: none for a database as a new server has it. */
  statements: number
}

/** What a dump contains, all of it read. Names are unquoted, one character a byte. */
export interface DumpFacts {
  /** Version of `pg_dumpall` or `pg_dump`. */
  of: 'server' | 'database'
  /** Version of the dumped server; 0 if the dump does not name it. */
  major: number
  versions: { server: string; client: string }
  /** It begins with `\restrict`, which psql supports since the releases of August 2025. */
  restricted: boolean
  /** It ends with its end marker. */
  complete: boolean
  /** Roles that it creates. */
  roles: Set<string>
  /** Roles that it needs, because they own something or have a privilege in it, with the number of occurrences. */
  needed: Map<string, number>
  /**
   * Tablespaces in use, with their directories; the directory is empty if the dump, as one of a single database, has
   * none.
   */
  tablespaces: Map<string, string>
  /** What the server had and the dump does not hold, as sentences. */
  notHeld: string[]
  /** In a dump of one database: the statements that create it and set its attributes, which are stored in comments. */
  attributes: string[]
  databases: DatabaseFacts[]
  bytes: number
}

/** Pattern for a name as SQL writes it. */
export const NAME = '(?:"(?:[^"]|"")+"|[A-Za-z_\\x80-\\xff][\\w$\\x80-\\xff]*)'

/** The name that an SQL identifier denotes. Both hold one character a byte. */
export function unquoted(text: string): string {
  return text.startsWith('"')
    ? text.slice(1, -1).replaceAll('""', '"')
    : text.replaceAll(/[A-Z]/g, letter => letter.toLowerCase())
}

/** Quote a name as an SQL identifier. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** Quote a text as an SQL string. */
export function literal(text: string): string {
  return text.includes('\\')
    ? `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
    : `'${text.replaceAll("'", "''")}'`
}

/** Decode a dump's bytes as text. */
export function readable(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

/** Encode a text as a dump's bytes. */
export function raw(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

const NAMES = `${NAME}(?:, ${NAME})*`

const patterns = {
  role: new RegExp(`^CREATE ROLE (${NAME});$`),
  database: new RegExp(`^CREATE DATABASE (${NAME}) `),
  tablespace: new RegExp(`^CREATE TABLESPACE (${NAME}) OWNER ${NAME} LOCATION '((?:[^']|'')*)'`),
  copy: /^COPY (.*?) (?:\((?:[^()"]|"(?:[^"]|"")*")*\) )?FROM stdin;$/s,
  table: new RegExp(`^CREATE (?:UNLOGGED )?TABLE (${NAME}\\.${NAME}) \\(`),
  extension: new RegExp(`^CREATE EXTENSION (?:IF NOT EXISTS )?(${NAME})`),
  largeObject: /^SELECT pg_catalog\.lo_create\('\d+'\);$/,
}

// The places where dumps name roles. A dump of one database has no CREATE ROLE: all of these must exist on the server.
const roleNames = [
  new RegExp(` OWNER TO (${NAME});$`),
  new RegExp(`^GRANT [\\s\\S]* ON [\\s\\S]* TO (${NAME})(?: WITH GRANT OPTION)?(?: GRANTED BY (${NAME}))?;$`),
  new RegExp(`^REVOKE [\\s\\S]* ON [\\s\\S]* FROM (${NAME})(?: GRANTED BY (${NAME}))?;$`),
  new RegExp(`^ALTER DEFAULT PRIVILEGES FOR ROLE (${NAME})[\\s\\S]* (?:TO|FROM) (${NAME})(?: WITH GRANT OPTION)?;$`),
  new RegExp(`^CREATE POLICY ${NAME} ON [\\s\\S]*? TO (${NAMES})(?: USING \\(| WITH CHECK \\(|;)`),
  new RegExp(`^CREATE USER MAPPING FOR (${NAME}) `),
  new RegExp(`^SET SESSION AUTHORIZATION (${NAME}|'(?:[^']|'')*');$`),
  new RegExp(`^ALTER ROLE (${NAME}) IN DATABASE `),
]
const NO_ROLES = new Set(['PUBLIC', 'DEFAULT', 'CURRENT_USER', 'SESSION_USER'])

const OF_DATABASE = [
  new RegExp(`^((?:CREATE|ALTER) DATABASE )(${NAME})`),
  new RegExp(`^(COMMENT ON DATABASE )(${NAME})`),
  new RegExp(`^(SECURITY LABEL [\\s\\S]* ON DATABASE )(${NAME})`),
  new RegExp(`^((?:GRANT|REVOKE) [\\s\\S]* ON DATABASE )(${NAME})`),
  new RegExp(`^(ALTER ROLE ${NAME} IN DATABASE )(${NAME})`),
  /^(UPDATE pg_catalog\.pg_database SET [\s\S]* WHERE datname = )('(?:[^']|'')*')/,
]

/** A statement of a dump about a whole database: which database, and the same statement for another one. */
export function ofDatabase(text: string): { name: string; renamed: (name: string) => string } | undefined {
  for (const pattern of OF_DATABASE) {
    const found = pattern.exec(text)
    if (!found) continue
    const [whole, before = '', named = ''] = found
    const isLiteral = named.startsWith("'")
    return {
      name: isLiteral ? named.slice(1, -1).replaceAll("''", "'") : unquoted(named),
      renamed: name => before + (isLiteral ? literal(name) : quoted(name)) + text.slice(whole.length),
    }
  }
  return undefined
}

// How a dump stores the attributes of its database: one comment line each, as JSON in ASCII.
const ATTRIBUTE = '-- database: '

const IN_TABLESPACE = [
  { pattern: new RegExp(`^SET default_tablespace = (${NAME});$`), instead: "SET default_tablespace = '';" },
  { pattern: new RegExp(`(?<=^CREATE DATABASE [\\s\\S]*) TABLESPACE = (${NAME});$`), instead: ';' },
]

/**
 * A statement without a tablespace that the server has no directory for: its content goes to the default tablespace.
 */
export function placed(statement: string, missing: ReadonlySet<string>): string {
  for (const { pattern, instead } of IN_TABLESPACE) {
    const name = pattern.exec(statement)?.[1]
    if (name && missing.has(unquoted(name))) return statement.replace(pattern, instead)
  }
  return statement
}

const NOT_HELD = '-- not held: '

/** What a dump does not hold, as a sentence in a comment line. */
export function notHeldLine(what: string): string {
  return NOT_HELD + asciiJson(raw(what))
}

function asciiJson(bytes: string): string {
  return JSON.stringify(bytes).replaceAll(/[\x7f-\xff]/g, one => `\\u00${one.charCodeAt(0).toString(16)}`)
}

/** A statement about a database, one character a byte, as a comment line. */
export function attributeLine(statement: string): string {
  return ATTRIBUTE + asciiJson(statement)
}

/** The database named by a `\connect` line. */
export function connectedTo(command: string): string | undefined {
  const words = /^\\connect (.*)\n$/.exec(command)?.[1]
  if (words === undefined) return undefined
  const named = /dbname='((?:[^'\\]|\\.)*)'/.exec(words)?.[1]
  if (named !== undefined) return named.replaceAll(/\\(.)/g, '$1').replaceAll('""', '"')
  return unquoted(words.trim())
}

/** The client encoding set by a statement or an `\encoding` line. */
export function encodingOf(text: string): string | undefined {
  return /^(?:SET client_encoding = '|\\encoding )(\w+)(?:';|\n)$/.exec(text)?.[1]
}

/** Collects the facts about a dump, part by part, in one pass. Memory grows only with the number of tables. */
export class FactsReader {
  readonly facts: DumpFacts = {
    of: 'database',
    major: 0,
    versions: { server: '', client: '' },
    restricted: false,
    complete: false,
    roles: new Set(),
    needed: new Map(),
    tablespaces: new Map(),
    notHeld: [],
    attributes: [],
    databases: [],
    bytes: 0,
  }
  /** It began as a dump does. */
  known = false
  #current: DatabaseFacts | undefined
  #table = ''
  #clientEncoding = 'UTF8'

  take(part: Part): void {
    const { facts } = this
    switch (part.type) {
      case 'rows':
        if (this.#current) {
          const before = this.#current.rows.get(this.#table) ?? 0
          this.#current.rows.set(this.#table, before + lines(part.bytes))
        }
        return
      case 'comment':
        this.#comment(part.text)
        return
      case 'command': {
        if (part.text.startsWith('\\restrict')) facts.restricted = true
        const name = connectedTo(part.text)
        if (name !== undefined && facts.of === 'server') this.#enter(name, false)
        this.#encoding(part.text)
        return
      }
      case 'statement':
        this.#statement(part.text)
    }
  }

  #enter(name: string, created: boolean): void {
    const found = this.facts.databases.find(database => database.name === name)
    this.#current = found ?? {
      name,
      created,
      rows: new Map(),
      largeObjects: 0,
      extensions: new Set(),
      encoding: 'UTF8',
      statements: 0,
    }
    if (!found) this.facts.databases.push(this.#current)
  }

  #comment(text: string): void {
    const { facts } = this
    const said = /^-- PostgreSQL database (cluster )?dump( complete)?$/m.exec(text)
    if (said && !this.known) {
      this.known = true
      facts.of = said[1] ? 'server' : 'database'
      if (facts.of === 'database') this.#enter('', false)
    } else if (said?.[2] && (facts.of === 'database' || said[1])) facts.complete = true
    const dumped = /^-- Dumped (from database|by pg_dump) version (\S+)/.exec(text)
    if (dumped) {
      facts.versions[dumped[1] === 'by pg_dump' ? 'client' : 'server'] = dumped[2] ?? ''
      if (dumped[1] !== 'by pg_dump') facts.major = Number.parseInt(dumped[2] ?? '', 10)
    }
    if (text.startsWith(NOT_HELD)) facts.notHeld.push(readable(JSON.parse(text.slice(NOT_HELD.length))))
    if (text.startsWith(ATTRIBUTE) && facts.of === 'database') {
      this.#attribute(JSON.parse(text.slice(ATTRIBUTE.length)))
    }
  }

  #encoding(text: string): void {
    this.#clientEncoding = encodingOf(text) ?? this.#clientEncoding
  }

  #attribute(statement: string): void {
    this.facts.attributes.push(statement)
    this.#need(statement)
  }

  #need(statement: string): void {
    const { needed, tablespaces } = this.facts
    for (const { pattern } of IN_TABLESPACE) {
      const name = pattern.exec(statement)?.[1]
      if (name && !tablespaces.has(unquoted(name))) tablespaces.set(unquoted(name), '')
    }
    for (const name of rolesIn(statement)) needed.set(name, (needed.get(name) ?? 0) + 1)
  }

  #statement(text: string): void {
    const { facts } = this
    if (facts.of === 'database' && ofDatabase(text)) {
      this.#attribute(text)
      return
    }
    const first = (pattern: RegExp): string | undefined => pattern.exec(text)?.[1]
    const role = first(patterns.role)
    if (role) facts.roles.add(unquoted(role))
    const tablespace = patterns.tablespace.exec(text)
    if (tablespace) facts.tablespaces.set(unquoted(tablespace[1] ?? ''), (tablespace[2] ?? '').replaceAll("''", "'"))
    const database = first(patterns.database)
    if (database && facts.of === 'server') {
      this.#enter(unquoted(database), true)
      this.#need(text)
    }
    const current = this.#current
    if (!current) return
    this.#encoding(text)
    if (!/^(?:SET |SELECT pg_catalog\.set_config|DROP DATABASE )/.test(text) && !ofDatabase(text)) {
      current.statements += 1
      // Not earlier: the settings of the next database precede its CREATE DATABASE.
      current.encoding = this.#clientEncoding
    }
    // pg_dump writes two spaces after a table without columns.
    const copied = first(patterns.copy)?.trimEnd()
    if (copied) this.#table = copied
    // Its rows come later, or never: a partitioned table has no rows itself.
    const made = copied ?? first(patterns.table)
    if (made && !current.rows.has(made)) current.rows.set(made, 0)
    const extension = first(patterns.extension)
    if (extension) current.extensions.add(unquoted(extension))
    if (patterns.largeObject.test(text)) current.largeObjects += 1
    this.#need(text)
  }
}

/** The roles named by a statement. */
function rolesIn(statement: string): string[] {
  for (const pattern of roleNames) {
    const found = pattern.exec(statement)
    if (!found) continue
    return (
      found
        .slice(1)
        .flatMap(names => [...(names ?? '').matchAll(new RegExp(`${NAME}|'(?:[^']|'')*'`, 'g'))].map(([name]) => name))
        .filter(name => !NO_ROLES.has(name))
        .map(name => (name.startsWith("'") ? name.slice(1, -1).replaceAll("''", "'") : unquoted(name)))
        // A user mapping for everybody is written in lower case; no role can have the name.
        .filter(name => name !== 'public')
    )
  }
  return []
}

/**
 * The counts of a dump: `tables` and `largeObjects`; for a server's dump also `databases` (without template1) and
 * `roles`; and the rows of each table as `rows:public.compound`, in a server's dump `rows:frag.public.compound`.
 */
export function countsOf({ of, databases, roles }: DumpFacts): Record<string, number> {
  const counts: Record<string, number> = {}
  if (of === 'server') {
    counts.databases = databases.filter(({ name }) => name !== 'template1').length
    counts.roles = roles.size
  }
  counts.tables = databases.reduce((sum, { rows }) => sum + rows.size, 0)
  counts.largeObjects = databases.reduce((sum, { largeObjects }) => sum + largeObjects, 0)
  for (const { name, rows } of databases) {
    const database = of === 'server' ? `${/^[a-z_][a-z0-9_]*$/.test(name) ? name : quoted(name)}.` : ''
    for (const [table, count] of rows) counts[`rows:${readable(database + table)}`] = count
  }
  return counts
}

/**
 * Read a dump to its end.
 *
 * @throws Error if it is not an SQL dump of PostgreSQL
 */
export async function readDump(chunks: AsyncIterable<Buffer>, onProgress: (bytes: number) => void): Promise<DumpFacts> {
  const reader = new FactsReader()
  const { facts } = reader
  async function* counted(): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      facts.bytes += chunk.length
      onProgress(facts.bytes)
      yield chunk
    }
  }
  for await (const part of partsOf(counted())) reader.take(part)
  if (!reader.known) throw new Error('it does not begin like a dump of pg_dump or pg_dumpall')
  return facts
}

/** Byte by byte: searching for each line is several times slower if rows are short. */
function lines(bytes: Buffer): number {
  let count = 0
  for (let at = 0; at < bytes.length; at += 1) if (bytes[at] === 0x0a) count += 1
  return count
}
