import Type from 'typebox'
import { type Schedule, scheduleSchema } from '../schedule/index.ts'
import type { OptionTable } from './options.ts'
import { protectSchema } from './protect.ts'
import { secondSchema } from './second.ts'
import { storeSecretSchema } from './store-secret.ts'

/** Names become Kubernetes objects, inventory hosts and bucket prefixes, so the strictest rule applies (RFC 1123). */
export const nameSchema = Type.String({
  description: 'Lower-case letters, digits and hyphens; at most 40 characters',
  pattern: '^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$',
})

/** An object's name in Kubernetes. */
export const objectNameSchema = Type.String({ format: 'kubernetes-name' })

/** A key of a Secret. */
export const keySchema = Type.String({ format: 'kubernetes-secret-key' })

/** What every system has, whatever its kind. */
export const commonFields = {
  name: nameSchema,
  description: Type.String({ description: 'What it is, for people: shown on AWX and in reports', format: 'line' }),
  schedule: scheduleSchema,
  keep: Type.Integer({ description: 'How many verified copies are kept', minimum: 1 }),
  bucket: Type.String({
    description: 'The bucket, used by this system alone',
    format: 'bucket',
  }),
  restorableFor: Type.Optional(
    Type.String({
      description:
        'How far back a restore must always be able to go, such as `28 days` or `2 years`; `validate` refuses it if `schedule` and `keep` cannot keep it. Left out: no promise',
      minLength: 1,
    }),
  ),
  loseAtMost: Type.Optional(
    Type.String({
      description:
        'How much of the newest data a failure may lose, such as `1 h 10 min`; `validate` refuses it if `schedule` cannot keep it. Left out: no promise',
      minLength: 1,
    }),
  ),
  protect: Type.Optional(protectSchema),
  second: Type.Optional(secondSchema),
}

/** A key of a Secret that exists, or that `deploy-backups` creates. */
export const secretKeySchema = Type.Object(
  {
    secret: Type.String({ ...objectNameSchema, description: 'The name of the Secret, in the namespace of the system' }),
    key: Type.String({ ...keySchema, description: "The name of the key in it, not the key's value" }),
  },
  { additionalProperties: false, description: 'A key of a Secret' },
)

export type SecretKey = Type.Static<typeof secretKeySchema>

/** Fields of the systems that run in a cluster, as a CronJob. */
export const clusterFields = {
  cluster: Type.String({ description: 'One of `clusters`', minLength: 1 }),
  namespace: Type.String({ description: 'The namespace it runs in', format: 'kubernetes-namespace' }),
  image: Type.Optional(
    Type.String({
      description:
        'The image that does the work. Default: `agent.image`. One of the old images (`informaticsmatters/sql-backup`, `informaticsmatters/volume-replicator`) does it too, with the same environment',
      format: 'image',
    }),
  ),
  serviceAccount: Type.Optional(
    Type.String({
      ...objectNameSchema,
      description: 'The service account of the pods. Default: `default`, without a token',
    }),
  ),
  nodePreference: Type.Optional(
    Type.String({
      description: 'The key of a node label: the pod prefers nodes that have it. Left out: any node',
      format: 'kubernetes-label',
    }),
  ),
  storeSecret: Type.Optional(
    storeSecretSchema(
      "The Secret with the store's keys. Default: `backup-store` with `access_key_id`, `secret_access_key`",
    ),
  ),
  replaces: Type.Optional(
    Type.Array(objectNameSchema, {
      description: 'Old CronJobs, which `deploy-backups` suspends. Default: none',
      uniqueItems: true,
    }),
  ),
}

/** A claim of the namespace, or an NFS export. `size` makes `deploy-backups` create a missing claim. */
export const volumeSchema = Type.Union([
  Type.Object(
    {
      claim: Type.String({ ...objectNameSchema, description: 'A PersistentVolumeClaim of the namespace' }),
      size: Type.Optional(
        Type.String({
          format: 'kubernetes-size',
          description:
            'The size of the claim that `deploy-backups` makes, in Mi, Gi or Ti. Left out: the claim must exist',
        }),
      ),
      storageClass: Type.Optional(
        Type.String({ ...objectNameSchema, description: "The storage class of that claim. Default: the cluster's" }),
      ),
    },
    { additionalProperties: false },
  ),
  Type.Object(
    {
      nfs: Type.Object(
        {
          server: Type.String({ format: 'host', description: 'The NFS server: a host name or an IP address' }),
          path: Type.String({ format: 'path', description: 'The exported folder, an absolute path' }),
        },
        { additionalProperties: false, description: 'An NFS export, in place of a claim' },
      ),
    },
    { additionalProperties: false },
  ),
])
export type Volume = Type.Static<typeof volumeSchema>

