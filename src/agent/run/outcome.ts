import { existsSync, writeFileSync } from 'node:fs'
import { callOf, type StoreCall } from '../../store/call.ts'
import type { Environment } from '../../store/client.ts'
import { StoreNotConfigured } from '../../store/client.ts'
import { VerificationFailed } from '../../store/upload.ts'
import { heartbeat } from './heartbeat.ts'
import { log, logTail } from './log.ts'

/** Every way in which a run of the agent can fail: its exit code, and what it means. 0 is success. */
export const failures = {
  unexpected: { code: 1, meaning: 'unexpected error; the log has the stack trace' },
  environment: { code: 2, meaning: 'a variable or an argument is missing or wrong' },
  unreachable: {
    code: 3,
    meaning: 'the database server or the bucket store cannot be reached, or refuses the credentials',
  },
  dump: { code: 4, meaning: 'pg_dump, pg_dumpall or the compressor failed, or the dump is incomplete' },
  client: {
    code: 5,
    meaning: 'there is no PostgreSQL client for the server: those installed are older, or do not start',
  },
  verification: { code: 6, meaning: 'the bucket does not hold what was sent' },
  source: {
    code: 7,
    meaning: 'the source is missing, empty, not mounted or has shrunk: nothing was copied or deleted',
  },
  busy: { code: 8, meaning: 'another run of the same system is active: this one did nothing' },
  volume: { code: 9, meaning: 'a volume is missing, full or not writable, or the bucket is full' },
  copy: { code: 10, meaning: 'files could not be copied' },
  audit: { code: 11, meaning: 'the bucket differs from the manifest' },
  restore: { code: 12, meaning: 'there is nothing to restore, or what was restored does not match the receipt' },
  rancher: { code: 13, meaning: 'Rancher could not be stopped, copied, or started again' },
  stale: { code: 14, meaning: 'the newest copy or the newest drill is too old' },
  stopped: { code: 15, meaning: 'stopped by SIGTERM or SIGINT' },
  drill: { code: 16, meaning: 'a drill restored a copy, and it does not match its receipt' },
  unprotected: { code: 17, meaning: 'the bucket does not protect its copies as the config demands: nothing was sent' },
  open: { code: 18, meaning: 'everybody may read or write the bucket, and the key may not change that' },
  foreign: { code: 19, meaning: 'a volume belongs to another system: nothing was written or removed' },
} as const

export type FailureKind = keyof typeof failures

/** An expected failure: its message names the place, the cause and what to do. */
export class Failure extends Error {
  readonly kind: FailureKind
  constructor(kind: FailureKind, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'Failure'
    this.kind = kind
  }
}

/** The result of a command, as written to `/dev/termination-log` and stdout. */
export type Result = Record<string, unknown>

/** The list of exit codes, for `--help`. */
export function exitCodesHelp(): string {
  const rows = Object.values(failures).map(({ code, meaning }) => `  ${String(code).padStart(2)}  ${meaning}`)
  return ['Exit codes:', '   0  success', ...rows].join('\n')
}

/**
 * A message in the words of where its reader stands: on AWX a variable is set by the answer to a question of the survey.
 *
 * @param env `BACKUP_QUESTIONS`: the questions by variable, in JSON; without it, the message as it is
 */
export function inWordsOfReader(message: string, { BACKUP_QUESTIONS: given }: Environment): string {
  if (!given) return message
  const questions = new Map(Object.entries(JSON.parse(given) as Record<string, string>))
  return message.replaceAll(
    /\b(?:set )?([A-Z][A-Z_]+)(?:=(<[^>]*>|[\w-]+))?/g,
    (whole, name: string, value?: string) => {
      const question = questions.get(name)
      if (question === undefined) return whole
      if (value === undefined) return `"${question}"`
      return whole.startsWith('set ') ? `answer "${question}" with ${value}` : `the answer ${value} to "${question}"`
    },
  )
}

// Time to clean up after SIGTERM: Kubernetes sends SIGKILL after 30 seconds.
const CLEAN_UP_MS = 20_000

/**
 * Run a command and exit: heartbeats at start and end, the result on stdout and in the
 * termination log, and the matching exit code.
 *
 * @param work gets a signal that fires when the pod is stopped
 */
