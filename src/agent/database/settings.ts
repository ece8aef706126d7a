import type { Environment } from '../../store/client.ts'
import { recipientsIn } from '../run/encryption.ts'
import { type BucketPlace, bucketPlace, storeVariables, usesBucket, Variables } from '../run/environment.ts'
import { asksForRestore, commonRestoreSettings, type RestoreSettings } from '../run/restore-settings.ts'

/** The tiers of dumps, the most frequent first. */
export const TIERS = ['hourly', 'daily', 'weekly', 'monthly'] as const
export type Tier = (typeof TIERS)[number]

/** The settings of `dump`. */
export interface DumpSettings {
  system: string
  /** Folder of the backup volume. */
  volume: string
  tier: Tier
  keep: number
  prior: { tier: Tier; count: number }
  compression: 'gzip' | 'zstd'
  /** Public age keys, each of which opens a copy alone; empty: copies are not encrypted. */
  recipients: string[]
  /** Empty: the whole server. */
  database: string
  host: string
  user: string
  /** How long the dump may wait for a table that another session has locked. */
  lockWaitSeconds: number
  /** Undefined: copies are kept only on the volume. */
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
    recipients: recipientsIn(variables),
    database: variables.optional('DATABASE') ?? '',
    host: tier === 'hourly' ? variables.required('PGHOST', 'the host of the PostgreSQL server') : '',
    user: variables.optional('PGUSER') ?? 'postgres',
    lockWaitSeconds: variables.count('BACKUP_LOCK_WAIT_S', 1800, 1),
    bucket,
    sleepMinutes: variables.count('BACKUP_PRE_EXIT_SLEEP_M', 0),
  }
  if (bucket) storeVariables(variables)
  variables.check()
  return settings
}

/** The settings of a database restore. */
export interface DatabaseRestoreSettings extends RestoreSettings {
  /** Folder of the backup volume; undefined: the copy comes from the bucket. */
  volume: string | undefined
  bucket: BucketPlace | undefined
  /** Where a copy from the bucket is kept while it is checked, and where the previous state is kept. */
  work: string
  host: string
  user: string
  /**
   * The database that a single-database copy holds, or the one to take out of a copy of the whole server; empty: all.
   */
  database: string
  /** Another name to restore that database under; empty: its own name. */
  into: string
  /** End other sessions in a database that is replaced; otherwise they are a reason to refuse. */
  endConnections: boolean
  /** Whether the target may already hold data, which is then replaced. */
  replace: boolean
  /** Keep what was replaced after a successful restore, too. */
  keepBefore: boolean
  /** Hours; the restore refuses a newest copy that is older. */
  maximumAge: number | undefined
  /** Databases that the copy must hold: the check of the old recovery image. */
  expectedDatabases: number | undefined
}

/** @throws Failure environment with every problem */
export function databaseRestoreSettings(env: Environment): DatabaseRestoreSettings {
  const variables = new Variables(env)
  const recoveryImage = asksForRestore(env)
  const place = variables.optional('USE_RCLONE_BUCKET_AND_PATH')
  const from = variables.oneOf('RESTORE_FROM', ['volume', 'bucket'], usesBucket(env) && place ? 'bucket' : 'volume')
  const bucket =
    from === 'bucket'
      ? bucketPlace(variables.required('USE_RCLONE_BUCKET_AND_PATH', 'the bucket that the copies are in'))
      : undefined
  if (bucket) storeVariables(variables)
  const maximumAge = variables.count('LATEST_BACKUP_MAXIMUM_AGE_H', 0)
  const expected = variables.count('DATABASE_EXPECTED_COUNT', 0)
  const settings: DatabaseRestoreSettings = {
    ...commonRestoreSettings(variables, bucket?.bucket || variables.optional('PGHOST') || 'database'),
    volume: from === 'volume' ? (variables.optional('BACKUP_VOLUME') ?? '/backup') : undefined,
    bucket,
    // The mount path of the old recovery image.
    work: variables.optional('RESTORE_WORK') ?? '/recovery',
    host: variables.required('PGHOST', 'the host of the PostgreSQL server'),
    user: variables.optional('PGUSER') ?? 'postgres',
    database: variables.optional('DATABASE') ?? '',
    into: variables.optional('RESTORE_INTO') ?? '',
    endConnections: variables.yes('RESTORE_END_CONNECTIONS', recoveryImage),
    // The environment of the old recovery image has no variable to confirm the replacement.
    replace: variables.yes('RESTORE_REPLACE', recoveryImage),
    keepBefore: variables.yes('RESTORE_KEEP_BEFORE', true),
    maximumAge: maximumAge || undefined,
    expectedDatabases: expected || undefined,
  }
  variables.check()
  return settings
}
