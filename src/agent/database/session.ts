import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { ConnectionOptions } from 'node:tls'
import pg from 'pg'
import { Failure } from '../run/outcome.ts'
import type { Server } from './postgres.ts'
import { type Version, versionIn } from './programs.ts'

// Settings that ALTER DATABASE or ALTER ROLE may have made and that would break or change our work. Startup options
// override all of those. lc_monetary and the like are not set: a dump's text was written under them and must be read
// under them.
const SETTINGS: Readonly<Record<string, string>> = {
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  default_transaction_read_only: 'off',
  default_transaction_isolation: 'read committed',
  default_transaction_deferrable: 'off',
  search_path: 'pg_catalog',
  role: 'none',
  row_security: 'off',
  // If the node of the agent is lost, its session ends within two minutes.
  tcp_keepalives_idle: '60',
  tcp_keepalives_interval: '10',
  tcp_keepalives_count: '6',
  standard_conforming_strings: 'on',
  quote_all_identifiers: 'off',
  array_nulls: 'on',
  transform_null_equals: 'off',
}
// Settings of later majors; an older server refuses a session that sets them.
const LATER_SETTINGS: readonly { since: number; name: string; value: string }[] = [
  { since: 14, name: 'idle_session_timeout', value: '0' },
  { since: 17, name: 'transaction_timeout', value: '0' },
]

/** For superusers, since PostgreSQL 17: no event trigger of the database runs, not even when a session begins. */
const WITHOUT_EVENT_TRIGGERS = '-c event_triggers=off'

/**
 * The startup options that override every setting of the database and the role; also for `PGOPTIONS`.
 *
 * @param major of the server; 0 if it is not known yet
 */
export function sessionOptions(major: number, before = ''): string {
  const later = LATER_SETTINGS.filter(({ since }) => major >= since).map(({ name, value }) => [name, value] as const)
  const ours = [...Object.entries(SETTINGS), ...later].map(
    ([name, value]) => `-c ${name}=${value.replaceAll(' ', '\\ ')}`,
  )
  return [before, ...ours].filter(Boolean).join(' ')
}

/** The error of a statement, as sent by the server. */
export class StatementError extends Error {
  /** SQLSTATE, five characters. */
  readonly code: string
  constructor(message: string, code: string) {
    super(message)
    this.name = 'StatementError'
    this.code = code
  }
}

const CONNECT_SECONDS = 15

type Row = Record<string, unknown>

/**
 * A session with a server, with all settings under our control. Names and values are passed unchanged: no name is
 * parsed as a connection string or truncated.
 */
export class Session {
  readonly #client: pg.Client
  /** Version of the server. */
  readonly version: Version
  /** `PGOPTIONS` for programs that connect to the server as this session does. */
  readonly options: string

  private constructor(client: pg.Client, version: Version, options: string) {
    this.#client = client
    this.version = version
    this.options = options
  }

  /** @throws Failure unreachable with the reason given by the server or the system */
  static async open(server: Server, database: string): Promise<Session> {
    const { client, without } = await connected(server, database)
    try {
      const { rows } = await client.query<{ version: string; encoding: string }>(
        `select current_setting('server_version') as version, current_setting('server_encoding') as encoding`,
      )
      const version = versionIn(rows[0]?.version ?? '')
      const session = new Session(client, version, sessionOptions(version.major, optionsOf(server, without)))
      // Such a database holds any bytes, and would refuse to send those that are not UTF-8.
      if (rows[0]?.encoding === 'SQL_ASCII') await session.run(`set client_encoding = 'SQL_ASCII'`)
      for (const { since, name, value } of LATER_SETTINGS) {
        if (session.version.major >= since) await session.run(`set ${name} = ${value}`)
      }
      return session
    } catch (error) {
      await client.end().catch(() => {})
      throw error
    }
  }

