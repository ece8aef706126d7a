import type { Environment } from '../../store/client.ts'
import { Failure } from './outcome.ts'

/** Reads variables one by one and keeps every problem, so that a broken environment is told in one message. */
export class Variables {
  readonly #env: Environment
  readonly #problems: string[] = []

  constructor(env: Environment) {
    this.#env = env
  }

  /** A text, or undefined where it is not set or empty. */
  optional(name: string): string | undefined {
    return this.#env[name] || undefined
  }

  /** A text that must be there. */
  required(name: string, what: string): string {
    const value = this.#env[name]
    if (!value) this.problem(`${name} is not set: ${what}`)
    return value ?? ''
  }

  oneOf<T extends string>(name: string, choices: readonly T[], fallback: T): T {
    const value = this.#env[name]
    if (!value) return fallback
    const found = choices.find(choice => choice.toLowerCase() === value.toLowerCase())
    if (!found) this.problem(`${name} is "${value}": use one of ${choices.join(', ')}`)
    return found ?? fallback
  }

  /** A whole number, at least `least`. */
  count(name: string, fallback: number, least = 0): number {
    const value = this.#env[name]
    if (!value) return fallback
    const number = Number(value)
    if (Number.isInteger(number) && number >= least) return number
    this.problem(`${name} is "${value}": use a whole number of at least ${least}`)
    return fallback
  }

  /** `yes` or `no`. */
  yes(name: string, fallback: boolean): boolean {
    return this.oneOf(name, ['yes', 'no'], fallback ? 'yes' : 'no') === 'yes'
  }

  /** Bytes a second, as `500K`, `20M` or `1G`; undefined where there is no limit. */
  rate(name: string): number | undefined {
    const value = this.#env[name]
    if (!value) return undefined
    const match = /^(\d+(?:\.\d+)?)([KMG]?)$/i.exec(value)
    if (match) return Number(match[1]) * 1024 ** ['', 'K', 'M', 'G'].indexOf((match[2] ?? '').toUpperCase())
    this.problem(`${name} is "${value}": use bytes a second, as 500K, 20M or 1G`)
    return undefined
  }

  problem(text: string): void {
    this.#problems.push(text)
  }

