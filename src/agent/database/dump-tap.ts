import { readSync, writeSync } from 'node:fs'
import { constants, zstdCompressSync } from 'node:zlib'

// A program of its own in the pipe `pg_dump | dump-tap | igzip`, in plain blocking reads and writes: all of a dump
// passes here, and through the streams of the agent's own process it costs five times the CPU. zstd is done here: one
// program less to carry a dump through is worth a tenth of its time. Node has no gzip as fast as igzip.

// pg_dump's last lines: "-- PostgreSQL database dump complete", and since the releases of August 2025 "\unrestrict"
// with a token of 63 characters after it.
const TAIL_BYTES = 1024
const MARKER = /^-- PostgreSQL database (?:cluster )?dump complete$/m

const SETTING = Buffer.from('\nSET transaction_timeout = 0;\n')
const COPY = Buffer.from(' FROM stdin;\n')
const COPY_END = Buffer.from('\n\\.\n')

/** What the tap has seen, as it tells it on descriptor 3. */
export interface Tapped {
  /** Of the SQL. */
  plainBytes: number
  /** The dump ends with its marker. */
  complete: boolean
}

/**
 * Takes `SET transaction_timeout = 0;` out of a dump. pg_dump writes it for any server since version 17, and a
 * server before 17 does not know it, so `psql -v ON_ERROR_STOP=1` would stop there. Table data, which stands
 * between `COPY … FROM stdin;` and `\.`, passes untouched whatever it holds.
 */
export class UnknownSettingFilter {
  #rest: Buffer = Buffer.alloc(0)
  #inData = false

  /** @returns what may go on, in order; the last few bytes wait for the next chunk */
  pass(chunk: Buffer): Buffer[] {
    const buffer = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk
    const pieces: Buffer[] = []
    let at = 0
    let from = 0
    for (;;) {
      if (this.#inData) {
        // The end mark of an empty table begins with the line break that ended the COPY statement.
        const end = buffer.indexOf(COPY_END, at)
        if (end < 0) break
        this.#inData = false
        at = end + COPY_END.length - 1
        continue
      }
      const setting = buffer.indexOf(SETTING, at)
      const copy = buffer.indexOf(COPY, at)
      if (setting >= 0 && (copy < 0 || setting < copy)) {
        pieces.push(buffer.subarray(from, setting + 1))
        from = setting + SETTING.length
        // Its line break may begin the next match.
        at = from - 1
      } else if (copy >= 0) {
        this.#inData = true
        at = copy + COPY.length - 1
      } else break
    }
    const held = Math.max(from, at, buffer.length - SETTING.length)
    if (held > from) pieces.push(buffer.subarray(from, held))
    // A copy, because the buffer is read into again.
    this.#rest = Buffer.from(buffer.subarray(held))
    return pieces
  }

  end(): Buffer[] {
    const rest = this.#rest
    this.#rest = Buffer.alloc(0)
    return rest.length > 0 ? [rest] : []
  }
}

// The level of igzip's -1 for the same reasons; a checksum in each frame, as the zstd program writes it.
const ZSTD = {
  chunkSize: 512 * 1024,
  params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 },
}

// Large enough that a frame of its own costs nothing in size, small enough that pg_dump hardly waits for it.
const FRAME_BYTES = 1024 * 1024

/** Compresses what it is given into zstd frames one after the other, which every zstd reads as one file. */
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
 * Pass descriptor 0 on to 1.
 *
 * @param serverMajor of the server that the dump must load into
 * @param zstd compress it on the way
 */
function tap(serverMajor: number, zstd: boolean): Tapped {
  const frames = zstd ? new ZstdFrames(writeAll) : undefined
  const pass = frames ? (bytes: Buffer) => frames.take(bytes) : writeAll
  const filter = serverMajor < 17 ? new UnknownSettingFilter() : undefined
  const buffer = Buffer.allocUnsafe(256 * 1024)
  let tail = Buffer.alloc(0)
  let plainBytes = 0
  for (;;) {
    const bytes = readSync(0, buffer, 0, buffer.length, null)
    if (bytes === 0) break
    const chunk = buffer.subarray(0, bytes)
    plainBytes += bytes
    tail = Buffer.from((bytes >= TAIL_BYTES ? chunk : Buffer.concat([tail, chunk])).subarray(-TAIL_BYTES))
    for (const piece of filter ? filter.pass(chunk) : [chunk]) pass(piece)
  }
  for (const piece of filter?.end() ?? []) pass(piece)
  frames?.end()
  return { plainBytes, complete: MARKER.test(tail.toString('utf8')) }
}

function writeAll(bytes: Buffer): void {
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at, bytes.length - at)
  } catch (error) {
    // The compressor has died, and its exit code is the one to tell: end as SIGPIPE, which Node ignores, ends others.
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') process.exit(141)
    throw error
  }
}

if (import.meta.main) writeSync(3, `${JSON.stringify(tap(Number(process.argv[2]), process.argv[3] === 'zstd'))}\n`)
