import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type FileHandle, open } from 'node:fs/promises'
import { basename } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { log } from '../run/log.ts'
import { Failure } from '../run/outcome.ts'
import type { Tapped } from './dump-tap.ts'
import type { Server } from './postgres.ts'

const SUFFIXES = { gzip: 'gz', zstd: 'zst' } as const

export type Compression = keyof typeof SUFFIXES

/** The extension of a dump's file name. */
export function suffixOf(compression: Compression): string {
  return SUFFIXES[compression]
}

/** The result of one dump. */
export interface Dumped {
  /** Of the compressed and perhaps encrypted file. */
  bytes: number
  sha256: string
  /** Of the SQL. */
  plainBytes: number
  /** What the dump holds. @see countsOf */
  counts: Record<string, number>
  /** Names of the databases and of the roles in the dump of a server. */
  databases: string[]
  roles: string[]
}

const TAP = fileURLToPath(new URL('./dump-tap.ts', import.meta.url))

// The shell makes the pipe, since Node would pass the dump through its own process. The exit code of each program goes
// to descriptor 4. $1 is the server version for the tap, $2 the compression; the tap compresses zstd itself. The
// compression levels are the lowest: with both, the server and pg_dump remain the bottleneck, and level 1 of either is
// about as small as gzip's default for SQL. What is encrypted is what is compressed: the other way round nothing would
// become smaller.
const PIPE = `
set -uf; compression=$2; tap=("$NODE" "$TAP" "$1" "$2"); shift 2
age=(age --encrypt); for recipient in $RECIPIENTS; do age+=(--recipient "$recipient"); done
pipe='"$@" 3>&- 4>&- | "\${tap[@]}" 4>&-'
[ $compression = zstd ] || pipe+=' | igzip -1 -c 3>&- 4>&-'
[ -z "$RECIPIENTS" ] || pipe+=' | "\${age[@]}" 3>&- 4>&-'
eval "$pipe"'; echo "\${PIPESTATUS[*]}" >&4'
`

/**
 * Dump into a file in one pass: client program → tap and compressor → age, if there are recipients → file, which is hashed as it grows and synced to
 * the volume. The exit code of each program counts; their stderr is logged but decides nothing. The dump must end with
 * its marker.
 *
 * @param request.serverMajor the server that the dump must load into
 * @param request.program path of a pg_dump or pg_dumpall
 * @param request.insert SQL text in ASCII that is inserted into the dump after its first settings
 * @param request.onProgress called with the compressed bytes so far
 * @throws Failure dump; the caller must then remove the file
 */
export async function dumpToFile(request: {
  server: Server
  serverMajor: number
  program: string
  args: string[]
  env: Record<string, string>
  insert: string
  compression: Compression
  recipients: readonly string[]
  file: string
  stop: AbortSignal
  onProgress: (bytes: number) => void
}): Promise<Dumped> {
  const out = await open(request.file, 'wx+', 0o640)
  // A separate process group, so that the whole pipe can be stopped at once.
  const pipe = spawn(
    'bash',
    ['-c', PIPE, 'pipe', String(request.serverMajor), request.compression, request.program, ...request.args],
    {
      env: {
        ...process.env,
        ...request.server.env,
        ...request.env,
        DUMP_INSERT: request.insert,
        NODE: process.execPath,
        TAP,
        RECIPIENTS: request.recipients.join(' '),
      },
      stdio: ['ignore', out.fd, 'pipe', 'pipe', 'pipe'],
      detached: true,
    },
  )
  const running = (): boolean => pipe.exitCode === null && pipe.signalCode === null
  const stop = (): void => {
    if (pipe.pid) process.kill(-pipe.pid, 'SIGTERM')
  }
  request.stop.addEventListener('abort', stop)
  try {
    const [, , stderr, tapOut, statusOut] = pipe.stdio as [null, null, Readable, Readable, Readable]
    const said = lastWords(stderr)
    const tapSaid = text(tapOut)
    const statusSaid = text(statusOut)
    const ended = once(pipe, 'close')
    const [{ bytes, sha256 }] = await Promise.all([followed(out, running, request.onProgress), ended])
    request.stop.throwIfAborted()
    const words = await said
    const program = basename(request.program)
    const names = [
      program,
      'the tap',
      ...(request.compression === 'gzip' ? ['igzip'] : []),
      ...(request.recipients.length > 0 ? ['age'] : []),
    ]
    const statuses = (await statusSaid).trim().split(' ').map(Number)
    // A failed program breaks the pipe of those before it, so the last program that failed on its own is the cause.
    const failed = names
      .map((name, index) => ({ name, status: statuses[index] ?? -1 }))
      .filter(({ status }) => status !== 0)
    const cause = failed.findLast(({ status }) => status !== SIGPIPE) ?? failed[0]
    if (cause) {
      // If the volume is full, this reports it more clearly.
      await out.writeFile(Buffer.alloc(PROBE_BYTES))
      throw new Failure('dump', `${cause.name} ${endOf(cause.status)}${words ? `: ${words}` : ', without a word'}`)
    }
    const tapped = JSON.parse(await tapSaid) as Tapped
    if (!tapped.complete) {
      throw new Failure(
        'dump',
        `${program} exited with 0, but its dump is incomplete: the line "dump complete" is missing after ${tapped.plainBytes} bytes`,
      )
    }
    await out.sync()
    const { plainBytes, counts, databases, roles } = tapped
    return { bytes, sha256, plainBytes, counts, databases, roles }
  } finally {
    request.stop.removeEventListener('abort', stop)
    if (running()) stop()
    await out.close()
  }
}

const PROBE_BYTES = 1024 * 1024

const FOLLOWED_BYTES = 1024 * 1024
const LOOK_AGAIN_MS = 20

/** Read a file that grows as long as its writers run. */
async function followed(
  file: FileHandle,
  growing: () => boolean,
  onProgress: (bytes: number) => void,
): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256')
  const chunk = Buffer.allocUnsafe(FOLLOWED_BYTES)
  let bytes = 0
  for (;;) {
    // Checked before the read, so that nothing can be written between the last read and the end.
    const last = !growing()
    const { bytesRead } = await file.read(chunk, 0, chunk.length, bytes)
    hash.update(chunk.subarray(0, bytesRead))
    bytes += bytesRead
    onProgress(bytes)
    if (bytesRead === chunk.length) continue
    if (last) return { bytes, sha256: hash.digest('hex') }
    await sleep(LOOK_AGAIN_MS)
  }
}

// The shell's convention: 128 plus the signal number.
const SIGPIPE = 141

function endOf(status: number): string {
  return status > 128 ? `was killed by signal ${status - 128}` : `ended with ${status}`
}

/**
 * Log the programs' output, line by line.
 * @returns the last of it
 */
async function lastWords(stderr: Readable): Promise<string> {
  const last: string[] = []
  for await (const line of createInterface({ input: stderr })) {
    log(line)
    last.push(line)
    if (last.length > 5) last.shift()
  }
  return last.join(' / ')
}
