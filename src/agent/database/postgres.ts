import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Failure } from '../run/outcome.ts'
import { psql, type Version, versionIn } from './programs.ts'

/** How to reach a server; what is not here libpq takes from its own variables and files. */
export interface Server {
  host: string
  user: string
  /** Variables for the client programs: the password is among them, so it is on no command line. */
  env: Record<string, string>
}

/** The server that the contract's variables name. */
export function serverOf(
  settings: { host: string; user: string },
  env: Readonly<Record<string, string | undefined>>,
): Server {
  const own: Record<string, string> = { PGHOST: settings.host, PGUSER: settings.user, PGCONNECT_TIMEOUT: '15' }
  // "-" is what the images in use take for "not supplied".
  if (env.PGADMINPASS && env.PGADMINPASS !== '-') own.PGPASSWORD = env.PGADMINPASS
  return { ...settings, env: own }
}

/**
 * One session of psql that stays open between statements, so that a transaction and its exported snapshot do.
 */
export class Session {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>
  readonly #stderr: string[] = []
  readonly #closed: Promise<unknown>

  constructor(server: Server, database: string) {
    this.#child = spawn(
      psql(),
      [
        '--no-psqlrc',
        '--quiet',
        '--no-align',
        '--tuples-only',
        '--no-password',
        '--set=ON_ERROR_STOP=1',
        '--dbname',
        database,
      ],
      { env: { ...process.env, ...server.env }, stdio: ['pipe', 'pipe', 'pipe'] },
    )
    const { stdout, stderr, stdin } = this.#child
    if (!stdout || !stderr || !stdin) throw new Error('psql was started without pipes')
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]()
    stderr.on('data', chunk => this.#stderr.push(String(chunk)))
    // A psql that ends early closes its input; what it said on stderr is the reason, not our write.
    stdin.on('error', () => {})
    this.#closed = once(this.#child, 'close')
    this.#closed.catch(() => {})
  }

  /**
   * Run a statement.
   *
   * @returns its rows, one text each, columns parted by `|`
   * @throws Failure unreachable with what psql said
   */
  async query(sql: string): Promise<string[]> {
    const mark = '-- end of answer --'
    this.#child.stdin?.write(`${sql};\n\\echo '${mark}'\n`)
    const rows: string[] = []
    for (;;) {
      const next = await this.#lines.next()
      if (next.done) {
        await this.#closed.catch(() => {})
        throw new Failure('unreachable', `the database server answered: ${this.#stderr.join('').trim() || 'nothing'}`)
      }
      if (next.value === mark) return rows
      rows.push(next.value)
    }
  }

  async one(sql: string): Promise<string> {
    return (await this.query(sql))[0] ?? ''
  }

  /** The server's version. */
  async serverVersion(): Promise<Version> {
    return versionIn(await this.one('show server_version'))
  }

  async close(): Promise<void> {
    this.#child.stdin?.end()
    await this.#closed.catch(() => {})
  }
}

// Counting a table reads all of it. 64 MB take about 0.1 s, so the default never adds much to a dump.
const QUICKLY_COUNTED_BYTES = 64 * 1024 * 1024

/**
 * What is in a database, counted in the session's own transaction: tables, large objects, and the rows of chosen
 * tables as `rows:<schema>.<table>`.
 *
 * @param tables `schema.table` names, or undefined for every table that is quickly counted
 */
export async function countDatabase(session: Session, tables: string[] | undefined): Promise<Record<string, number>> {
  const counts: Record<string, number> = {
    tables: Number(
      await session.one(
        `select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema')`,
      ),
    ),
    largeObjects: Number(await session.one('select count(*) from pg_largeobject_metadata')),
  }
  const named = (tables ?? []).map(name => `'${name.replaceAll("'", "''")}'`).join(', ')
  const chosen = await session.query(
    `select n.nspname || '.' || c.relname, format('%I.%I', n.nspname, c.relname)
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema')
       and ${tables ? `n.nspname || '.' || c.relname in (${named || "''"})` : `pg_relation_size(c.oid) <= ${QUICKLY_COUNTED_BYTES}`}
     order by 1`,
  )
  for (const row of chosen) {
    const at = row.lastIndexOf('|')
    counts[`rows:${row.slice(0, at)}`] = Number(await session.one(`select count(*) from only ${row.slice(at + 1)}`))
  }
  return counts
}

/** What is on a server: databases and roles that are not its own. */
export async function countServer(session: Session): Promise<Record<string, number>> {
  return {
    databases: Number(await session.one('select count(*) from pg_database where not datistemplate')),
    roles: Number(await session.one("select count(*) from pg_roles where rolname not like 'pg\\_%'")),
  }
}