export async function conclude(
  command: string,
  env: Environment,
  work: (stop: AbortSignal) => Promise<Result>,
): Promise<never> {
  const stop = new AbortController()
  const tooLong = Promise.withResolvers<never>()
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      const failure = new Failure('stopped', `stopped by ${name}`)
      stop.abort(failure)
      setTimeout(() => tooLong.reject(failure), CLEAN_UP_MS)
    })
  }
  const url = env.BACKUP_HEARTBEAT_URL
  await heartbeat(url, 'start')
  let code: number
  try {
    const result = { command, ...(await Promise.race([work(stop.signal), tooLong.promise])) }
    writeTermination(env, `SUCCESS\n${JSON.stringify(result)}`)
    process.stdout.write(`${JSON.stringify(result)}\n`)
    log(`SUCCESS: ${command}`)
    await heartbeat(url, 'success', logTail())
    code = 0
  } catch (error) {
    const failure = asFailure(stop.signal.aborted ? stop.signal.reason : error)
    code = failures[failure.kind].code
    if (failure.kind === 'unexpected') log(String(failure.stack))
    const message = inWordsOfReader(failure.message, env)
    log(`FAILURE (${code}): ${message}`)
    const result = { command, failure: failure.kind, message }
    writeTermination(env, `FAILURE (${code})\n${JSON.stringify(result)}`)
    process.stdout.write(`${JSON.stringify(result)}\n`)
    await heartbeat(url, 'fail', logTail())
  }
  // Kept-alive connections would keep the process running.
  process.exit(code)
}

// Kubernetes keeps 4096 bytes of it.
const TERMINATION_BYTES = 4096

function writeTermination(env: Environment, text: string): void {
  const file = env.BACKUP_TERMINATION_LOG ?? '/dev/termination-log'
  // Outside Kubernetes there is no such file, and none should appear in /dev.
  if (!env.BACKUP_TERMINATION_LOG && !existsSync(file)) return
  try {
    writeFileSync(file, Buffer.from(text).subarray(0, TERMINATION_BYTES))
  } catch (error) {
    log(`could not write ${file}: ${(error as Error).message}`)
  }
}

const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EPIPE',
])

/** What the store's own codes mean for a run, and what to do. */
const refusals: Readonly<Record<string, { kind: FailureKind; next: string }>> = {
  NoSuchBucket: { kind: 'unreachable', next: 'create the bucket, or correct its name' },
  InvalidAccessKeyId: { kind: 'unreachable', next: 'check AWS_ACCESS_KEY_ID' },
  SignatureDoesNotMatch: { kind: 'unreachable', next: 'check AWS_SECRET_ACCESS_KEY' },
  AccessDenied: { kind: 'unreachable', next: "check the key's permissions on this bucket" },
  QuotaExceeded: { kind: 'volume', next: 'raise the quota of the bucket or its user, or keep fewer copies' },
  RequestTimeTooSkewed: { kind: 'unreachable', next: "set this machine's clock" },
  NoSuchKey: { kind: 'verification', next: 'find out who removed it; its other copies are not affected' },
}

function refusalOf({ code, status }: StoreCall): { kind: FailureKind; next: string } {
  const known = refusals[code]
  if (known) return known
  if (status === undefined) return { kind: 'unreachable', next: 'check the endpoint, its certificate and the network' }
  if (status === 403) return refusals.AccessDenied as { kind: FailureKind; next: string }
  if (status === 404) return refusals.NoSuchKey as { kind: FailureKind; next: string }
  if (status === 507) return refusals.QuotaExceeded as { kind: FailureKind; next: string }
  if (status >= 500 || status === 429)
    return { kind: 'unreachable', next: 'check the state of the store, and run again' }
  return { kind: 'copy', next: 'look the code up in the documentation of the store' }
}

const brokenVolume = 'check the storage of the volume; the log of the node names what is wrong with it'

/** What the kernel's codes mean for a volume, and what to do. */
const volumeRemedies: Readonly<Record<string, string>> = {
  ENOSPC: 'free space on the volume, or make it larger',
  EDQUOT: 'free space on the volume, or raise its quota',
  EROFS: 'the volume is mounted read-only: mount it for writing; if it is, its file system has found an error',
  EIO: brokenVolume,
  ENODEV: brokenVolume,
  ENXIO: brokenVolume,
  // Of NFS: the server has removed the export, or was replaced.
  ESTALE: 'mount the volume again',
  ENOTCONN: 'mount the volume again',
}

/** Whether an error is of the volume as a whole, and not of one file. */
export function isOfVolume(error: unknown): boolean {
  return Object.hasOwn(volumeRemedies, (error as NodeJS.ErrnoException).code ?? '')
}

/** Any error as a failure, so that each has an exit code. */
export function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error
  if (!(error instanceof Error)) return new Failure('unexpected', String(error))
  if (error instanceof StoreNotConfigured) return new Failure('environment', error.message, { cause: error })
  if (error instanceof VerificationFailed) return new Failure('verification', error.message, { cause: error })
  const code = (error as NodeJS.ErrnoException).code
  const remedy = code === undefined ? undefined : volumeRemedies[code]
  if (remedy !== undefined) return new Failure('volume', `${error.message}: ${remedy}`, { cause: error })
  const call = callOf(error)
  if (call) {
    const { kind, next } = refusalOf(call)
    const what = call.status === undefined ? 'the bucket store cannot be reached' : 'the bucket store refused'
    return new Failure(kind, `${what}: ${error.message}. Next: ${next}`, { cause: error })
  }
  if (code && UNREACHABLE.has(code)) return new Failure('unreachable', error.message, { cause: error })
  return new Failure('unexpected', error.message, { cause: error })
}