  /**
   * Run one query.
   * @throws Failure unreachable, with a StatementError as its cause if the server refused the query
   */
  async rows<T extends Row>(sql: string, values: readonly unknown[] = []): Promise<T[]> {
    try {
      return (await this.#client.query<T>(sql, [...values])).rows
    } catch (error) {
      throw failed(error as Error)
    }
  }

  /** The first column of each row. */
  async column<T = string>(sql: string, values: readonly unknown[] = []): Promise<T[]> {
    return (await this.rows(sql, values)).map(row => Object.values(row)[0] as T)
  }

  /** The first column of the first row. */
  async one<T = string>(sql: string, values: readonly unknown[] = []): Promise<T | undefined> {
    return (await this.column<T>(sql, values))[0]
  }

  /**
   * Run one statement, given as the bytes to send to the server.
   * @throws StatementError if it fails
   */
  async run(statement: string | Buffer): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const bytes = typeof statement === 'string' ? Buffer.from(statement) : statement
      this.#client.query(new RawStatement(bytes, done(resolve, reject)))
    })
  }

  /**
   * The number returned by a query given in bytes.
   * @throws StatementError if it fails
   */
  async number(query: Buffer): Promise<number> {
    return await new Promise<number>((resolve, reject) => {
      const raw = new RawStatement(
        query,
        done(() => resolve(Number(raw.firstField)), reject),
      )
      this.#client.query(raw)
    })
  }

  /**
   * Begin a COPY from stdin. Once this resolves, the server expects rows: whatever is then sent cannot be read as
   * anything else.
   *
   * @throws StatementError if the server refuses it
   */
  async copy(statement: Buffer): Promise<CopyTarget> {
    return await new Promise<CopyTarget>((resolve, reject) => {
      const raw = new RawStatement(statement, error => reject(error ?? new Error('the server wants no rows')))
      raw.onCopy = connection => resolve(new CopyTarget(raw, connection))
      this.#client.query(raw)
    })
  }

  /** Break the connection immediately, even in the middle of a statement. */
  destroy(): void {
    // The client's own end() waits for the running statement.
    ;(this.#client as unknown as { connection: Connection }).connection.stream.destroy()
  }

  async close(): Promise<void> {
    await this.#client.end().catch(() => {})
  }
}

// Undefined database; database does not accept connections; no CONNECT privilege.
const NOT_THIS_ONE = new Set(['3D000', '55000', '42501'])

/**
 * A session in any database of a server, for queries about the whole server. A template only if there is no other: a
 * session in one blocks CREATE DATABASE.
 *
 * @param but databases to stay out of, because they will be dropped or renamed
 */
export async function openAnywhere(
  server: Server,
  but: readonly string[] = [],
): Promise<{ session: Session; database: string }> {
  let refused: unknown
  for (const database of ['postgres', 'template1', ...(server.env.PGDATABASE ? [server.env.PGDATABASE] : [])]) {
    try {
      const session = await Session.open(server, database)
      if (database !== 'template1') return { session, database }
      const other = await session.one(
        `select datname::text from pg_database where datallowconn and not datistemplate and has_database_privilege(oid, 'connect')
         and not datname = any($1) order by oid limit 1`,
        [but],
      )
      if (other === undefined) return { session, database }
      await session.close()
      return { session: await Session.open(server, other), database: other }
    } catch (error) {
      refused ??= error
      if (!NOT_THIS_ONE.has(sqlState(error) ?? '')) throw error
    }
  }
  throw refused
}

/** Run a function with a new session, and close the session afterwards. */
export async function inDatabase<T>(
  server: Server,
  database: string,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await Session.open(server, database)
  try {
    return await work(session)
  } finally {
    await session.close()
  }
}

function done(resolve: () => void, reject: (error: Error) => void): (error?: Error) => void {
  return error => (error ? reject(error) : resolve())
}

/** What pg's own classes provide to a statement that they execute. */
interface Connection {
  stream: NodeJS.WritableStream & { destroy(): void; writableNeedDrain: boolean }
  sendCopyFromChunk(chunk: Buffer): void
  endCopyFrom(): void
  sendCopyFail(message: string): void
}

/**
 * A statement whose bytes are sent to the server unchanged, in the session's encoding: pg itself supports only UTF-8.
 * Implements pg's `Submittable`, as its cursors and streams do.
 */
