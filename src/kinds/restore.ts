import type { Schedule } from '../schedule/index.ts'
import type { CredentialUse, Surroundings, TemplateUse, Volume } from './kind.ts'
import { answersOf, environmentOf, type JobOption, type OptionTable, questionsOf, surveyOf } from './options.ts'

/** Fields of every system in a cluster. */
export interface InCluster {
  readonly name: string
  readonly description: string
  readonly cluster: string
  readonly namespace: string
  readonly serviceAccount?: string
  readonly nodePreference?: string
}

/** A user, as a pod's or a container's security context has it. */
export interface RunAs {
  readonly user: number
  readonly group: number
  readonly fs_group?: number
  readonly capabilities: readonly string[]
}

/** The agent image's own user. */
export const agentUser: RunAs = { user: 10001, group: 10001, capabilities: [] }

interface Mount {
  readonly volume: string
  readonly path: string
  readonly read_only: boolean
}

/** What the agent needs to restore, drill and verify a system in a cluster. */
interface Work {
  /** The variables for the location of its data and its copies. */
  readonly environment: Readonly<Record<string, string>>
  readonly secretEnvironment: readonly { name: string; secret: string; key: string }[]
  readonly volumes: Readonly<Record<string, Volume>>
  readonly runAs: RunAs
  readonly ages: { readonly maximumAgeHours: number; readonly drillMaximumAgeHours?: number }
  /** How many copies should be kept. */
  readonly keep: number
  readonly drillImage: string
  readonly restore?: {
    readonly table: OptionTable
    /** Mounts by the answer to the option `from`. */
    readonly mounts: Readonly<Record<string, readonly Mount[]>>
    readonly environment?: Readonly<Record<string, string>>
    readonly seconds?: number
  }
  readonly drill?: {
    readonly table: OptionTable
    /** Of the first store's drills: what they restore from beside the bucket, and the variables that say so. */
    readonly mounts: readonly Mount[]
    readonly environment: Readonly<Record<string, string>>
  }
  /** The key of a Secret with the private key that restores and drills open copies with. */
  readonly identity?: { readonly secret: string; readonly key: string } | undefined
}

/** The variables of role `backup_system` for a system in a cluster. */
export function systemVariables(system: InCluster, { agent }: Surroundings, work: Work): Record<string, unknown> {
  return {
    backup_system_name: system.name,
    backup_system_namespace: system.namespace,
    // The agent restores the copies of any image.
    backup_system_image: agent.image,
    backup_system_drill_image: work.drillImage,
    backup_system_environment: work.environment,
    backup_system_secret_environment: work.secretEnvironment,
    backup_system_volumes: Object.entries(work.volumes).map(([name, volume]) =>
      'nfs' in volume ? { name, nfs: volume.nfs } : { name, claim: volume.claim },
    ),
    backup_system_run_as: work.runAs,
    ...(work.identity && { backup_system_identity: work.identity }),
    ...verifyVariables(work),
    ...(system.serviceAccount !== undefined && { backup_system_service_account: system.serviceAccount }),
    ...(system.nodePreference !== undefined && { backup_system_node_preference: system.nodePreference }),
    ...(work.restore && {
      backup_system_restore_mounts: work.restore.mounts,
      backup_system_restore_options: environmentOf(work.restore.table),
      backup_system_restore_environment: {
        ...work.restore.environment,
        BACKUP_QUESTIONS: JSON.stringify(questionsOf(work.restore.table)),
      },
      ...(work.restore.seconds && { backup_system_restore_seconds: work.restore.seconds }),
    }),
    ...(work.drill && {
      backup_system_drill_options: environmentOf(work.drill.table),
      backup_system_drill_mounts: work.drill.mounts,
      backup_system_drill_environment: work.drill.environment,
    }),
  }
}

/** The variables of `verify`. */
export function verifyVariables({ ages, keep }: Pick<Work, 'ages' | 'keep'>): Record<string, number> {
  const { maximumAgeHours, drillMaximumAgeHours } = ages
  return {
    backup_system_keep: keep,
    backup_system_maximum_age_hours: maximumAgeHours,
    ...(drillMaximumAgeHours !== undefined && { backup_system_drill_maximum_age_hours: drillMaximumAgeHours }),
  }
}

/** The credential that every job template of a system in a cluster needs. */
export function clusterCredential({ cluster }: { readonly cluster: string }): CredentialUse {
  return { name: `Kubernetes: ${cluster}`, type: 'OpenShift or Kubernetes API Bearer Token' }
}

const dryRun: JobOption = {
  name: 'dry_run',
  question: 'Dry run?',
  help: 'Check the whole copy and say what a restore would do; change nothing',
  type: 'boolean',
  default: 'yes',
  environment: 'RESTORE_DRY_RUN',
}
const confirm: JobOption = {
  name: 'confirm',
  question: "Type the system's name to confirm",
  help: "The system's name; required unless this is a dry run",
  type: 'text',
  default: '',
}
const copy: JobOption = {
  name: 'copy',
  question: 'Which copy?',
  help: 'LATEST, a time in UTC such as 2026-01-31T03:07:00Z (the newest copy taken at or before it), or NONE to list the copies',
  type: 'text',
  default: 'LATEST',
  required: true,
  environment: 'FROM_BACKUP',
}

