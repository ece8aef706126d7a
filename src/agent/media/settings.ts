import type { Environment } from '../../store/client.ts'
import { recipientsIn } from '../run/encryption.ts'
import { storeVariables, usesBucket, Variables } from '../run/environment.ts'
import { commonRestoreSettings, type RestoreSettings } from '../run/restore-settings.ts'
import type { Part } from './restore-plan.ts'

/** The settings of `replicate`. */
export interface ReplicateSettings {
  system: string
  source: string
  /** Whether the volumes must be mounts, as they are in a pod; not if other folders were configured for them. */
  mounted: boolean
  /** The destination: the other volume, or a bucket. */
  target: { volume: string } | { bucket: string; prefix: string }
  /** Mirror: what was deleted from the source is deleted from the copy too; otherwise only add and replace. */
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
  /** Public age keys, each of which opens the objects of a bucket alone; empty: they are not encrypted. */
  recipients: string[]
}

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
    target = { bucket, prefix: weekday ? `${today()}/` : '' }
    storeVariables(variables)
    variables.required('AWS_DEFAULT_REGION', 'the region of the bucket store (Ceph accepts any)')
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
    recipients: recipientsIn(variables),
  }
  variables.check()
  return settings
}

/** Today's weekday in this machine's time zone, as the old images name their folders: `Sunday`. */
function today(): string {
  return new Date().toLocaleString('en', { weekday: 'long' })
}

/** The settings of a media restore. */
export interface MediaRestoreSettings extends RestoreSettings {
  /** The folder to restore. */
  target: string
  /** Whether the volumes must be mounts, as they are in a pod; not if other folders were configured for them. */
  mounted: boolean
  /** `objects`: everything in the bucket, without a manifest, as the old images left it. */
  from: { replica: string } | { bucket: string; what: 'manifest' | 'objects' }
  /** Folders or files below the target, in the form of keys; empty: all. */
  paths: string[]
  /** Keep what was replaced after a successful restore, too. */
  keepBefore: boolean
  concurrency: number
  /** For a drill: restore only one part of this many. */
  part?: Part
}

/** @throws Failure environment with every problem */
export function mediaRestoreSettings(env: Environment): MediaRestoreSettings {
  const variables = new Variables(env)
  const from = variables.oneOf('RESTORE_FROM', ['bucket', 'replica', 'objects'], 'bucket')
  const bucket = from === 'replica' ? '' : variables.required('S3_BUCKET_NAME', 'the bucket that the copy is in')
  if (from !== 'replica') storeVariables(variables)
  const settings: MediaRestoreSettings = {
    ...commonRestoreSettings(variables, bucket || 'media'),
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
  variables.check()
  return settings
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
