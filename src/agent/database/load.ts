import { log } from '../run/log.ts'
import { Failure } from '../run/outcome.ts'
import { connectedTo, encodingOf, readable } from './dump-facts.ts'
import { type LeftOut, runKnown } from './left-out.ts'
import type { Server } from './postgres.ts'
import { type CopyTarget, Session, StatementError, sqlState } from './session.ts'
import type { Part } from './sql.ts'

/** The result of a load. */
export interface Loaded {
  /** Errors that were skipped; none unless `goOn` is set. */
  errors: string[]
}

const COPY_FROM_STDIN = /^COPY [\s\S]* FROM stdin;$/
/** What may stand among a database's rows; everything else comes after them or before. */
const AMONG_ROWS = /^(?:COPY |SELECT pg_catalog\.|SET |BEGIN;|COMMIT;)/
// A dump empties the search path. A function that does not name its schemas then finds nothing: undefined table,
// function, object, schema.
const NOT_FOUND = new Set(['42P01', '42883', '42704', '3F000'])
/** A check may also read a table whose rows come later. */
const CHECK_VIOLATED = '23514'
const QUOTED_CHARACTERS = 200

/**
 * Load a dump, one statement at a time. Rows are sent only while the server waits for the rows of that table, and only
 * as COPY data: no row can ever be run as a statement. The rows of a table that cannot be filled are withheld.
 *
 * What fails because something is not found is tried again with the database's own search path; rows, and those that
 * violate a check, after the rows of all other tables.
 *
 * @param read reads the dump from its beginning, with the names of databases as they are on this server
 * @param request.database the database to start in
 * @param request.goOn continue after errors of statements
 * @param request.onProgress called with the bytes so far
 * @param request.leftOut collects what the server does not recognise
 * @throws Failure restore at the first error, unless `goOn` is set; unreachable if the connection is lost
 */
