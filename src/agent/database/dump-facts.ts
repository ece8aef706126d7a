import { partsOf } from './sql.ts'

/** What a dump holds of one database. */
export interface DatabaseFacts {
  /** Empty in a dump of one database, which does not say it. */
  name: string
  /** The dump makes it; else it loads into the one that every server has (`postgres`, `template1`). */
  created: boolean
  /** Tables as the dump writes them (`public."Odd"`), with the rows that it holds of each. */
  rows: Map<string, number>
  largeObjects: number
  extensions: Set<string>
}

/** What a dump says of itself, all of it read. Names are as they are, without quotes. */
export interface DumpFacts {
  /** `pg_dumpall`'s or `pg_dump`'s. */
  of: 'server' | 'database'
  /** Of the server it was taken from; 0 where it does not say. */
  major: number
  versions: { server: string; client: string }
  /** It begins with `\restrict`, which psql knows since the releases of August 2025. */
  restricted: boolean
  /** Its last words are there. */
  complete: boolean
  /** That it creates. */
  roles: Set<string>
  /** That it needs: they own something or have a right in it. */
  needed: Map<string, number>
  databases: DatabaseFacts[]
  bytes: number
}

/** A name as SQL writes it, as a part of a pattern. */
export const NAME = '(?:"(?:[^"]|"")+"|[A-Za-z_\\x80-\\xff][\\w$\\x80-\\xff]*)'

/** The name that SQL text stands for. Both hold one character a byte. */
export function unquoted(text: string): string {
  return text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text.toLowerCase()
}

/** A name as SQL text. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A text as SQL text. */
export function literal(text: string): string {
  return text.includes('\\')
    ? `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
    : `'${text.replaceAll("'", "''")}'`
}

const patterns = {
  role: new RegExp(`^CREATE ROLE (${NAME});$`),
  database: new RegExp(`^CREATE DATABASE (${NAME}) `),
  copy: /^COPY (.*?) (?:\((?:[^()"]|"(?:[^"]|"")*")*\) )?FROM stdin;$/,
  table: new RegExp(`^CREATE (?:UNLOGGED )?TABLE (${NAME}\\.${NAME}) \\(`),
  extension: new RegExp(`^CREATE EXTENSION (?:IF NOT EXISTS )?(${NAME})`),
  owner: new RegExp(` OWNER TO (${NAME});$`),
  grant: new RegExp(`^GRANT [\\s\\S]* ON [\\s\\S]* TO (${NAME})(?: WITH GRANT OPTION)?(?: GRANTED BY ${NAME})?;$`),
  forRole: new RegExp(`^ALTER DEFAULT PRIVILEGES FOR ROLE (${NAME})[\\s\\S]* TO (${NAME})(?: WITH GRANT OPTION)?;$`),
  largeObject: /^SELECT pg_catalog\.lo_create\('\d+'\);$/,
}

/** The database that a `\connect` line names. */
export function connectedTo(command: string): string | undefined {
  const words = /^\\connect (.*)\n$/.exec(command)?.[1]
  if (words === undefined) return undefined
  const named = /dbname='((?:[^'\\]|\\.)*)'/.exec(words)?.[1]
  if (named !== undefined) return named.replaceAll(/\\(.)/g, '$1').replaceAll('""', '"')
  return unquoted(words.trim())
}

/**
 * Read a dump to its end.
 *
 * @throws Error where it is not an SQL dump of PostgreSQL
 */
export async function readDump(chunks: AsyncIterable<Buffer>, onProgress: (bytes: number) => void): Promise<DumpFacts> {
  const facts: DumpFacts = {
    of: 'database',
    major: 0,
    versions: { server: '', client: '' },
    restricted: false,
    complete: false,
    roles: new Set(),
    needed: new Map(),
    databases: [],
    bytes: 0,
  }
  let known = false
  let current: DatabaseFacts | undefined
  let table = ''
  const enter = (name: string, created: boolean): void => {
    const found = facts.databases.find(database => database.name === name)
    current = found ?? { name, created, rows: new Map(), largeObjects: 0, extensions: new Set() }
    if (!found) facts.databases.push(current)
  }
  async function* counted(): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      facts.bytes += chunk.length
      onProgress(facts.bytes)
      yield chunk
    }
  }
  for await (const part of partsOf(counted())) {
    if (part.kind === 'data') {
      if (current) current.rows.set(table, (current.rows.get(table) ?? -2) + newlines(part.bytes))
    } else if (part.kind === 'comment') {
      const said = /^-- PostgreSQL database (cluster )?dump( complete)?$/m.exec(part.text)
      if (said && !known) {
        known = true
        facts.of = said[1] ? 'server' : 'database'
        if (facts.of === 'database') enter('', false)
      } else if (said?.[2] && (facts.of === 'database' || said[1])) facts.complete = true
      const dumped = /^-- Dumped (from database|by pg_dump) version (\S+)/.exec(part.text)
      if (dumped) {
        facts.versions[dumped[1] === 'by pg_dump' ? 'client' : 'server'] = dumped[2] ?? ''
        if (dumped[1] !== 'by pg_dump') facts.major = Number.parseInt(dumped[2] ?? '', 10)
      }
    } else if (part.kind === 'command') {
      if (part.text.startsWith('\\restrict')) facts.restricted = true
      const name = connectedTo(part.text)
      if (name !== undefined && facts.of === 'server') enter(name, false)
    } else {
      const { text } = part
      const first = (pattern: RegExp): string | undefined => pattern.exec(text)?.[1]
      const need = (name: string | undefined): void => {
        if (name && name !== 'PUBLIC') facts.needed.set(unquoted(name), (facts.needed.get(unquoted(name)) ?? 0) + 1)
      }
      const role = first(patterns.role)
      if (role) facts.roles.add(unquoted(role))
      const database = first(patterns.database)
      if (database) enter(unquoted(database), true)
      // A table without columns is followed by two blanks.
      const copied = first(patterns.copy)?.trimEnd()
      if (copied) table = copied
      const made = first(patterns.table)
      // Its rows come later, or never: a partitioned table has none of its own.
      if (made && !current?.rows.has(made)) current?.rows.set(made, 0)
      if (copied) current?.rows.set(copied, -2)
      const extension = first(patterns.extension)
      if (extension) current?.extensions.add(unquoted(extension))
      if (patterns.largeObject.test(text) && current) current.largeObjects += 1
      need(first(patterns.owner))
      need(first(patterns.grant))
      const forRole = patterns.forRole.exec(text)
      need(forRole?.[1])
      need(forRole?.[2])
    }
  }
  if (!known) throw new Error('it does not begin as a dump of pg_dump or pg_dumpall does')
  return facts
}

function newlines(bytes: Buffer): number {
  let count = 0
  for (let at = bytes.indexOf(0x0a); at >= 0; at = bytes.indexOf(0x0a, at + 1)) count += 1
  return count
}