/** The parts of a config that a kind of system may use. */
export interface Surroundings {
  readonly store: { readonly endpoint: string; readonly region: string; readonly provider: string }
  /** The stores of second copies. */
  readonly otherStores?: readonly {
    readonly name: string
    readonly endpoint: string
    readonly region: string
    readonly provider: string
  }[]
  readonly agent: { readonly image: string; readonly drillImage: string; readonly postgres?: readonly number[] }
  readonly clusters: readonly {
    readonly name: string
    readonly api: string
    readonly podSecurity?: 'require' | 'label'
  }[]
  /** The Secret with the addresses of the dead-man's switch. */
  readonly heartbeats?: { readonly secret: string }
  /** The whole config's systems, for a kind that stores the config. */
  readonly systems: readonly object[]
}

/** A credential that a job template needs, by its AWX name and type. */
export interface CredentialUse {
  readonly name: string
  readonly type:
    | 'Machine'
    | 'OpenShift or Kubernetes API Bearer Token'
    | 'Red Hat Ansible Automation Platform'
    | 'S3 store'
    | 'Second S3 store'
    | 'Heartbeat'
    | 'Private age key'
}

/** A question of a job template's survey, with the field names of AWX's survey_spec. */
export interface Question {
  readonly question_name: string
  readonly question_description: string
  readonly variable: string
  readonly type: 'text' | 'multiplechoice'
  readonly required: boolean
  readonly default: string
  readonly choices: readonly string[]
}

/** A job template that a kind of system defines. */
export interface TemplateUse {
  readonly name: string
  readonly description: string
  readonly playbook: string
  readonly limit: string
  readonly credentials: readonly CredentialUse[]
  readonly survey: readonly Question[]
  /** Seconds; longer than the work may take, because AWX kills a job that exceeds it and its `always:` does not run. */
  readonly timeout: number
  /** Whether AWX schedules it. Backups in clusters are scheduled by their CronJob instead. */
  readonly scheduled: boolean
  /** AWX's schedule, if it differs from the system's own. */
  readonly schedule?: Schedule
  /** Further schedules, with other answers to the survey. */
  readonly also?: readonly {
    readonly name: string
    readonly description: string
    readonly schedule: Schedule
    readonly answers: Readonly<Record<string, string>>
  }[]
  /** Whether a run stops the system briefly, so that nothing that needs it may start at about the same time. */
  readonly interrupts?: boolean
  /** For a job that is part of a full recovery: the answers that the workflow gives to its survey. */
  readonly recovery?: { readonly answers: Readonly<Record<string, string>> }
}

/** A system's copies and what its schedule allows: the basis of `status`, `simulate` and the alarms. */
export interface CopyFacts {
  /**
   * The objects of the bucket that are copies: their keys begin with `prefix` and match `pattern`, whose first group is
   * the time at which the copy was taken, in UTC (`2026-01-31T03:07:00Z`, or with hyphens instead of colons).
   */
  readonly objects: { readonly prefix: string; readonly pattern: RegExp }
  /** Whether the image that makes them writes receipts; the old images do not. */
  readonly writesReceipts: boolean
  /** Whether the old image leaves plain files, whose names contain no time. */
  readonly plainFiles: boolean
  /** A number of copies, or a number of days of which every state is kept. */
  readonly keeps: { readonly copies: number } | { readonly days: number }
  /** What starts a run: AWX's schedule or the CronJob's. */
  readonly clock: 'awx' | 'kubernetes'
  /** How late a scheduled run may still start. */
  readonly startsWithinSeconds: number
  /** How long a run may take before it is stopped. */
  readonly endsWithinSeconds: number
  /** When a restore is tested; missing for a system without drills. */
  readonly drills?: Schedule
}

/** Problems of a single system beyond its schema; `key` is the one to change. */
export interface SystemFinding {
  readonly key: string
  readonly message: string
  readonly suggest: string
}

/**
 * The stages of a full recovery, in order: each needs those before it. Secrets come first because everything else needs
 * them; the access stage gives access to the clusters; `deployment` creates the claims and Secrets that restores in
 * clusters use; a shared server holds the logins and AWX itself; then the databases of single applications; then files,
 * which take longest.
 */
