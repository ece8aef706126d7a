import { S3Client } from '@aws-sdk/client-s3'
import { describeCall } from './call.ts'
import { StoreClock } from './clock.ts'
import { lockWrites } from './protection.ts'

/** The variables of a process, as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>

/** An open connection to the bucket store. */
export interface Store {
  readonly s3: S3Client
  /** The endpoint's URL, for messages. */
  readonly endpoint: string
  /** HTTP requests sent so far, retries included. */
  readonly requests: () => number
  /** The store's own clock, not this machine's: nothing in the store can be newer. */
  readonly clock: StoreClock
  /** How what is written is kept from being deleted; undefined: a key that may delete a copy can remove it. */
  readonly protection: Protection | undefined
}

/**
 * How the copies of a system are kept from being deleted. `versioning`: the bucket keeps what was deleted or replaced for
 * `days`. `lock`: in addition nobody can delete what was written less than `days` ago.
 */
export interface Protection {
  readonly mode: 'lock' | 'versioning'
  readonly days: number
}

/** Variables of the store, `names`, are missing in the environment. */
export class StoreNotConfigured extends Error {
  readonly names: string[]
  constructor(names: string[]) {
    super(`the bucket store needs ${names.join(', ')} in the environment`)
    this.name = 'StoreNotConfigured'
    this.names = names
  }
}

// Attempts per request before it fails. The SDK waits between them, longer each time
// (100 ms doubling to 20 s), so eight tries outlast the restart of a gateway.
const ATTEMPTS = 8
// A gateway may take long to assemble a large multipart upload, but never minutes without sending a byte.
const SILENCE_MS = 180_000

/**
 * Open the bucket store configured by these variables: `RCLONE_S3_ENDPOINT`, `AWS_ACCESS_KEY_ID`,
 * `AWS_SECRET_ACCESS_KEY` and, optionally, `AWS_DEFAULT_REGION`. `USE_RCLONE_NO_CHECK_CERTIFICATE=yes` accepts any
 * certificate. `BACKUP_PROTECT` (`lock` or `versioning`) with `BACKUP_PROTECT_DAYS` is the protection. Nothing is sent
 * yet.
 *
 * @param options.attempts attempts for a request before it fails; the default outlasts the restart of a gateway
 * @param options.silenceMs how long a request may go without receiving a byte
 * @throws StoreNotConfigured naming every missing variable
 */
export function openStore(
  env: Environment,
  options: { connections?: number; attempts?: number; silenceMs?: number } = {},
): Store {
  const needed = ['RCLONE_S3_ENDPOINT', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']
  const missing = needed.filter(name => !env[name])
  if (missing.length > 0) throw new StoreNotConfigured(missing)
  const endpoint = withScheme(env.RCLONE_S3_ENDPOINT ?? '')
  const agent = { keepAlive: true, maxSockets: options.connections ?? 16 }
  const s3 = new S3Client({
    endpoint,
    region: env.AWS_DEFAULT_REGION || 'us-east-1',
    credentials: {
      accessKeyId: env.AWS_ACCESS_KEY_ID ?? '',
      secretAccessKey: env.AWS_SECRET_ACCESS_KEY ?? '',
    },
    // Ceph's radosgw serves buckets by path, and refuses the checksum trailers that the SDK adds by default.
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    retryMode: 'standard',
    maxAttempts: options.attempts ?? ATTEMPTS,
    requestHandler: {
      connectionTimeout: Math.min(10_000, options.silenceMs ?? SILENCE_MS),
      socketTimeout: options.silenceMs ?? SILENCE_MS,
      httpAgent: agent,
      httpsAgent: { ...agent, rejectUnauthorized: env.USE_RCLONE_NO_CHECK_CERTIFICATE !== 'yes' },
    },
  })
  let sent = 0
  s3.middlewareStack.add(
    next => args => {
      sent += 1
      return next(args)
    },
    { step: 'finalizeRequest', priority: 'low', name: 'countRequests' },
  )
  s3.middlewareStack.add(
    (next, { commandName = '' }) =>
      async args => {
        try {
          return await next(args)
        } catch (error) {
          const { Bucket, Key } = args.input as { Bucket?: string; Key?: string }
          describeCall(error, { operation: commandName.replace(/Command$/, ''), bucket: Bucket, key: Key })
          throw error
        }
      },
    { step: 'initialize', priority: 'high', name: 'describeCall' },
  )
  const clock = new StoreClock()
  s3.middlewareStack.add(
    next => async args => {
      const askedAt = Date.now()
      const answer = await next(args)
      const { headers } = answer.response as { headers?: Record<string, string> }
      clock.observe(headers?.date, askedAt)
      return answer
    },
    // Below the middleware that turns an answer into an error: refusals have a Date header, too.
    { step: 'deserialize', priority: 'low', name: 'readClock' },
  )
  const store: Store = { s3, endpoint, requests: () => sent, clock, protection: protectionOf(env) }
  lockWrites(store)
  return store
}

function protectionOf(env: Environment): Protection | undefined {
  const mode = env.BACKUP_PROTECT
  if (!mode) return undefined
  const days = Number(env.BACKUP_PROTECT_DAYS)
  if (mode !== 'lock' && mode !== 'versioning') throw new StoreNotConfigured(['BACKUP_PROTECT as lock or versioning'])
  if (!Number.isInteger(days) || days < 1) throw new StoreNotConfigured(['BACKUP_PROTECT_DAYS as a number of days'])
  return { mode, days }
}

function withScheme(endpoint: string): string {
  return /^https?:\/\//.test(endpoint) ? endpoint : `https://${endpoint}`
}