const store: JobOption = {
  name: 'store',
  question: 'Which store?',
  help: 'The store whose copies are restored: the first, or the second that the system names in the config',
  type: 'choice',
  choices: ['first', 'second'],
  default: 'first',
}

/** A table without the option that only a system with a second store has. */
function optionsFor(table: OptionTable, system: { readonly second?: unknown }): OptionTable {
  const names = [store.name, `restore_${store.name}`]
  return system.second ? table : { ...table, options: table.options.filter(({ name }) => !names.includes(name)) }
}

/** The options of a restore in a cluster: those of its kind between those that every kind has. */
export function restoreTable(own: readonly JobOption[]): OptionTable {
  return {
    role: 'backup_system',
    entryPoint: 'restore',
    options: [
      copy,
      store,
      ...own,
      {
        name: 'scale_down',
        question: 'Scale down applications?',
        help: 'Applications that use the data, as deployment/<name> or statefulset/<name>, separated by commas; they are scaled up again afterwards',
        type: 'text',
        default: '',
      },
      {
        name: 'keep_before',
        question: 'Keep what is replaced?',
        help: 'Keep the old data beside the restored data after the restore has been verified',
        type: 'boolean',
        default: 'yes',
        environment: 'RESTORE_KEEP_BEFORE',
      },
      dryRun,
      confirm,
    ],
  }
}

/** The options of every kind's verification. */
export const verifyTable: OptionTable = {
  role: 'backup_system',
  entryPoint: 'verify',
  options: [
    {
      name: 'deep',
      question: 'Read copies back?',
      help: 'Read copies from the bucket and compare them with their hashes, those first that were never read or longest ago',
      type: 'boolean',
      default: 'no',
      environment: 'BACKUP_DEEP',
    },
    {
      name: 'deep_bytes',
      question: 'How much?',
      help: 'How much of the copies is read back, as 500M or 20G',
      type: 'text',
      default: '10G',
      required: true,
      environment: 'BACKUP_DEEP_BYTES',
    },
  ],
}

/** When copies are read back: late on a Sunday morning, after the drills. */
const deepSchedule: Schedule = { every: 'week', on: 'sunday', at: '11:30' }

/** The options that every kind's restore has, for a kind with its own role. */
export const sharedOptions = { copy, store, dryRun, confirm } as const

/** The job template that restores a system, with the answers that a full recovery gives. */
export function restoreTemplate(
  system: { readonly name: string; readonly description: string; readonly second?: unknown },
  all: OptionTable,
  of: {
    readonly what: string
    readonly playbook: string
    readonly credentials: readonly CredentialUse[]
    readonly timeout: number
    readonly recovery: Readonly<Record<string, string>>
  },
): TemplateUse {
  const table = optionsFor(all, system)
  return {
    name: `Restore: ${system.name}`,
    description: `${of.what} ${system.description}`,
    playbook: of.playbook,
    limit: system.name,
    credentials: of.credentials,
    survey: surveyOf(table),
    timeout: of.timeout,
    scheduled: false,
    recovery: { answers: answersOf(table, of.recovery) },
  }
}

/** Drills run weekly; one week of tolerance. */
export const drillMaximumAgeHours = 14 * 24

type Known = Pick<TemplateUse, 'description'> & { readonly name: string }

/** Early on a Sunday: no deployments, no Rancher backup, and the week's copies are complete. */
export const drillSchedule: Schedule = { every: 'week', on: 'sunday', at: '05:30' }

/** The common part of the job templates that test a restore: AWX runs them weekly. */
export function drill({ name, description }: Known) {
  return {
    name: `Test restore: ${name}`,
    description: `Restore the newest copy of ${name} into something temporary, compare, and write a receipt with the time it took. ${description}`,
    limit: name,
    survey: [],
    scheduled: true,
    schedule: drillSchedule,
  } as const
}

/** The job template that tests the restore of a system in a cluster. */
export function drillTemplate(system: { readonly cluster: string } & Known): TemplateUse {
  return {
    ...drill(system),
    playbook: 'playbooks/drill-system.yml',
    credentials: [clusterCredential(system)],
    // The role's own limit is ten hours.
    timeout: 11 * 3600,
  }
}

/** The job template that verifies a system's newest copy, every morning at the start of the working day. */
export function verifyTemplate({ name, description }: Known, credentials: readonly CredentialUse[]): TemplateUse {
  return {
    name: `Verify: ${name}`,
    description: `Check by its receipts that the newest copy of ${name} is present, complete and recent, and when its restore was last tested. ${description}`,
    playbook: 'playbooks/verify-backups.yml',
    limit: name,
    credentials,
    survey: surveyOf(verifyTable),
    // The role's own limit is two hours, for what is read back; a pod may take a quarter of an hour to start.
    timeout: 9000,
    scheduled: true,
    schedule: { every: 'day', at: '08:30' },
    also: [
      {
        name: `Read back: ${name}`,
        description: `Read copies of ${name} back from the bucket, and compare them with their hashes. ${description}`,
        schedule: deepSchedule,
        answers: answersOf(verifyTable, { deep: 'yes' }),
      },
    ],
  }
}
