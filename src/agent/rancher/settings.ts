import type { Environment } from '../../store/client.ts'
import { identityIn, recipientsIn } from '../run/encryption.ts'
import { storeVariables, Variables } from '../run/environment.ts'
import { type Wanted, wanted } from '../run/restore-settings.ts'
import { parseWindow, type Window } from './window.ts'

/** The settings that guard and snapshot share. */
export interface RancherPlace {
  /** The backup system's name. */
  readonly system: string
  /** Identifies this run; chosen by whoever starts it. */
  readonly run: string
  /** Rancher's container. */
  readonly container: string
  /** Folder for the copy, the archive and the records of runs, at the same path on the host. */
  readonly staging: string
  /** Returns 200 when Rancher is healthy. */
  readonly healthUrl: string
  readonly healthyTimeoutMs: number
}

/** The settings of `snapshot`. */
export interface SnapshotSettings extends RancherPlace {
  /** The folder of the host that Rancher's container mounts at /var/lib/rancher; at the same path here. */
  readonly data: string
  readonly bucket: string
  readonly keep: number
  /** Public age keys, each of which opens an archive alone; empty: archives are not encrypted. */
  readonly recipients: readonly string[]
  /** From the arming of the guard until it starts Rancher. */
  readonly stopDeadlineMs: number
  /** Undefined: a run may stop Rancher at any time. */
  readonly window: Window | undefined
  readonly ignoreWindow: boolean
  readonly acceptPrevious: boolean
}

/** The further settings of `snapshot restore`. */
export interface RestoreOptions {
  readonly wanted: Wanted
  /** Restore although Rancher's version differs from the archive's. */
  readonly acceptVersion: boolean
  /** Check the whole copy, say what would happen, change nothing. */
  readonly dryRun: boolean
  /** The private age keys that open encrypted archives, if there are any. */
  readonly identity: string | undefined
}

/** @throws Failure environment with every problem */
export function restoreOptions(env: Environment): RestoreOptions {
  const variables = new Variables(env)
  const options = {
    wanted: wanted(variables),
    acceptVersion: variables.yes('BACKUP_RANCHER_ACCEPT_VERSION', false),
    dryRun: variables.yes('RESTORE_DRY_RUN', false),
    identity: identityIn(variables),
  }
  variables.check()
  return options
}

/** The settings of `guard`. */
export interface GuardSettings extends RancherPlace {
  /** When Rancher is started, whatever the run does. */
  readonly deadline: Date
}

/** The names of the containers that belong to a Rancher container. A name is also the lock, because Docker assigns it once. */
export function containerNames(container: string) {
  return {
    run: `${container}-backup`,
    guard: `${container}-guard`,
    drill: `${container}-drill`,
    drillNetwork: `${container}-drill-network`,
  } as const
}

/** @throws Failure environment with every problem */
export function snapshotSettings(env: Environment): SnapshotSettings {
  const variables = new Variables(env)
  const window = variables.optional('BACKUP_RANCHER_WINDOW')
  const parsed = window === undefined ? undefined : parseWindow(window)
  if (typeof parsed === 'string') variables.problem(`BACKUP_RANCHER_WINDOW ${parsed}`)
  storeVariables(variables)
  const settings: SnapshotSettings = {
    ...rancherPlace(variables),
    data: variables.required('BACKUP_RANCHER_DATA_DIRECTORY', "the host's folder with Rancher's data"),
    bucket: variables.required('S3_BUCKET_NAME', 'the bucket that the copies go to'),
    keep: variables.count('BACKUP_COUNT', 1, 1),
    recipients: recipientsIn(variables),
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
    variables.problem('BACKUP_RANCHER_DEADLINE is not a time: use 2026-01-30T18:00:00Z')
  const settings: GuardSettings = { ...rancherPlace(variables), deadline }
  variables.check()
  return settings
}

/** The environment of a guard of this run. */
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

/** The settings of `isolate-network`: Rancher's health URL inside its container, and the time limit. */
export function isolationSettings(env: Environment): { url: string; timeoutMs: number } {
  const variables = new Variables(env)
  const settings = { url: healthUrl(variables), timeoutMs: healthyTimeoutMs(variables) }
  variables.check()
  return settings
}

function healthUrl(variables: Variables): string {
  return variables.required('BACKUP_RANCHER_HEALTH_URL', "Rancher's /ping, as this host reaches it")
}

function healthyTimeoutMs(variables: Variables): number {
  return variables.count('BACKUP_RANCHER_HEALTHY_TIMEOUT_SECONDS', 600, 1) * 1000
}

function rancherPlace(variables: Variables): RancherPlace {
  return {
    system: variables.required('BACKUP_SYSTEM', "the backup system's name"),
    run: variables.required('BACKUP_RANCHER_RUN', 'any text that identifies this run'),
    container: variables.optional('BACKUP_RANCHER_CONTAINER') ?? 'rancher-server',
    staging: variables.required('BACKUP_RANCHER_STAGING_DIRECTORY', 'a folder with room for the copy and its archive'),
    healthUrl: healthUrl(variables),
    healthyTimeoutMs: healthyTimeoutMs(variables),
  }
}
