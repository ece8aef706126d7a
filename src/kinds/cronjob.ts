import { playbookPython } from '../ansible/yaml.ts'
import { cron, periodSeconds, type Schedule, timezoneOf } from '../schedule/index.ts'
import type { CopyFacts, GoodCopy, Surroundings, SystemFinding, TemplateUse, Volume } from './kind.ts'
import { type Protect, protectEnvironment } from './protect.ts'
import { clusterCredential, drillMaximumAgeHours, type RunAs } from './restore.ts'

interface ClusterSystem {
  readonly name: string
  readonly description: string
  readonly cluster: string
  readonly namespace: string
  readonly image?: string
  readonly serviceAccount?: string
  readonly nodePreference?: string
  readonly storeSecret?: { readonly name: string; readonly accessKeyId: string; readonly secretAccessKey: string }
  readonly replaces?: readonly string[]
  readonly schedule: Schedule
  readonly bucket: string
  readonly protect?: Protect
}

/** One container of the CronJob's pod; all but the last become init containers. */
interface Step {
  readonly name: string
  readonly environment: Record<string, string>
  readonly secret_environment: readonly { name: string; secret: string; key: string }[]
  readonly mounts: readonly { volume: string; path: string; read_only: boolean }[]
}

interface Work {
  readonly steps: readonly Step[]
  readonly volumes: Readonly<Record<string, Volume | { readonly secret: { name: string; entries: readonly string[] } }>>
  readonly runAs: RunAs
}

/** The Secret with the store's keys that `deploy-backups` creates if the config does not name one. */
export const defaultStoreSecret = {
  name: 'backup-store',
  accessKeyId: 'access_key_id',
  secretAccessKey: 'secret_access_key',
}

/**
 * How long a run may take and how late it may start, in seconds. A run ends before the next is due; one that could not
 * start on time still starts in the first half of its period, so that a control plane that is down for minutes at 03:07
 * does not lose the day (with `startingDeadlineSeconds: 180` it did).
 */
function deadlines(schedule: Schedule): { active: number; starting: number } {
  const period = periodSeconds(schedule)
  return {
    active: Math.min(Math.floor(period * 0.9), 20 * 3600),
    starting: Math.min(Math.floor(period / 2), 12 * 3600),
  }
}

/** The part of `copies` that is the same for every system with a CronJob. */
export function cronjobCopies({
  schedule,
  image,
}: ClusterSystem): Pick<CopyFacts, 'clock' | 'startsWithinSeconds' | 'endsWithinSeconds' | 'writesReceipts'> {
  const { active, starting } = deadlines(schedule)
  return {
    clock: 'kubernetes',
    startsWithinSeconds: starting,
    endsWithinSeconds: active,
    writesReceipts: image === undefined,
  }
}

/**
 * How old the copies of a system in a cluster may be: a period, and half a period because a run may start that late.
 */
export function clusterGoodCopy({ schedule }: { readonly schedule: Schedule }): GoodCopy {
  return { maximumAgeHours: Math.ceil((1.5 * periodSeconds(schedule)) / 3600) + 1, drillMaximumAgeHours }
}

/** Where a system in a cluster runs, and the Secret with its store's keys. */
export function inCluster({ namespace, storeSecret }: ClusterSystem): { namespace: string; storeSecret: string } {
  return { namespace, storeSecret: (storeSecret ?? defaultStoreSecret).name }
}

/** The image that a system in a cluster names instead of the agent's. */
export function ownImages({ image }: { readonly image?: string }): { key: string; image: string }[] {
  return image === undefined ? [] : [{ key: 'image', image }]
}

/** Where a system runs, by which it marks the volumes that it fills. */
export function placeName({ cluster, namespace }: Pick<ClusterSystem, 'cluster' | 'namespace'>): string {
  return `${cluster}/${namespace}`
}

/** The store's part of an image's environment, the same in both images' contracts. */
export function storeEnvironment(system: ClusterSystem, { store }: Surroundings) {
  const secret = system.storeSecret ?? defaultStoreSecret
  return {
    plain: {
      AWS_DEFAULT_REGION: store.region,
      BACKUP_SYSTEM: system.name,
      BACKUP_PLACE: placeName(system),
      RCLONE_S3_ENDPOINT: store.endpoint,
      RCLONE_S3_PROVIDER: store.provider,
      ...protectEnvironment(system),
    },
    secret: [
      { name: 'AWS_ACCESS_KEY_ID', secret: secret.name, key: secret.accessKeyId },
      { name: 'AWS_SECRET_ACCESS_KEY', secret: secret.name, key: secret.secretAccessKey },
    ],
  }
}

