import type { Environment } from '../../store/client.ts'
import { type BucketPlace, bucketPlace, usesBucket, Variables } from './environment.ts'

/** Which copy: the newest good one, a list of all of them, or the newest that was taken at or before a time. */
export type Wanted = { which: 'latest' } | { which: 'list' } | { which: 'time'; at: Date }

/** What every restore is told by its environment, whatever it restores. */
interface CommonSettings {
  system: string
  wanted: Wanted
  /** Say what would happen, having checked the whole copy, and change nothing. */
  dryRun: boolean
  /** Restore what can be, and fail at the end. */
  goOn: boolean
}

/** What a restore of media is told. */
export interface MediaSettings extends CommonSettings {
  kind: 'media'
  /** The folder that is brought back to what the copy says. */
  target: string
  /** The volumes must be mounts, as they are in a pod; not where other folders were named for them. */
  mounted: boolean
  /** `objects`: whatever the bucket holds, without a manifest, as the images in use before left it. */
  from: { replica: string } | { bucket: string; what: 'manifest' | 'objects' }
  /** Folders or files below the target, in the form of keys; empty: all. */
  paths: string[]
  /** What was replaced stays when all went well, too. */
  keepBefore: boolean
  concurrency: number
  /** Of the files, only one part of so many, for a drill. */
  part?: { of: number; index: number }
}

/** What a restore of a database is told. */
export interface DatabaseSettings extends CommonSettings {
  kind: 'database'
  /** Folder of the backup volume; undefined: the copy comes from the bucket. */
  volume: string | undefined
  bucket: BucketPlace | undefined
  /** Where a copy from the bucket is kept while it is checked, and where the state before is kept. */
  work: string
  host: string
  user: string
  /** The database that a copy of one database is of, or the one to take out of a copy of the whole server; empty: all. */
  database: string
  /** Another name to restore that database under; empty: its own. */
  into: string
  /** End the sessions of others in a database that is replaced; else they are a reason to refuse. */
  endConnections: boolean
  /** May the target hold something already, which is then replaced. */
  replace: boolean
  /** What was replaced stays when all went well, too. */
  keepBefore: boolean
  /** Hours; a latest copy older than that is refused. */
  maximumAge: number | undefined
  /** Databases that the copy has to have, the recovery image's check. */
  expectedDatabases: number | undefined
}

/** Whether an environment without any argument asks for a restore, as that of the recovery image does. */
export function asksForRestore(env: Environment): boolean {
  return !!env.FROM_BACKUP
}

/**
 * Read what to restore: a database where `PGHOST` is set, else media.
 *
 * @throws Failure environment with every problem
 */
export function restoreSettings(env: Environment): MediaSettings | DatabaseSettings {
  const variables = new Variables(env)
  const settings = env.PGHOST ? databaseSettings(variables, env) : mediaSettings(variables, env)
  variables.check()
  return settings
}

function common(variables: Variables, fallback: string): CommonSettings {
  return {
    system: variables.optional('BACKUP_SYSTEM') ?? fallback,
    wanted: wanted(variables),
    dryRun: variables.yes('RESTORE_DRY_RUN', false),
    goOn: variables.yes('DO_NOT_STOP_ON_ERROR', false),
  }
}

/** Which copy `FROM_BACKUP` asks for; the latest where it is not set. */
export function wanted(variables: Variables): Wanted {
  const text = variables.optional('FROM_BACKUP') ?? 'LATEST'
  if (text.toUpperCase() === 'LATEST') return { which: 'latest' }
  if (text.toUpperCase() === 'NONE') return { which: 'list' }
  // As in the file names, or a date alone, which means its end.
  const at = /^\d{4}-\d{2}-\d{2}$/.test(text) ? new Date(`${text}T23:59:59Z`) : new Date(text.replace(/Z?$/, 'Z'))
  if (/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?Z?)?$/.test(text) && !Number.isNaN(at.getTime())) {
    return { which: 'time', at }
  }
  variables.problem(`FROM_BACKUP is "${text}": use LATEST, NONE for a list, or a time (UTC) as 2026-01-31T03:07:00Z`)
  return { which: 'latest' }
}

function mediaSettings(variables: Variables, env: Environment): MediaSettings {
  const from = variables.oneOf('RESTORE_FROM', ['bucket', 'replica', 'objects'], 'bucket')
  const bucket = from === 'replica' ? '' : variables.required('S3_BUCKET_NAME', 'the bucket that the copy is in')
  if (from !== 'replica') storeVariables(variables)
  return {
    kind: 'media',
    ...common(variables, bucket || 'media'),
    target: variables.optional('BACKUP_VOLUME_B') ?? '/volume-b',
    mounted: !env.BACKUP_VOLUME_A && !env.BACKUP_VOLUME_B,
    from:
      from === 'replica'
        ? { replica: variables.optional('BACKUP_VOLUME_A') ?? '/volume-a' }
        : { bucket, what: from === 'bucket' ? 'manifest' : 'objects' },
    paths: paths(variables),
    keepBefore: variables.yes('RESTORE_KEEP_BEFORE', false),
    concurrency: variables.count('BACKUP_CONCURRENCY', 8, 1),
  }
}

function paths(variables: Variables): string[] {
  const lines = (variables.optional('RESTORE_PATHS') ?? '').split('\n').filter(line => line !== '')
  for (const line of lines) {
    if (line.split('/').some(part => part === '..' || part === '.')) {
      variables.problem(`RESTORE_PATHS has "${line}": use paths below the top of the tree, one a line`)
    }
  }
  return lines.map(line => line.replace(/^\/+|\/+$/g, ''))
}

function databaseSettings(variables: Variables, env: Environment): DatabaseSettings {
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
  return {
    kind: 'database',
    ...common(variables, bucket?.bucket || variables.optional('PGHOST') || 'database'),
    volume: from === 'volume' ? (variables.optional('BACKUP_VOLUME') ?? '/backup') : undefined,
    bucket,
    // The mount of the recovery image.
    work: variables.optional('RESTORE_WORK') ?? '/recovery',
    host: variables.required('PGHOST', 'the host of the PostgreSQL server'),
    user: variables.optional('PGUSER') ?? 'postgres',
    database: variables.optional('DATABASE') ?? '',
    into: variables.optional('RESTORE_INTO') ?? '',
    endConnections: variables.yes('RESTORE_END_CONNECTIONS', recoveryImage),
    // The recovery image asks nobody: its environment has no word of ours.
    replace: variables.yes('RESTORE_REPLACE', recoveryImage),
    keepBefore: variables.yes('RESTORE_KEEP_BEFORE', true),
    maximumAge: maximumAge || undefined,
    expectedDatabases: expected || undefined,
  }
}

function storeVariables(variables: Variables): void {
  variables.required('RCLONE_S3_ENDPOINT', 'the URL of the bucket store')
  variables.required('AWS_ACCESS_KEY_ID', 'the key of the bucket store')
  variables.required('AWS_SECRET_ACCESS_KEY', 'the secret of that key')
}
