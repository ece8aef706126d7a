import { log } from '../run/log.ts'
import { Failure } from '../run/outcome.ts'
import { connectedTo, encodingOf, readable } from './dump-facts.ts'
import { type LeftOut, runKnown } from './left-out.ts'
import type { Server } from './postgres.ts'
import { type CopyTarget, Session, StatementError } from './session.ts'
import type { Part } from './sql.ts'

/** The result of a load. */
export interface Loaded {
  /** Errors that were skipped; none unless `goOn` is set. */
  errors: string[]
}

const COPY_FROM_STDIN = /^COPY [\s\S]* FROM stdin;$/
const QUOTED_CHARACTERS = 200

/**
 * Load a dump, one statement at a time. Rows are sent only while the server waits for the rows of that table, and only
 * as COPY data: no row can ever be run as a statement. The rows of a table that cannot be filled are withheld.
 *
 * @param parts of the dump, with the names of databases as they are on this server
 * @param request.database the database to start in
 * @param request.goOn continue after errors of statements
 * @param request.onProgress called with the bytes so far
 * @param request.leftOut collects what the server does not recognise
 * @throws Failure restore at the first error, unless `goOn` is set; unreachable if the connection is lost
 */
export async function loadDump(
  parts: AsyncIterable<Part>,
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
  try {
    await connect(request.database)
    let copying = ''
    for await (const part of parts) {
      request.stop.throwIfAborted()
      bytes += part.type === 'rows' ? part.bytes.length : part.text.length
      request.onProgress(bytes)
      switch (part.type) {
        case 'comment':
          // The next database is created in its own encoding, which this session's database may not support.
          if (elsewhere && /^-- PostgreSQL database dump complete$/m.test(part.text)) await connect(request.database)
          break
        case 'command': {
          const database = connectedTo(part.text)
          const encoding = encodingOf(part.text)
          if (database !== undefined) await connect(readable(database))
          else if (encoding) await session?.run(`set client_encoding = '${encoding}'`)
          else if (!/^\\(?:un)?restrict /.test(part.text)) {
            refused(new StatementError('a psql command that does not occur in dumps', '0A000'), part.text)
          }
          break
        }
        case 'statement':
          if (!session) break
          try {
            if (COPY_FROM_STDIN.test(part.text)) {
              copying = part.text
              target = await session.copy(Buffer.from(part.text, 'latin1'))
            } else await runKnown(session, part.text, request.leftOut)
          } catch (error) {
            refused(error, part.text)
          }
          break
        case 'rows':
          await target?.send(part.bytes)
          break
        case 'end of rows':
          try {
            await target?.end()
          } catch (error) {
            refused(error, copying)
          }
          target = undefined
      }
    }
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
