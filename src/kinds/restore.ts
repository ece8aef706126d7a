import type { Schedule } from '../schedule/index.ts'
import type { CredentialUse, Question, Surroundings, TemplateUse, Volume } from './kind.ts'

/** The system as its restore needs it. */
interface RestorableSystem {
  readonly name: string
  readonly cluster: string
  readonly namespace: string
  readonly serviceAccount?: string
  readonly nodePreference?: string
}

/** What the restore's pod has of the backup's. */
interface RestoreWork {
  readonly environment: Readonly<Record<string, string>>
  readonly secretEnvironment: readonly { name: string; secret: string; key: string }[]
  readonly volumes: Readonly<Record<string, Volume>>
  readonly runAs: { user: number; group: number; fs_group?: number; capabilities: readonly string[] }
}

/** The variables of a role that restores a system of a cluster (`database_restore`, `media_restore`). */
export function restoreVariables(
  role: string,
  system: RestorableSystem,
  { agent }: Surroundings,
  work: RestoreWork,
): Record<string, unknown> {
  return {
    [`${role}_system`]: system.name,
    [`${role}_namespace`]: system.namespace,
    // Whichever image makes the copies, ours restores them.
    [`${role}_image`]: agent.image,
    [`${role}_environment`]: work.environment,
    [`${role}_secret_environment`]: work.secretEnvironment,
    [`${role}_volumes`]: Object.entries(work.volumes).map(([name, volume]) =>
      'nfs' in volume ? { name, nfs: volume.nfs } : { name, claim: volume.claim },
    ),
    [`${role}_run_as`]: work.runAs,
    ...(system.serviceAccount !== undefined && { [`${role}_service_account`]: system.serviceAccount }),
    ...(system.nodePreference !== undefined && { [`${role}_node_preference`]: system.nodePreference }),
  }
}

/** The credential that every template of a system in a cluster needs. */
export function clusterCredential({ cluster }: RestorableSystem): CredentialUse {
  return { name: `Kubernetes: ${cluster}`, type: 'OpenShift or Kubernetes API Bearer Token' }
}

const text = (variable: string, name: string, description: string, standard = ''): Question => ({
  question_name: name,
  question_description: description,
  variable,
  type: 'text',
  required: false,
  default: standard,
  choices: [],
})

/** A question to be answered by `no` or `yes`. */
export function yesOrNo(variable: string, name: string, description: string, standard: 'no' | 'yes'): Question {
  return {
    ...text(variable, name, description, standard),
    type: 'multiplechoice',
    required: true,
    choices: ['no', 'yes'],
  }
}

/** A question with a choice of words, the first being the usual one. */
export function oneOf(variable: string, name: string, description: string, choices: readonly string[]): Question {
  return { ...text(variable, name, description, choices[0]), type: 'multiplechoice', required: true, choices }
}

/** A question that may be left empty. */
export const words = text

/** The questions of every restore: which copy, whether it is a rehearsal, and the name that confirms it is not. */
export function restoreQuestions(role: string, { name }: RestorableSystem, more: readonly Question[]): Question[] {
  return [
    {
      ...text(
        `${role}_copy`,
        'Which copy?',
        'LATEST, a time in UTC such as 2026-01-31T03:07:00Z (the newest copy taken at or before it), or NONE to list the copies',
        'LATEST',
      ),
      required: true,
    },
    ...more,
    text(
      `${role}_scale_down`,
      'Scale down meanwhile?',
      'Applications that use it: deployment/<name> or statefulset/<name>, parted by commas; they are scaled up again after',
    ),
    yesOrNo(
      `${role}_keep_before`,
      'Keep what is replaced?',
      'What was there before stays beside the restored when all is proven',
      'yes',
    ),
    yesOrNo(
      `${role}_dry_run`,
      'Dry run?',
      'Check the whole copy, say exactly what would happen, change nothing',
      'yes',
    ),
    text(`${role}_confirm`, 'Type the name to confirm', `${name}, where it is no dry run`),
  ]
}

/** Drills run weekly; a week of grace. */
export const drillMaximumAgeHours = 14 * 24

/** What a workflow answers to a survey: the given, and what else it must, as the survey proposes. */
export function answersTo(
  survey: readonly Question[],
  given: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const proposed = survey.filter(question => question.required).map(question => [question.variable, question.default])
  return { ...Object.fromEntries(proposed), ...given }
}

type Known = Pick<TemplateUse, 'description'> & { readonly name: string }

/** Early on a Sunday: no deployments, no Rancher backup, and the week's copies behind it. */
export const drillSchedule: Schedule = { every: 'week', on: 'sunday', at: '05:30' }

/**
 * What the job templates that rehearse a restore have in common, every week on AWX's clock.
 */
export function rehearsal({ name, description }: Known) {
  return {
    name: `Rehearse the restore: ${name}`,
    description: `Restore the newest copy of ${name} into something that is thrown away, compare, and keep a receipt of how long it took. ${description}`,
    limit: name,
    survey: [],
    scheduled: true,
    schedule: drillSchedule,
  } as const
}

/** The job template that rehearses the restore of a system in a cluster. */
export function drillTemplate(system: RestorableSystem & Known): TemplateUse {
  return {
    ...rehearsal(system),
    playbook: 'playbooks/drill-restores.yml',
    credentials: [clusterCredential(system)],
    // The role's own limit is ten hours.
    timeout: 11 * 3600,
  }
}

/** What the job templates that look at a newest copy have in common: every morning when people come to work. */
export function verification({ name, description }: Known) {
  return {
    name: `Verify: ${name}`,
    description: `Ask the bucket, by its receipts, whether the newest copy of ${name} is there, whole and new enough, and when its restore was last rehearsed. ${description}`,
    playbook: 'playbooks/verify-backups.yml',
    limit: name,
    survey: [],
    // The roles' own limit is a quarter of an hour, and as much again for a pod to start.
    timeout: 3600,
    scheduled: true,
    schedule: { every: 'day', at: '08:30' },
  } as const
}

/** The job template that looks at the newest copy of a system in a cluster. */
export function verifyTemplate(system: RestorableSystem & Known): TemplateUse {
  return { ...verification(system), credentials: [clusterCredential(system)] }
}
