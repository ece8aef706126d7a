import { connectedTo, NAME, ofDatabase, placed, unquoted } from './dump-facts.ts'
import type { Part } from './sql.ts'

/** How a dump is changed on its way into a server. Names hold one character a byte. */
export interface Changes {
  /** Database of the dump → the one it is loaded into. */
  databases: ReadonlyMap<string, string>
  /** Of a server's dump, only this database and the roles; undefined: all. */
  only: string | undefined
  /** Roles that are on the server. */
  existing: ReadonlySet<string>
  /** Tablespaces that are on the server, and those that it has no place for. */
  tablespaces: { existing: ReadonlySet<string>; missing: ReadonlySet<string> }
  /** The role that restores, and whether a password's verifier is that of the password it restores with. */
  admin: string
  isOwnPassword: (verifier: string) => boolean
}

const CREATE_ROLE = new RegExp(`^CREATE ROLE (${NAME});$`)
const OF_TABLESPACE = new RegExp(
  `^(?:(?:CREATE|ALTER|COMMENT ON) TABLESPACE|(?:GRANT|REVOKE) [\\s\\S]*? ON TABLESPACE|SECURITY LABEL [\\s\\S]* ON TABLESPACE) (${NAME})`,
)
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
  /** The dump is where --clean drops what it is going to create. */
  #dropping = false
  #single = false

  constructor(changes: Changes) {
    this.#changes = changes
  }

  async *changed(parts: AsyncIterable<Part>): AsyncGenerator<Part> {
    for await (const part of parts) {
      switch (part.type) {
        case 'rows':
        case 'end of rows':
          if (!this.#leftOut()) yield part
          break
        case 'comment':
          if (/^-- (?:Data for )?Name: /.test(part.text)) this.#dropping = false
          yield part
          break
        case 'command':
        case 'statement': {
          const text = part.type === 'command' ? this.#command(part.text) : this.#statement(part.text)
          if (text !== '') yield { type: part.type, text }
        }
      }
    }
  }

  #leftOut(): boolean {
    const { only } = this.#changes
    return only !== undefined && this.#database !== undefined && this.#database !== only
  }

  #command(line: string): string {
    const database = connectedTo(line)
    if (database === undefined) return line
    if (this.#single) return ''
    this.#database = database
    if (this.#leftOut()) return ''
    const renamed = this.#changes.databases.get(database)
    return renamed === undefined ? line : `\\connect ${renamed}\n`
  }

  #statement(text: string): string {
    const about = ofDatabase(text)
    if (about) {
      if (this.#single) return ''
      if (text.startsWith('CREATE')) this.#database = about.name
      // It makes template1 droppable, which nothing drops here.
      if (text.includes('SET datistemplate = false')) return ''
      const { only, databases } = this.#changes
      if (only !== undefined && about.name !== only) return ''
      const renamed = databases.get(about.name)
      return this.#placed(renamed === undefined ? text : about.renamed(renamed))
    }
    if (this.#leftOut()) return ''
    if (/^DROP (?:DATABASE|ROLE|TABLESPACE) /.test(text)) return ''
    if (this.#database === undefined) return this.#global(text)
    // A new database has nothing to drop, and what --clean drops is not always there to be dropped. A view that others
    // depend on is not dropped by it but replaced.
    if (/^CREATE (?!OR REPLACE VIEW )/.test(text)) this.#dropping = false
    return this.#dropping && !/^(?:SET |SELECT pg_catalog\.set_config\()/.test(text) ? '' : this.#placed(text)
  }

  #placed(text: string): string {
    return placed(text, this.#changes.tablespaces.missing)
  }

  /** A statement on roles and the like. */
  #global(text: string): string {
    const { existing, admin } = this.#changes
    const created = CREATE_ROLE.exec(text)?.[1]
    if (created) return existing.has(unquoted(created)) ? '' : text
    const tablespace = OF_TABLESPACE.exec(text)?.[1]
    if (tablespace) {
      const { existing: there, missing } = this.#changes.tablespaces
      if (missing.has(unquoted(tablespace))) return ''
      if (!there.has(unquoted(tablespace))) return text
      if (!text.startsWith('CREATE')) this.deferred.push(text)
      return ''
    }
    if (text.startsWith('ALTER ROLE ALL ')) {
      this.deferred.push(text)
      return ''
    }
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

  /** For a dump of one database: everything is that one's, and what it says of the database itself is left out. */
  inside(database: string): this {
    this.#database = database
    this.#single = true
    this.#dropping = true
    return this
  }
}
