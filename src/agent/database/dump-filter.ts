import { connectedTo, NAME, ofDatabase, placed, unquoted } from './dump-facts.ts'
import type { Part } from './sql.ts'

/** How a dump is changed while it is loaded into a server. Names hold one character a byte. */
export interface Changes {
  /** Database of the dump → the database it is loaded into. */
  databases: ReadonlyMap<string, string>
  /** From a server's dump, load only this database and the roles; undefined: load everything. */
  only: string | undefined
  /** Roles that exist on the server. */
  existing: ReadonlySet<string>
  /** Tablespaces that exist on the server, and those that it has no directory for. */
  tablespaces: { existing: ReadonlySet<string>; missing: ReadonlySet<string> }
  /** The role that restores, and whether a password verifier matches the password it restores with. */
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
 * Changes a dump so that it loads beside the existing content of a server: databases are loaded under new names, only
 * objects of the dump itself are dropped, existing roles are not created again. Statements that change existing roles
 * would take effect immediately, so they are collected in `deferred` and run when the new databases replace the old
 * ones.
 */
export class DumpFilter {
  readonly #changes: Changes
  /** Complete statements. */
  readonly deferred: string[] = []
  /** What was changed that the operator should know. */
  readonly notes = new Set<string>()
  /** Undefined: before the first database. */
  #database: string | undefined
  /** The dump is in the part where --clean drops the objects it is about to create. */
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
      // This statement only makes template1 droppable, and nothing drops it here.
      if (text.includes('SET datistemplate = false')) return ''
      const { only, databases } = this.#changes
      if (only !== undefined && about.name !== only) return ''
      const renamed = databases.get(about.name)
      return this.#placed(renamed === undefined ? text : about.renamed(renamed))
    }
    if (this.#leftOut()) return ''
    if (/^DROP (?:DATABASE|ROLE|TABLESPACE) /.test(text)) return ''
    if (this.#database === undefined) return this.#global(text)
    // A new database has nothing to drop, and not everything that --clean drops exists. A view that others depend on is
    // not dropped but replaced.
    if (/^CREATE (?!OR REPLACE VIEW )/.test(text)) this.#dropping = false
    return this.#dropping && !/^(?:SET |SELECT pg_catalog\.set_config\()/.test(text) ? '' : this.#placed(text)
  }

  #placed(text: string): string {
    return placed(text, this.#changes.tablespaces.missing)
  }

  /** A statement about a global object, such as a role. */
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
        this.notes.add(`the password of ${admin} is not changed, although the copy has another one`)
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

  /**
   * For a dump of one database: everything belongs to that database, and statements about the database itself are left
   * out.
   */
  inside(database: string): this {
    this.#database = database
    this.#single = true
    this.#dropping = true
    return this
  }
}