export const recoveryStages = ['secrets', 'access', 'deployment', 'shared-server', 'database', 'files'] as const
export type RecoveryStage = (typeof recoveryStages)[number]

/** Sorts by recovery stage; within a stage the given order is kept. */
export function inRecoveryOrder<T>(items: readonly T[], stageOf: (item: T) => RecoveryStage): T[] {
  const rank = (item: T) => recoveryStages.indexOf(stageOf(item))
  return [...items].sort((a, b) => rank(a) - rank(b))
}

/** A place other than the bucket that a system reads or writes. */
export interface Place {
  /** The key of the system that names it, e.g. `volume` or `source`. */
  readonly key: string
  readonly access: 'read' | 'write'
  readonly at:
    | { readonly cluster: string; readonly namespace: string; readonly claim: string }
    | { readonly nfs: { readonly server: string; readonly path: string } }
    | { readonly host: string; readonly path: string }
}

/** What the agent's `verify` requires of a system's copies, in hours. */
export interface GoodCopy {
  readonly maximumAgeHours: number
  /** Missing for a system without drills. */
  readonly drillMaximumAgeHours?: number
}

/** One system's part of the runbook, in Markdown. */
export interface RunbookPage {
  /** What must be in place before its restore can start. */
  readonly needs: string
  /** What must be kept outside the installation, each with the reason. */
  readonly keepSafe: readonly { readonly what: string; readonly why: string }[]
  /** How to restore it and how to check that it worked: the body of its step in the full recovery. */
  readonly restore: string
  /** What still holds its data if the bucket is lost, and how to use it. */
  readonly withoutBucket: string
  /** What a restore leaves behind to be removed manually, if anything. */
  readonly leftovers?: string
}

/** A chapter of the runbook about one kind of incident. */
export interface RunbookChapter<S> {
  readonly title: string
  readonly introduction: string
  part(system: S, surroundings: Surroundings): string
  readonly conclusion?: string
}

/**
 * One kind of system: everything that the rest of the code must know about it. To add a kind, add one file in this
 * folder and its entry in `index.ts`; the lab's part is in `src/lab/kinds/`, the agent's is a folder in `src/agent/`.
 */
export interface SystemKind<S extends { kind: string; name: string }> {
  readonly kind: S['kind']
  readonly schema: Type.TObject
  /** The cluster it runs in; `undefined` for a system with a host of its own. */
  cluster(system: S): string | undefined
  /** Its namespace in that cluster, and the Secret there with the store's keys. */
  inCluster(system: S): { readonly namespace: string; readonly storeSecret: string } | undefined
  /** Where it reads and writes besides its bucket. */
  places(system: S): Place[]
  /** The images that the system itself configures, by key. */
  images(system: S): { readonly key: string; readonly image: string }[]
  /** Its stage in a full recovery. */
  stage(system: S): RecoveryStage
  goodCopy(system: S): GoodCopy
  /** The variables of its inventory host, as its roles' `argument_specs` define them. */
  hostVariables(system: S, surroundings: Surroundings): Record<string, unknown>
  /** All options of its jobs, by role and entry point. */
  readonly options: readonly OptionTable[]
  /** Its job templates. */
  templates(system: S): TemplateUse[]
  copies(system: S): CopyFacts
  /** Its CronJob and the old ones that it replaces, as `cluster/namespace/name`; `undefined` without a CronJob. */
  cronjobs(system: S): { readonly own: string; readonly replaced: readonly string[] } | undefined
  /** The keys of Secrets in its namespace without which what was restored cannot be used. */
  secretsNeeded?(system: S): readonly SecretKey[]
  /** The Secrets of its namespace that its copies hold. */
  secretsKept?(system: S): readonly { readonly name: string; readonly keys: readonly string[] }[]
  /** The public keys that its copies are encrypted to: those of the operators, and that of its drills. */
  openedBy?(system: S): {
    readonly operators: readonly string[]
    readonly drill: string | undefined
    /** The key of the config that names it. */
    readonly drillAt: string
  }
  /** Problems that its schema cannot express. */
  check(system: S): SystemFinding[]
  runbook(system: S, surroundings: Surroundings): RunbookPage
  /** Chapters about incidents that only this kind has. */
  readonly chapters: readonly RunbookChapter<S>[]
}