/** The variables of role `backup_cronjob` for a system that runs in a cluster. */
export function cronjobVariables(
  system: ClusterSystem,
  surroundings: Surroundings,
  work: Work,
): Record<string, unknown> {
  const { active, starting } = deadlines(system.schedule)
  const secret = system.storeSecret ?? defaultStoreSecret
  const ours = system.image === undefined
  return {
    ansible_connection: 'local',
    ansible_python_interpreter: playbookPython,
    backup_cronjob_name: system.name,
    backup_cronjob_namespace: system.namespace,
    backup_cronjob_pod_security:
      surroundings.clusters.find(({ name }) => name === system.cluster)?.podSecurity ?? 'require',
    backup_cronjob_schedule: cron(system.schedule),
    backup_cronjob_timezone: timezoneOf(system.schedule),
    backup_cronjob_image: system.image ?? surroundings.agent.image,
    backup_cronjob_active_deadline_seconds: active,
    backup_cronjob_starting_deadline_seconds: starting,
    backup_cronjob_steps: ours ? heard(work.steps, system, surroundings) : work.steps,
    backup_cronjob_volumes: Object.entries(work.volumes).map(([name, volume]) => ({
      name,
      ...('nfs' in volume
        ? { nfs: volume.nfs }
        : 'secret' in volume
          ? { secret: volume.secret }
          : {
              claim: {
                name: volume.claim,
                create: volume.size !== undefined,
                ...(volume.size !== undefined && { size: volume.size }),
                ...(volume.storageClass !== undefined && { storage_class: volume.storageClass }),
              },
            }),
    })),
    backup_cronjob_s3_secret: {
      name: secret.name,
      access_key_id: secret.accessKeyId,
      secret_access_key: secret.secretAccessKey,
    },
    // The old images write into their own file system, and run as root.
    backup_cronjob_read_only_root: ours,
    ...(ours && { backup_cronjob_run_as: work.runAs }),
    ...(system.serviceAccount !== undefined && { backup_cronjob_service_account: system.serviceAccount }),
    ...(system.nodePreference !== undefined && { backup_cronjob_node_preference: system.nodePreference }),
    ...(system.replaces !== undefined && { backup_cronjob_replaces: system.replaces }),
  }
}

/** The steps, of which the last reports the run to the dead-man's switch, if there is one. */
function heard(steps: readonly Step[], { name }: ClusterSystem, { heartbeats }: Surroundings): readonly Step[] {
  if (!heartbeats) return steps
  const address = { name: 'BACKUP_HEARTBEAT_URL', secret: heartbeats.secret, key: name }
  return steps.map((step, index) =>
    index === steps.length - 1 ? { ...step, secret_environment: [...step.secret_environment, address] } : step,
  )
}

/** A system's CronJob and the old ones that it replaces, as `cluster/namespace/name`. */
export function cronjobNames({ cluster, namespace, name, replaces = [] }: ClusterSystem) {
  const full = (cronjob: string) => `${cluster}/${namespace}/${cronjob}`
  return { own: full(name), replaced: replaces.map(full) }
}

// The old images, each of which handles one kind.
const formerImages = ['sql-backup', 'volume-replicator']

/**
 * Problems with a system's own image.
 *
 * @param former the old image for this kind, if any
 */
export function imageFindings({ image }: ClusterSystem, former: string | undefined): SystemFinding[] {
  if (image === undefined) return []
  const name =
    image
      .replace(/@.*$/, '')
      .replace(/:[^/]*$/, '')
      .split('/')
      .at(-1) ?? ''
  if (former !== undefined && !formerImages.some(other => other !== former && name === other)) return []
  return [
    {
      key: 'image',
      message: `\`${image}\` cannot back up this kind of system`,
      suggest:
        former === undefined ? 'leave it out: only the agent can' : `leave it out, or name a version of \`${former}\``,
    },
  ]
}

/** The job template that starts a run of a cluster's system immediately. */
export function runNowTemplate(system: ClusterSystem): TemplateUse {
  return {
    name: `Back up: ${system.name}`,
    description: `Run the backup of ${system.name} once, now, and wait until it has finished. ${system.description}`,
    playbook: 'playbooks/run-backup.yml',
    limit: system.name,
    credentials: [clusterCredential(system)],
    survey: [],
    timeout: deadlines(system.schedule).active + 900,
    scheduled: false,
  }
}
