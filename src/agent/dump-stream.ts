import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { Tapped } from './dump-tap.ts'
import { log } from './log.ts'
import { Failure } from './outcome.ts'
import type { Server } from './postgres.ts'

// The lowest levels: both leave the server's and pg_dump's own work as what a dump waits for, and level 1 of
// either is about as small as what gzip makes of SQL by default. More than four threads of zstd would only hold
// memory, since no server feeds them.
const COMPRESSORS = {
  gzip: { command: ['igzip', '-1', '-c'], suffix: 'gz' },
  zstd: { command: ['zstd', '-1', `-T${Math.min(4, availableParallelism())}`, '-c', '-q'], suffix: 'zst' },
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

const TAP = fileURLToPath(new URL('./dump-tap.ts', import.meta.url))

// The pipe is a shell's, since Node would carry the dump through its own process. What each program ended with goes
// to descriptor 4. $1 is the tap's server version, $2 how many words the compressor has.
const PIPE = `
set -u; tap=("$NODE" "$TAP" "$1"); words=$2; shift 2
compressor=("\${@:1:words}"); shift "$words"
"$@" 3>&- 4>&- | "\${tap[@]}" 4>&- | "\${compressor[@]}" 3>&- 4>&-
echo "\${PIPESTATUS[*]}" >&4
`

/**
 * Dump into a file in one pass: client program → tap → compressor → file, hashed while it streams, and synced to the
 * volume. Each program's own exit code counts, what they say on stderr is logged and decides nothing, and the
 * dump must end with its marker.
 *
 * @param request.serverMajor of the server, into which the dump must load
 * @param request.onProgress takes the compressed bytes so far
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
  onProgress: (bytes: number) => void
}): Promise<Dumped> {
  const compressor = COMPRESSORS[request.compression].command
  const out = await open(request.file, 'wx', 0o640)
  // A group of its own, so that all of the pipe can be stopped at once.
  const pipe = spawn(
    'bash',
    [
      '-c',
      PIPE,
      'pipe',
      String(request.serverMajor),
      String(compressor.length),
      ...compressor,
      request.program,
      ...request.args,
    ],
    {
      env: { ...process.env, ...request.server.env, NODE: process.execPath, TAP },
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
      detached: true,
    },
  )
  const stop = (): void => {
    if (pipe.pid) process.kill(-pipe.pid, 'SIGTERM')
  }
  request.stop.addEventListener('abort', stop)
  try {
    const [, stdout, stderr, tapOut, statusOut] = pipe.stdio as [null, Readable, Readable, Readable, Readable]
    const said = lastWords(stderr)
    const tapSaid = text(tapOut)
    const statusSaid = text(statusOut)
    const ended = once(pipe, 'close')
    const hash = createHash('sha256')
    let bytes = 0
    for await (const chunk of stdout as AsyncIterable<Buffer>) {
      hash.update(chunk)
      bytes += chunk.length
      request.onProgress(bytes)
      await out.writeFile(chunk)
    }
    await ended
    request.stop.throwIfAborted()
    const words = await said
    const names = [request.program, 'the tap', compressor[0]]
    const statuses = (await statusSaid).trim().split(' ').map(Number)
    // A program that failed breaks the pipe of those before it, so the last that failed by itself is the cause.
    const failed = names
      .map((name, index) => ({ name, status: statuses[index] ?? -1 }))
      .filter(({ status }) => status !== 0)
    const cause = failed.findLast(({ status }) => status !== SIGPIPE) ?? failed[0]
    if (cause)
      throw new Failure('dump', `${cause.name} ${endOf(cause.status)}${words ? `: ${words}` : ', without a word'}`)
    const tapped = JSON.parse(await tapSaid) as Tapped
    if (!tapped.complete) {
      throw new Failure(
        'dump',
        `${request.program} ended well, yet its dump has no end: the line "dump complete" is missing after ${tapped.plainBytes} bytes`,
      )
    }
    await out.sync()
    return { bytes, sha256: hash.digest('hex'), plainBytes: tapped.plainBytes }
  } finally {
    request.stop.removeEventListener('abort', stop)
    if (pipe.exitCode === null && pipe.signalCode === null) stop()
    await out.close()
  }
}

// As a shell tells it: 128 and the signal's number.
const SIGPIPE = 141

function endOf(status: number): string {
  return status > 128 ? `was killed by signal ${status - 128}` : `ended with ${status}`
}

/** Log what the programs say, line by line. @returns the last of it */
async function lastWords(stderr: Readable): Promise<string> {
  const last: string[] = []
  for await (const line of createInterface({ input: stderr })) {
    log(line)
    last.push(line)
    if (last.length > 5) last.shift()
  }
  return last.join(' / ')
}
