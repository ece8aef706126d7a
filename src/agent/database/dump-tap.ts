import { readSync, writeSync } from 'node:fs'
import { constants, zstdCompressSync } from 'node:zlib'
import {
  attributeLine,
  connectedTo,
  countsOf,
  FactsReader,
  NAME,
  ofDatabase,
  raw,
  readable,
  unquoted,
} from './dump-facts.ts'
import { type Part, SqlCutter } from './sql.ts'

// A separate program in the pipe `pg_dump | dump-tap | igzip`, with plain blocking reads and writes: the whole dump
// passes through it, and the streams of the agent's own process would take five times the CPU. zstd is done here
// because one process less in the pipe saves a tenth of the time. Node has no gzip as fast as igzip.

/** The tap's report, written to descriptor 3. */
export interface Tapped {
  /** Of the SQL. */
  plainBytes: number
  /** The dump ends with its marker. */
  complete: boolean
  /** @see countsOf */
  counts: Record<string, number>
  /** Names of the databases and of the roles in the dump of a server. */
  databases: string[]
  roles: string[]
}

const DROP_ROLE = new RegExp(`^DROP ROLE IF EXISTS (${NAME});$`)

/** Reads the dump and passes it on, possibly changed. */
export class Tap {
  readonly #cutter = new SqlCutter()
  readonly #reader = new FactsReader()
  readonly #write: (bytes: Buffer) => void
  /** Servers before version 17 do not know `transaction_timeout`, which pg_dump sets to 0 for any server. */
  readonly #withoutTransactionTimeout: boolean
  readonly #user: string | undefined
  #insert: string
  #plainBytes = 0

  /**
   * @param write receives the output; the memory is reused when it returns
   * @param serverMajor the server that the dump must load into
   * @param insert SQL text, in ASCII, inserted after the dump's first settings
   * @param user the role that dumps; the dump of a server does not drop it
   */
  constructor(write: (bytes: Buffer) => void, serverMajor: number, insert = '', user?: string) {
    this.#write = write
    this.#insert = insert
    this.#user = user === undefined ? undefined : raw(user)
    this.#withoutTransactionTimeout = serverMajor < 17
  }

  take(chunk: Buffer): void {
    this.#plainBytes += chunk.length
    for (const part of this.#cutter.parts(chunk)) this.#part(part)
  }

  end(): Tapped {
    for (const part of this.#cutter.end()) this.#part(part)
    const { facts } = this.#reader
    return {
      plainBytes: this.#plainBytes,
      complete: facts.complete,
      counts: countsOf(facts),
      databases: facts.databases.map(({ name }) => readable(name)),
      roles: [...facts.roles].map(readable),
    }
  }

  #part(part: Part): void {
    this.#reader.take(part)
    if (part.type === 'rows') this.#write(part.bytes)
    else this.#write(Buffer.from(this.#changed(part), 'latin1'))
    if (this.#insert !== '' && part.type === 'statement' && part.text === 'SET standard_conforming_strings = on;') {
      this.#write(Buffer.from(`\n${this.#insert}`))
      this.#insert = ''
    }
  }

  #changed(part: Exclude<Part, { type: 'rows' }>): string {
    if (this.#withoutTransactionTimeout && part.text === 'SET transaction_timeout = 0;') return ''
    if (this.#reader.facts.of === 'server') {
      // Nobody can drop the role they restore with, and the old recovery image removes `DROP ROLE <user>;` only, without
      // the IF EXISTS that lets all other roles be missing.
      const dropped = part.type === 'statement' ? DROP_ROLE.exec(part.text)?.[1] : undefined
      return dropped !== undefined && unquoted(dropped) === this.#user ? '' : part.text
    }
    // A dump of one database must load into any database: statements about the database itself are kept in comments.
    if (part.type === 'command') return connectedTo(part.text) === undefined ? part.text : ''
    return part.type === 'statement' && ofDatabase(part.text) ? attributeLine(part.text) : part.text
  }
}

/** Buffers small pieces, so that fewer writes are needed. */
export class Gathered {
  readonly #write: (bytes: Buffer) => void
  readonly #buffer = Buffer.allocUnsafe(64 * 1024)
  #filled = 0

  constructor(write: (bytes: Buffer) => void) {
    this.#write = write
  }

  take(bytes: Buffer): void {
    if (this.#filled + bytes.length > this.#buffer.length) this.end()
    if (bytes.length > this.#buffer.length) this.#write(bytes)
    else this.#filled += bytes.copy(this.#buffer, this.#filled)
  }

  end(): void {
    if (this.#filled > 0) this.#write(this.#buffer.subarray(0, this.#filled))
    this.#filled = 0
  }
}

// The level of igzip's -1, for the same reasons; a checksum in each frame, as the zstd program writes it.
const ZSTD = {
  chunkSize: 512 * 1024,
  params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 },
}

// Large enough that separate frames cost nothing in size, small enough that pg_dump hardly waits.
const FRAME_BYTES = 1024 * 1024

/** Compresses its input into consecutive zstd frames, which every zstd reads as one file. */
export class ZstdFrames {
  readonly #write: (bytes: Buffer) => void
  readonly #frame = Buffer.allocUnsafe(FRAME_BYTES)
  #filled = 0

  constructor(write: (bytes: Buffer) => void) {
    this.#write = write
  }

  take(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      const taken = bytes.copy(this.#frame, this.#filled, at)
      at += taken
      this.#filled += taken
      if (this.#filled === FRAME_BYTES) this.#finishFrame()
    }
  }

  end(): void {
    if (this.#filled > 0) this.#finishFrame()
  }

  #finishFrame(): void {
    this.#write(zstdCompressSync(this.#frame.subarray(0, this.#filled), ZSTD))
    this.#filled = 0
  }
}

/**
 * Copy descriptor 0 to descriptor 1.
 *
 * @param zstd compress the output
 */
function run(serverMajor: number, zstd: boolean): Tapped {
  const out = zstd ? new ZstdFrames(writeAll) : new Gathered(writeAll)
  const tap = new Tap(bytes => out.take(bytes), serverMajor, process.env.DUMP_INSERT, process.env.PGUSER)
  const buffer = Buffer.allocUnsafe(256 * 1024)
  for (;;) {
    const bytes = readSync(0, buffer, 0, buffer.length, null)
    if (bytes === 0) break
    tap.take(buffer.subarray(0, bytes))
  }
  const tapped = tap.end()
  out.end()
  return tapped
}

function writeAll(bytes: Buffer): void {
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at, bytes.length - at)
  } catch (error) {
    // The compressor has died, and its exit code is the one to report: exit as SIGPIPE, which Node ignores, would.
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') process.exit(141)
    throw error
  }
}

if (import.meta.main) {
  const told = Buffer.from(`${JSON.stringify(run(Number(process.argv[2]), process.argv[3] === 'zstd'))}\n`)
  for (let at = 0; at < told.length; ) at += writeSync(3, told, at)
}
