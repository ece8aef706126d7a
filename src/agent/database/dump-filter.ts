import { connectedTo, literal, NAME, quoted, unquoted } from './dump-facts.ts'
import { partsOf } from './sql.ts'

/** How a dump is changed on its way into a server. Names hold one character a byte. */
export interface Changes {
  /** Database of the dump → the one it is loaded into. */
  databases: ReadonlyMap<string, string>
  /** Of a server's dump, only this database and the roles; undefined: all. */
  only: string | undefined
  /** Roles that are on the server. */
  existing: ReadonlySet<string>
  /** The role that restores, and whether a password's verifier is that of the password it restores with. */
  admin: string
  isOwnPassword: (verifier: string) => boolean
  /** psql knows `\restrict`. */
  restrict: boolean
}

const WITHOUT_IF_EXISTS =
  /^(DROP (?:ACCESS METHOD|AGGREGATE|CAST|COLLATION|CONVERSION|DOMAIN|EVENT TRIGGER|EXTENSION|FOREIGN DATA WRAPPER|FOREIGN TABLE|FUNCTION|INDEX|MATERIALIZED VIEW|OPERATOR CLASS|OPERATOR FAMILY|OPERATOR|POLICY|PROCEDURAL LANGUAGE|PROCEDURE|PUBLICATION|RULE|SCHEMA|SEQUENCE|SERVER|STATISTICS|SUBSCRIPTION|TABLE|TEXT SEARCH (?:CONFIGURATION|DICTIONARY|PARSER|TEMPLATE)|TRANSFORM|TRIGGER|TYPE|USER MAPPING|VIEW)) (?!IF EXISTS )/
const ALTER_TABLE = /^ALTER TABLE (?!IF EXISTS )/
const DROP_CONSTRAINT = new RegExp(` DROP CONSTRAINT (?=${NAME};$)`)
const OF_DATABASE = [
  new RegExp(`^((?:CREATE|ALTER) DATABASE )(${NAME})`),
  new RegExp(`^(COMMENT ON DATABASE )(${NAME})`),
  new RegExp(`^(SECURITY LABEL [\\s\\S]* ON DATABASE )(${NAME})`),
  new RegExp(`^((?:GRANT|REVOKE) [\\s\\S]* ON DATABASE )(${NAME})`),
  new RegExp(`^(ALTER ROLE ${NAME} IN DATABASE )(${NAME})`),
  /^(UPDATE pg_catalog\.pg_database SET [\s\S]* WHERE datname = )('(?:[^']|'')*')/,
]
const CREATE_ROLE = new RegExp(`^CREATE ROLE (${NAME});$`)
const CREATE_TABLESPACE = new RegExp(`^CREATE TABLESPACE (${NAME}) `)
const ROLE = new RegExp(`^(?:ALTER ROLE|COMMENT ON ROLE) (${NAME})`)
const MEMBER = new RegExp(`^GRANT (${NAME}) TO (${NAME})`)
const PASSWORD = / PASSWORD '((?:[^']|'')*)'/

/**
 * Changes a dump so that it loads beside what a server has: databases get the names of new ones, nothing is dropped
 * that is not the dump's own, roles that exist are not created again. What the dump says of roles that exist, and that
 * would so be felt at once, is kept back in `deferred`: to be run when the new databases take their places.
 */
export class DumpFilter {
  readonly #changes: Changes
  /** Statements, whole. */
  readonly deferred: string[] = []
  /** What was changed that a person should know. */
  readonly notes = new Set<string>()
  /** Undefined: before the first database. */
  #database: string | undefined
  /** The dump is where --clean drops what it is going to make. */
  #dropping = false

  constructor(changes: Changes) {
    this.#changes = changes
  }

  async *changed(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const part of partsOf(chunks)) {
      if (part.kind === 'data') {
        if (!this.#leftOut()) yield part.bytes
        continue
      }
      const text =
        part.kind === 'comment'
          ? part.text
          : part.kind === 'command'
            ? this.#command(part.text)
            : this.#statement(part.text)
      if (text !== '') yield Buffer.from(text, 'latin1')
    }
  }

  #leftOut(): boolean {
    const { only } = this.#changes
    return only !== undefined && this.#database !== undefined && this.#database !== only
  }

  #command(line: string): string {
    const database = connectedTo(line)
    if (database === undefined) return this.#changes.restrict ? line : ''
    this.#database = database
    if (this.#leftOut()) return ''
    const renamed = this.#changes.databases.get(database)
    return renamed === undefined ? line : `\\connect ${renamed}\n`
  }

  #statement(text: string): string {
    for (const pattern of OF_DATABASE) {
      const found = pattern.exec(text)
      if (!found) continue
      const [whole, before = '', named = ''] = found
      const name = named.startsWith("'") ? named.slice(1, -1).replaceAll("''", "'") : unquoted(named)
      if (before.startsWith('CREATE')) this.#database = name
      // It makes template1 droppable, which nothing drops here.
      if (text.includes('SET datistemplate = false')) return ''
      const { only, databases } = this.#changes
      if (only !== undefined && name !== only) return ''
      const renamed = databases.get(name)
      if (renamed === undefined) return text
      return before + (named.startsWith("'") ? literal(renamed) : quoted(renamed)) + text.slice(whole.length)
    }
    if (this.#leftOut()) return ''
    if (/^DROP (?:DATABASE|ROLE|TABLESPACE) /.test(text)) return ''
    if (this.#database === undefined) return this.#global(text)
    // A new database has nothing to drop: a dump of --clean that lacks --if-exists would stop there.
    if (text.startsWith('CREATE ')) this.#dropping = false
    if (!this.#dropping) return text
    if (/^SELECT pg_catalog\.lo_unlink\('\d+'\);$/.test(text)) return ''
    return text
      .replace(WITHOUT_IF_EXISTS, '$1 IF EXISTS ')
      .replace(ALTER_TABLE, 'ALTER TABLE IF EXISTS ')
      .replace(DROP_CONSTRAINT, ' DROP CONSTRAINT IF EXISTS ')
  }

  /** A statement on roles and the like. */
  #global(text: string): string {
    const { existing, admin } = this.#changes
    const created = CREATE_ROLE.exec(text)?.[1]
    if (created) return existing.has(unquoted(created)) ? '' : text
    if (CREATE_TABLESPACE.test(text)) return text
    const role = ROLE.exec(text)?.[1]
    if (role && existing.has(unquoted(role))) {
      const password = PASSWORD.exec(text)?.[1]
      if (unquoted(role) === admin && password !== undefined && !this.#changes.isOwnPassword(password)) {
        this.notes.add(`the password of ${admin} stays as it is, for the copy has another one`)
        this.deferred.push(text.replace(PASSWORD, ''))
      } else this.deferred.push(text)
      return ''
    }
    const member = MEMBER.exec(text)
    if (member && [member[1], member[2]].some(name => name && existing.has(unquoted(name)))) {
      this.deferred.push(text)
      return ''
    }
    return text
  }

  /** For a dump of one database, which has no word on databases: everything is that one's. */
  inside(database: string): this {
    this.#database = database
    this.#dropping = true
    return this
  }
}
