import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { log } from './log.ts'
import { Failure } from './outcome.ts'
import type { Server } from './postgres.ts'

// Level 1 of igzip and level 3 of zstd: faster than pg_dump writes, and smaller than gzip's own default is fast.
// More than four threads of zstd would only hold memory, since no server feeds them.
const COMPRESSORS = {
  gzip: { program: 'igzip', args: ['-1', '-c'], suffix: 'gz' },
  zstd: {
    program: 'zstd',
    args: ['-3', `-T${Math.min(4, availableParallelism())}`, '-c', '-q'],
    suffix: 'zst',
  },
} as const

export type Compression = keyof typeof COMPRESSORS

/** The end of a dump's file name. */
export function suffixOf(compression: Compression): string {
  return COMPRESSORS[compression].suffix
}

/** What came out of one dump. */
export interface Dumped {
  /** Of the compressed file. */
  bytes: number
  sha256: string
  /** Of the SQL. */
  plainBytes: number
}

// pg_dump's last lines: "-- PostgreSQL database dump complete", and since the releases of August 2025 "\unrestrict"
// with a token of 63 characters after it.
const TAIL_BYTES = 1024
const MARKER = /^-- PostgreSQL database (?:cluster )?dump complete$/m

/**
 * Dump into a file in one pass: client program → compressor → file, hashed while it streams, and synced to the
 * volume. Each program's own exit code counts, what they say on stderr is logged and decides nothing, and the
 * dump must end with its marker.
 *
 * @param request.server.major of the server, for which the dump must be loadable
 * @throws Failure dump; the file is then to be removed
 */
export async function dumpToFile(request: {
  server: Server
  serverMajor: number
  program: 'pg_dump' | 'pg_dumpall'
  args: string[]
  compression: Compression
  file: string
  stop: AbortSignal
  onProgress: (plainBytes: number) => void
}): Promise<Dumped> {
  const { program, args: dumpArgs } = request
  const { program: compressor, args } = COMPRESSORS[request.compression]
  const out = await open(request.file, 'wx', 0o640)
  try {
    const dumper = spawn(program, dumpArgs, { env: { ...process.env, ...request.server.env }, signal: request.stop })
    const packer = spawn(compressor, args, { signal: request.stop })
    dumper.stdin.end()
    const said = [lastWords(program, dumper.stderr), lastWords(compressor, packer.stderr)]
    const ends = [ended(dumper), ended(packer)]

    const hash = createHash('sha256')
    let bytes = 0
    const write = async (): Promise<void> => {
      for await (const chunk of packer.stdout as AsyncIterable<Buffer>) {
        hash.update(chunk)
        bytes += chunk.length
        await out.writeFile(chunk)
      }
    }
    let plainBytes = 0
    let tail = Buffer.alloc(0)
    const feed = async (): Promise<void> => {
      // A compressor that dies closes its input; its exit code is the reason to tell.
      packer.stdin.on('error', () => {})
      const filter = request.serverMajor < 17 ? new UnknownSettingFilter() : undefined
      for await (const chunk of dumper.stdout as AsyncIterable<Buffer>) {
        plainBytes += chunk.length
        tail = lastBytes(tail, chunk)
        request.onProgress(plainBytes)
        for (const piece of filter ? filter.pass(chunk) : [chunk]) {
          if (!packer.stdin.write(piece) && !packer.stdin.destroyed) {
            await Promise.race([once(packer.stdin, 'drain'), once(packer.stdin, 'close')])
          }
        }
      }
      for (const piece of filter?.end() ?? []) packer.stdin.write(piece)
      packer.stdin.end()
    }
    const [, , dumpEnd, packEnd] = await Promise.all([write(), feed(), ...ends])
    const [dumpSaid, packSaid] = await Promise.all(said)
    if (request.stop.aborted) throw request.stop.reason
    if (dumpEnd) throw new Failure('dump', `${program} ${dumpEnd}${dumpSaid ? `: ${dumpSaid}` : ' without a word'}`)
    if (packEnd) throw new Failure('dump', `${compressor} ${packEnd}${packSaid ? `: ${packSaid}` : ' without a word'}`)
    if (!MARKER.test(tail.toString('utf8'))) {
      throw new Failure('dump', `${program} ended well, yet its dump has no end: the line "dump complete" is missing`)
    }
    await out.sync()
    return { bytes, sha256: hash.digest('hex'), plainBytes }
  } finally {
    await out.close()
  }
}

/** How a program ended: empty when well. */
async function ended(child: ChildProcess): Promise<string> {
  return await new Promise(resolve => {
    child.once('error', error => resolve(`cannot be run (${error.message})`))
    child.once('close', (code, signal) =>
      resolve(code === 0 ? '' : signal ? `was killed by ${signal}` : `ended with ${code}`),
    )
  })
}

/** Log a program's stderr line by line. @returns its last lines */
async function lastWords(program: string, stderr: Readable): Promise<string> {
  const last: string[] = []
  for await (const line of createInterface({ input: stderr })) {
    log(`${program}: ${line}`)
    last.push(line)
    if (last.length > 5) last.shift()
  }
  return last.join(' / ')
}

function lastBytes(before: Buffer, chunk: Buffer): Buffer<ArrayBuffer> {
  const joined = chunk.length >= TAIL_BYTES ? chunk : Buffer.concat([before, chunk])
  return Buffer.from(joined.subarray(-TAIL_BYTES))
}

const SETTING = Buffer.from('\nSET transaction_timeout = 0;\n')
const COPY = Buffer.from(' FROM stdin;\n')
const COPY_END = Buffer.from('\n\\.\n')
const LONGEST = SETTING.length

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
    const held = Math.max(from, at, buffer.length - LONGEST)
    if (held > from) pieces.push(buffer.subarray(from, held))
    this.#rest = buffer.subarray(held)
    return pieces
  }

  end(): Buffer[] {
    const rest = this.#rest
    this.#rest = Buffer.alloc(0)
    return rest.length > 0 ? [rest] : []
  }
}
