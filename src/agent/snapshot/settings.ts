import { readFileSync, rmSync } from 'node:fs'
import type { Environment } from '../../store/client.ts'
import { Variables } from '../environment.ts'
import { log } from '../log.ts'
import { parseWindow, type Window } from './window.ts'

/** What guard and snapshot both must know of the Rancher server. */
export interface RancherPlace {
  /** The backup system's name. */
  readonly system: string
  /** Of this run; whoever starts the run gives it. */
  readonly run: string
  /** Rancher's container. */
  readonly container: string
  /** Folder for the copy, the archive and the records of runs, at the same path on the host. */
  readonly staging: string
  /** Answers 200 when Rancher is healthy. */
  readonly healthUrl: string
  readonly healthyTimeoutMs: number
}

/** What `snapshot` is told by its environment. */
export interface SnapshotSettings extends RancherPlace {
  /** The folder of the host that Rancher's container mounts at /var/lib/rancher; at the same path here. */
  readonly data: string
  readonly bucket: string
  readonly keep: number
  /** From the arming of the guard until it starts Rancher. */
  readonly stopDeadlineMs: number
  /** Undefined: a run may stop Rancher at any time. */
  readonly window: Window | undefined
  readonly ignoreWindow: boolean
  readonly acceptPrevious: boolean
}

/** What `snapshot restore` is told beside that. */
export interface RestoreWishes {
  /** The archive's key in the bucket; undefined: that of the newest receipt. */
  readonly object: string | undefined
  /** Restore although Rancher's version is another than the archive's. */
  readonly acceptVersion: boolean
}

/** @throws Failure environment with every problem */
export function restoreWishes(env: Environment): RestoreWishes {
  const variables = new Variables(env)
  const wishes = {
    object: variables.optional('BACKUP_RANCHER_RESTORE_OBJECT'),
    acceptVersion: variables.yes('BACKUP_RANCHER_ACCEPT_VERSION', false),
  }
  variables.check()
  return wishes
}

/** What `guard` is told by its environment. */
export interface GuardSettings extends RancherPlace {
  /** When Rancher is started whatever became of the run. */
  readonly deadline: Date
}

/** The names of the containers that belong to a Rancher container. A name is also the lock: Docker gives it once. */
export function companions(container: string): { readonly run: string; readonly guard: string } {
  return { run: `${container}-backup`, guard: `${container}-guard` }
}

/**
 * The environment, and with it the variables of the JSON file `BACKUP_SECRETS_FILE`, which is removed once read: so the
 * keys stand neither on a disk nor in what `docker inspect` tells of the container for as long as it exists.
 */
export function withSecrets(env: Environment): Environment {
  const file = env.BACKUP_SECRETS_FILE
  if (!file) return env
  try {
    const secrets = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>
    rmSync(file)
    return { ...env, ...secrets }
  } catch (error) {
    log(`cannot read BACKUP_SECRETS_FILE: ${(error as Error).message}`)
    return env
  }
}

/** @throws Failure environment with every problem */
export function snapshotSettings(env: Environment): SnapshotSettings {
  const variables = new Variables(env)
  const window = variables.optional('BACKUP_RANCHER_WINDOW')
  const parsed = window === undefined ? undefined : parseWindow(window)
  if (typeof parsed === 'string') variables.problem(`BACKUP_RANCHER_WINDOW ${parsed}`)
  for (const name of ['RCLONE_S3_ENDPOINT', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) {
    variables.required(name, 'the bucket store is opened with it')
  }
  const settings: SnapshotSettings = {
    ...rancherPlace(variables),
    data: variables.required('BACKUP_RANCHER_DATA_DIRECTORY', "the host's folder with Rancher's data"),
    bucket: variables.required('S3_BUCKET_NAME', 'the bucket that the copies go to'),
    keep: variables.count('BACKUP_COUNT', 1, 1),
    stopDeadlineMs: variables.count('BACKUP_RANCHER_STOP_DEADLINE_SECONDS', 120, 5) * 1000,
    window: typeof parsed === 'string' ? undefined : parsed,
    ignoreWindow: variables.yes('BACKUP_RANCHER_IGNORE_WINDOW', false),
    acceptPrevious: variables.yes('BACKUP_RANCHER_ACCEPT_PREVIOUS', false),
  }
  variables.check()
  return settings
}

/** @throws Failure environment with every problem */
export function guardSettings(env: Environment): GuardSettings {
  const variables = new Variables(env)
  const deadline = new Date(variables.required('BACKUP_RANCHER_DEADLINE', 'when Rancher is to be started'))
  if (Number.isNaN(deadline.getTime()))
    variables.problem('BACKUP_RANCHER_DEADLINE is no time: use 2026-01-30T18:00:00Z')
  const settings: GuardSettings = { ...rancherPlace(variables), deadline }
  variables.check()
  return settings
}

/** The environment that gives a guard of this run what it must know. */
export function guardEnvironment(place: RancherPlace, deadline: Date, heartbeatUrl: string | undefined): string[] {
  return Object.entries({
    BACKUP_SYSTEM: place.system,
    BACKUP_RANCHER_RUN: place.run,
    BACKUP_RANCHER_CONTAINER: place.container,
    BACKUP_RANCHER_STAGING_DIRECTORY: place.staging,
    BACKUP_RANCHER_HEALTH_URL: place.healthUrl,
    BACKUP_RANCHER_HEALTHY_TIMEOUT_SECONDS: String(place.healthyTimeoutMs / 1000),
    BACKUP_RANCHER_DEADLINE: deadline.toISOString(),
    ...(heartbeatUrl && { BACKUP_HEARTBEAT_URL: heartbeatUrl }),
  }).map(([name, value]) => `${name}=${value}`)
}

function rancherPlace(variables: Variables): RancherPlace {
  return {
    system: variables.required('BACKUP_SYSTEM', "the backup system's name"),
    run: variables.required('BACKUP_RANCHER_RUN', 'any text that tells this run from others'),
    container: variables.optional('BACKUP_RANCHER_CONTAINER') ?? 'rancher-server',
    staging: variables.required('BACKUP_RANCHER_STAGING_DIRECTORY', 'a folder with room for the copy and its archive'),
    healthUrl: variables.required('BACKUP_RANCHER_HEALTH_URL', "Rancher's /ping, as this host reaches it"),
    healthyTimeoutMs: variables.count('BACKUP_RANCHER_HEALTHY_TIMEOUT_SECONDS', 600, 1) * 1000,
  }
}