export async function loadDump(
  read: () => AsyncIterable<Part>,
  request: {
    server: Server
    database: string
    goOn: boolean
    stop: AbortSignal
    onProgress: (bytes: number) => void
    leftOut: LeftOut
  },
): Promise<Loaded> {
  const loaded: Loaded = { errors: [] }
  let session: Session | undefined
  let target: CopyTarget | undefined
  let bytes = 0
  let elsewhere = false
  const breakOff = (): void => session?.destroy()
  request.stop.addEventListener('abort', breakOff)
  const refused = (error: unknown, statement: string): void => {
    request.stop.throwIfAborted()
    if (!(error instanceof StatementError)) throw error
    const text = readable(statement).slice(0, QUOTED_CHARACTERS).trim().replaceAll(/\s+/g, ' ')
    const message = `${error.message} [SQLSTATE ${error.code}], in: ${text}`
    if (!request.goOn) throw new Failure('restore', message, { cause: error })
    log(`error: ${message}`)
    loaded.errors.push(message)
  }
  const connect = async (database: string): Promise<void> => {
    await session?.close()
    session = undefined
    elsewhere = database !== request.database
    try {
      session = await Session.open(request.server, database)
      // The search path of psql, for dumps that name tables without their schema.
      await session.run('set search_path = "$user", public')
    } catch (error) {
      request.stop.throwIfAborted()
      if (!request.goOn) throw error
      loaded.errors.push((error as Error).message)
      log(`error: ${(error as Error).message}; what the dump has for ${database} is withheld`)
    }
  }
  /** Tables of this database to fill again: the how-manieth COPY of the dump, and why it was refused. */
  const again = new Map<number, unknown>()
  const fillAgain = async (): Promise<void> => {
    const failed = new Map(again)
    again.clear()
    const inside = session
    if (failed.size === 0 || !inside) return
    await withOwnPath(inside, async () => {
      const last = Math.max(...failed.keys())
      let copies = 0
      let copying = ''
      for await (const part of read()) {
        request.stop.throwIfAborted()
        if (part.type === 'statement' && COPY_FROM_STDIN.test(part.text)) {
          copies += 1
          if (copies > last) return
          copying = part.text
          if (failed.has(copies)) target = await inside.copy(Buffer.from(part.text, 'latin1'))
        } else if (part.type === 'rows') await target?.send(part.bytes)
        else if (part.type === 'end of rows' && target) {
          await target
            .end()
            .catch(error => refused(sqlState(error) === CHECK_VIOLATED ? error : failed.get(copies), copying))
          target = undefined
        }
      }
    })
  }
  try {
    await connect(request.database)
    let copying = ''
    let copies = 0
    for await (const part of read()) {
      request.stop.throwIfAborted()
      bytes += part.type === 'rows' ? part.bytes.length : part.text.length
      request.onProgress(bytes)
      switch (part.type) {
        case 'comment':
          // The next database is created in its own encoding, which this session's database may not support.
          if (elsewhere && /^-- PostgreSQL database dump complete$/m.test(part.text)) {
            await fillAgain()
            await connect(request.database)
          }
          break
        case 'command': {
          const database = connectedTo(part.text)
          const encoding = encodingOf(part.text)
          if (database !== undefined) await fillAgain()
          if (database !== undefined) await connect(readable(database))
          else if (encoding) await session?.run(`set client_encoding = '${encoding}'`)
          else if (!/^\\(?:un)?restrict /.test(part.text)) {
            refused(new StatementError('a psql command that does not occur in dumps', '0A000'), part.text)
          }
          break
        }
        case 'statement': {
          const isCopy = COPY_FROM_STDIN.test(part.text)
          if (isCopy) copies += 1
          if (!session) break
          if (again.size > 0 && !AMONG_ROWS.test(part.text)) await fillAgain()
          try {
            if (isCopy) {
              copying = part.text
              target = await session.copy(Buffer.from(part.text, 'latin1'))
            } else await runFound(session, part.text, request.leftOut)
          } catch (error) {
            refused(error, part.text)
          }
          break
        }
        case 'rows':
          await target?.send(part.bytes)
          break
        case 'end of rows':
          try {
            await target?.end()
          } catch (error) {
            const code = sqlState(error) ?? ''
            if (NOT_FOUND.has(code) || code === CHECK_VIOLATED) again.set(copies, error)
            else refused(error, copying)
          }
          target = undefined
      }
    }
    await fillAgain()
  } finally {
    request.stop.removeEventListener('abort', breakOff)
    // In the middle of rows, an orderly end would commit those already sent.
    if (target) session?.destroy()
    await session?.close()
  }
  for (const [name, times] of request.leftOut) {
    log(
      `left out what ${request.server.host} does not know, and what holds no data: ${readable(name)} (${times} times)`,
    )
  }
  return loaded
}

/** Run a statement of a dump; if it does not find something, once more with the database's own search path. */
async function runFound(session: Session, statement: string, leftOut: LeftOut): Promise<void> {
  try {
    await runKnown(session, statement, leftOut)
  } catch (error) {
    if (!NOT_FOUND.has(sqlState(error) ?? '')) throw error
    let found = false
    await withOwnPath(session, async () => {
      await session.run(Buffer.from(statement, 'latin1'))
      found = true
    }).catch(() => {})
    if (!found) throw error
  }
}

/** Work under the search path that a session in this database usually has. */
async function withOwnPath(session: Session, work: () => Promise<void>): Promise<void> {
  const before = await session.one('show search_path')
  const own = await session.one(
    `select substr(setting, strpos(setting, '=') + 1) from pg_db_role_setting join pg_database d on d.oid = setdatabase, unnest(setconfig) setting
     where setrole = 0 and datname = current_database() and setting like 'search_path=%'`,
  )
  await session.rows(`select set_config('search_path', $1, false)`, [own ?? '"$user", public'])
  try {
    await work()
  } finally {
    await session.rows(`select set_config('search_path', $1, false)`, [before]).catch(() => {})
  }
}