class RawStatement implements pg.Submittable {
  readonly #bytes: Buffer
  readonly #done: (error?: Error) => void
  /** From the first row; exact only for ASCII. */
  firstField: string | undefined
  onCopy: ((connection: Connection) => void) | undefined
  onEnd: ((error?: Error) => void) | undefined

  constructor(bytes: Buffer, done: (error?: Error) => void) {
    this.#bytes = bytes
    this.#done = done
  }

  submit(connection: pg.Connection): void {
    const head = Buffer.alloc(5)
    head.write('Q')
    head.writeInt32BE(4 + this.#bytes.length + 1, 1)
    ;(connection as unknown as Connection).stream.write(Buffer.concat([head, this.#bytes, Buffer.alloc(1)]))
  }

  /** pg reports an error once, and nothing after it. */
  handleError(error: Error): void {
    this.#finish(asStatementError(error))
  }

  handleReadyForQuery(): void {
    this.#finish()
  }

  handleCopyInResponse(connection: Connection): void {
    if (this.onCopy) this.onCopy(connection)
    else connection.sendCopyFail('rows were not expected')
  }

  handleRowDescription(): void {}

  handleDataRow({ fields }: { fields: (string | null)[] }): void {
    this.firstField ??= fields[0] ?? undefined
  }

  handleCommandComplete(): void {}
  handleEmptyQuery(): void {}
  handlePortalSuspended(): void {}
  handleCopyData(): void {}

  #finish(error?: Error): void {
    const end = this.onEnd ?? this.#done
    end(error)
  }
}

/** A table whose rows the server is waiting for. */
export class CopyTarget {
  readonly #connection: Connection
  readonly #ended: Promise<void>
  #failed = false

  constructor(statement: RawStatement, connection: Connection) {
    this.#connection = connection
    this.#ended = new Promise((resolve, reject) => {
      statement.onEnd = done(resolve, reject)
    })
    this.#ended.catch(() => {
      this.#failed = true
    })
  }

  /** Send some bytes of rows; after the server has refused a row, the rest is dropped. */
  async send(rows: Buffer): Promise<void> {
    if (this.#failed) return
    this.#connection.sendCopyFromChunk(rows)
    const { stream } = this.#connection
    if (!stream.writableNeedDrain) return
    const drained = Promise.withResolvers<void>()
    stream.once('drain', drained.resolve)
    await Promise.race([drained.promise, this.#ended.catch(() => {})])
    stream.removeListener('drain', drained.resolve)
  }

  /** @throws StatementError if the server refused a row */
  async end(): Promise<void> {
    if (!this.#failed) this.#connection.endCopyFrom()
    await this.#ended
  }
}

function asStatementError(error: Error): Error {
  if (!(error instanceof pg.DatabaseError))
    return new Failure('unreachable', `the database server is gone: ${error.message}`, { cause: error })
  const where = [error.detail, error.where].filter(Boolean).join('; ')
  return new StatementError(`${error.severity}: ${error.message}${where ? ` (${where})` : ''}`, error.code ?? '')
}

function failed(error: Error): Failure {
  const cause = asStatementError(error)
  if (cause instanceof Failure) return cause
  return new Failure('unreachable', `the database server answered: ${cause.message}`, { cause })
}

/** The SQLSTATE of an error, or of its cause. */
export function sqlState(error: unknown): string | undefined {
  if (error instanceof StatementError || error instanceof pg.DatabaseError) return error.code
  return error instanceof Error && error.cause ? sqlState(error.cause) : undefined
}

const NO_TLS_THERE = 'The server does not support SSL connections'

// An older server does not know the setting; a role that is no superuser may not change it.
const NO_SUCH_OPTION = new Set(['42704', '42501'])
/** Servers that refused to start a session without event triggers. */
const withEventTriggers = new WeakSet<Server>()

function optionsOf({ env }: Server, without: boolean): string {
  return [env.PGOPTIONS, without ? WITHOUT_EVENT_TRIGGERS : ''].filter(Boolean).join(' ')
}

async function connected(server: Server, database: string): Promise<{ client: pg.Client; without: boolean }> {
  if (withEventTriggers.has(server)) return { client: await connectedWith(server, database, false), without: false }
  try {
    return { client: await connectedWith(server, database, true), without: true }
  } catch (error) {
    if (!NO_SUCH_OPTION.has(sqlState(error) ?? '')) throw error
    // The same refusal may be about the database itself: then this fails too.
    const client = await connectedWith(server, database, false)
    withEventTriggers.add(server)
    return { client, without: false }
  }
}

async function connectedWith(server: Server, database: string, without: boolean): Promise<pg.Client> {
  const { env } = server
  const config: pg.ClientConfig = {
    host: server.host,
    user: server.user,
    database,
    port: Number(env.PGPORT || 5432),
    // A server that knows the setting for event triggers knows the later settings too: none may end the session before it
    // can set them.
    options: sessionOptions(without ? 17 : 0, optionsOf(server, without)),
    application_name: env.PGAPPNAME || 'fragalysis-backups',
    client_encoding: 'UTF8',
    connectionTimeoutMillis: Number(env.PGCONNECT_TIMEOUT || CONNECT_SECONDS) * 1000,
    keepAlive: true,
    // undefined: read from the file named by PGPASSFILE, as libpq does.
    ...(env.PGPASSWORD !== undefined && { password: env.PGPASSWORD }),
  }
  let refused: Error | undefined
  for (const ssl of server.host.startsWith('/') ? [false as const] : tlsAttempts(env, server.host)) {
    const client = new pg.Client({ ...config, ssl })
    // If an idle session breaks, the next query reports it.
    client.on('error', () => {})
    try {
      await client.connect()
      return client
    } catch (error) {
      refused ??= error as Error
      if ((error as Error).message !== NO_TLS_THERE) refused = error as Error
      await client.end().catch(() => {})
    }
  }
  throw new Failure('unreachable', `the database server ${server.host} answered: ${reason(refused)}`, {
    cause: refused,
  })
}

function reason(error: Error | undefined): string {
  if (!error) return 'nothing'
  const system = error as NodeJS.ErrnoException & { errors?: Error[] }
  if (system.code === 'ECONNREFUSED') return `Connection refused (${system.errors?.[0]?.message ?? system.message})`
  return error.message || system.code || error.name
}

/** libpq's `sslmode`: what to try, in order. */
function tlsAttempts(env: Readonly<Record<string, string>>, host: string): (false | ConnectionOptions)[] {
  const mode = env.PGSSLMODE || 'prefer'
  const own = join(homedir(), '.postgresql')
  const file = (path: string): Buffer => {
    try {
      return readFileSync(path)
    } catch (error) {
      throw new Failure(
        'environment',
        `cannot read ${path} for TLS with the database server: ${(error as Error).message}`,
      )
    }
  }
  const client: ConnectionOptions = {
    ...(env.PGSSLCERT && { cert: file(env.PGSSLCERT) }),
    ...(env.PGSSLKEY && { key: file(env.PGSSLKEY) }),
  }
  const root = (): ConnectionOptions =>
    env.PGSSLROOTCERT === 'system' ? {} : { ca: file(env.PGSSLROOTCERT || join(own, 'root.crt')) }
  const unverified = { ...client, rejectUnauthorized: false }
  switch (mode) {
    case 'disable':
      return [false]
    case 'allow':
      return [false, unverified]
    case 'prefer':
      return [unverified, false]
    case 'require':
      return [env.PGSSLROOTCERT ? { ...client, ...root(), checkServerIdentity: () => undefined } : unverified]
    case 'verify-ca':
      return [{ ...client, ...root(), checkServerIdentity: () => undefined }]
    case 'verify-full':
      return [{ ...client, ...root(), host }]
    default:
      throw new Failure(
        'environment',
        `PGSSLMODE is "${mode}": use disable, allow, prefer, require, verify-ca or verify-full`,
      )
  }
}