  /** @throws Failure environment with every problem found so far */
  check(): void {
    if (this.#problems.length > 0) throw new Failure('environment', this.#problems.join('; '))
  }
}

/** A place in the bucket store. */
export interface BucketPlace {
  bucket: string
  /** Without slashes at its ends; empty at the top of the bucket. */
  path: string
}

/** Split the contract's `bucket/and/path`, which may begin with a slash. */
export function bucketPlace(text: string): BucketPlace {
  const [bucket = '', ...rest] = text.split('/').filter(part => part !== '')
  return { bucket, path: rest.join('/') }
}

const TIERS = ['hourly', 'daily', 'weekly', 'monthly'] as const
export type Tier = (typeof TIERS)[number]

/** What `dump` is told by its environment. */
export interface DumpSettings {
  system: string
  /** Folder of the backup volume. */
  volume: string
  tier: Tier
  keep: number
  prior: { tier: Tier; count: number }
  compression: 'gzip' | 'zstd'
  /** Empty: the whole server. */
  database: string
  host: string
  user: string
  /** Tables whose rows are counted, `schema.table`; undefined: those that are quickly counted. */
  countTables: string[] | undefined
  /** Undefined: the volume is the only place. */
  bucket: BucketPlace | undefined
  sleepMinutes: number
}

/** @throws Failure environment with every problem */
export function dumpSettings(env: Environment): DumpSettings {
  const variables = new Variables(env)
  for (const [name, instead] of [
    ['MSHOST', 'MySQL is not supported'],
    ['RSYNC_HOST', 'copies by rsync are not supported: use USE_RCLONE and USE_RCLONE_BUCKET_AND_PATH'],
    ['BACKUP_VOLUME_IS_S3', 'a bucket cannot be mounted: use USE_RCLONE and USE_RCLONE_BUCKET_AND_PATH'],
  ] as const) {
    if (env[name]) variables.problem(`${name} is set: ${instead}`)
  }
  const tier = variables.oneOf('BACKUP_TYPE', TIERS, 'hourly')
  const bucket = usesBucket(env)
    ? bucketPlace(variables.required('USE_RCLONE_BUCKET_AND_PATH', 'the bucket that the copies go to'))
    : undefined
  const settings: DumpSettings = {
    system: variables.optional('BACKUP_SYSTEM') ?? (bucket?.bucket || variables.optional('PGHOST') || 'database'),
    volume: variables.optional('BACKUP_VOLUME') ?? '/backup',
    tier,
    keep: variables.count('BACKUP_COUNT', 24, 1),
    prior: {
      tier: variables.oneOf('BACKUP_PRIOR_TYPE', TIERS, 'hourly'),
      count: variables.count('BACKUP_PRIOR_COUNT', 24, 1),
    },
    compression: variables.oneOf('BACKUP_COMPRESSION', ['gzip', 'zstd'], 'gzip'),
    database: variables.optional('DATABASE') ?? '',
    host: tier === 'hourly' ? variables.required('PGHOST', 'the host of the PostgreSQL server') : '',
    user: variables.optional('PGUSER') ?? 'postgres',
    countTables: variables
      .optional('BACKUP_COUNT_TABLES')
      ?.split(',')
      .map(name => name.trim()),
    bucket,
    sleepMinutes: variables.count('BACKUP_PRE_EXIT_SLEEP_M', 0),
  }
  if (bucket) storeVariables(variables)
  variables.check()
  return settings
}

/** What `replicate` is told by its environment. */
export interface ReplicateSettings {
  system: string
  source: string
  /** The volumes must be mounts, as they are in a pod; not where other folders were named for them. */
  mounted: boolean
  /** Where to: the other volume, or a bucket. */
  target: { volume: string } | { bucket: string; prefix: string }
  /** Mirror, so that what is gone from the source goes from the copy too; else only add and replace. */
  mirror: boolean
  quiet: boolean
  bandwidth: number | undefined
  concurrency: number
  shrinkLimitPercent: number
  override: string | undefined
  sentinel: string | undefined
  trashDays: number
  auditDays: number
  auditRepair: boolean
}

const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']

/** @throws Failure environment with every problem */
export function replicateSettings(env: Environment): ReplicateSettings {
  const variables = new Variables(env)
  if (!env.REPLICATE_DIRECTION) variables.problem('REPLICATE_DIRECTION is not set: use AtoB or BtoA')
  const direction = variables.oneOf('REPLICATE_DIRECTION', ['AtoB', 'BtoA'], 'BtoA')
  if ('VOLUME_A_IS_S3' in env)
    variables.problem('VOLUME_A_IS_S3 is set: a bucket cannot be mounted, use USE_RCLONE=yes')
  const volumes = {
    a: variables.optional('BACKUP_VOLUME_A') ?? '/volume-a',
    b: variables.optional('BACKUP_VOLUME_B') ?? '/volume-b',
  }
  let target: ReplicateSettings['target']
  if (usesBucket(env)) {
    if (direction === 'AtoB') {
      variables.problem(
        'REPLICATE_DIRECTION is AtoB with USE_RCLONE: a bucket is filled by BtoA; to bring one back use "restore"',
      )
    }
    const bucket = variables.required('S3_BUCKET_NAME', 'the bucket that the copy goes to')
    const weekday = variables.yes('USE_DOW_FOR_RCLONE', false)
    target = { bucket, prefix: weekday ? `${WEEKDAYS[new Date().getDay()]}/` : '' }
    storeVariables(variables)
    variables.required('AWS_DEFAULT_REGION', 'the region of the bucket store (any word for Ceph)')
  } else {
    target = { volume: direction === 'BtoA' ? volumes.a : volumes.b }
  }
  const settings: ReplicateSettings = {
    system: variables.optional('BACKUP_SYSTEM') ?? variables.optional('S3_BUCKET_NAME') ?? 'media',
    source: direction === 'BtoA' ? volumes.b : volumes.a,
    mounted: !env.BACKUP_VOLUME_A && !env.BACKUP_VOLUME_B,
    target,
    mirror: variables.yes('REPLICATE_DELETE', true),
    quiet: variables.yes('REPLICATE_QUIETLY', true),
    bandwidth: variables.rate('BACKUP_BANDWIDTH'),
    concurrency: variables.count('BACKUP_CONCURRENCY', 8, 1),
    shrinkLimitPercent: variables.count('BACKUP_SHRINK_LIMIT_PERCENT', 10),
    override: variables.optional('BACKUP_OVERRIDE'),
    sentinel: variables.optional('BACKUP_SENTINEL'),
    trashDays: variables.count('BACKUP_TRASH_DAYS', 30, 1),
    auditDays: variables.count('BACKUP_AUDIT_DAYS', 7),
    auditRepair: variables.yes('BACKUP_AUDIT_REPAIR', false),
  }
  variables.check()
  return settings
}

/** Whether the contract's variables ask for a bucket. */
export function usesBucket(env: Environment): boolean {
  return !!env.USE_RCLONE && env.USE_RCLONE.toLowerCase() !== 'no'
}

/** Names what is missing of the bucket store's own variables. */
export function storeVariables(variables: Variables): void {
  variables.required('RCLONE_S3_ENDPOINT', 'the URL of the bucket store')
  variables.required('AWS_ACCESS_KEY_ID', 'the key of the bucket store')
  variables.required('AWS_SECRET_ACCESS_KEY', 'the secret of that key')
}
