import Type from 'typebox'
import { type Schedule, scheduleSchema } from '../schedule/index.ts'

/** Names become Kubernetes objects, inventory hosts and bucket prefixes: the strictest of their rules holds (RFC 1123). */
export const nameSchema = Type.String({
  description: 'Lower-case letters, digits and hyphens; at most 40 characters',
  pattern: '^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$',
})

/** An object's name in Kubernetes. */
export const objectNameSchema = Type.String({ pattern: '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$', maxLength: 253 })

/** What every system has, whatever its kind. */
export const commonFields = {
  name: nameSchema,
  description: Type.String({ description: 'What it is, for people: shown on AWX and in reports', minLength: 1 }),
  schedule: scheduleSchema,
  keep: Type.Integer({ description: 'How many verified copies are kept', minimum: 1 }),
  bucket: Type.String({
    description: 'The bucket, used by this system alone',
    pattern: '^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$',
  }),
  restorableFor: Type.Optional(
    Type.String({
      description:
        'How far back a restore must always be able to go, such as `28 days` or `2 years`; `validate` refuses it if `schedule` and `keep` cannot keep it',
      minLength: 1,
    }),
  ),
  loseAtMost: Type.Optional(
    Type.String({
      description:
        'How much of the newest data a failure may lose, such as `1 h 10 min`; `validate` refuses it if `schedule` cannot keep it',
      minLength: 1,
    }),
  ),
}

/** A key of a Secret that exists, or that `deploy-backups` makes. */
export const secretKeySchema = Type.Object(
  { secret: objectNameSchema, key: Type.String({ minLength: 1 }) },
  { additionalProperties: false },
)

/** Fields of the systems that run in a cluster, as a CronJob. */
export const clusterFields = {
  cluster: Type.String({ description: 'One of `clusters`', minLength: 1 }),
  namespace: objectNameSchema,
  image: Type.Optional(
    Type.String({
      description:
        'The image that does the work, if not `agent.image`: one of the images in use before (`informaticsmatters/sql-backup`, `informaticsmatters/volume-replicator`) does it as well, under the same contract',
      minLength: 1,
    }),
  ),
  serviceAccount: Type.Optional(objectNameSchema),
  nodePreference: Type.Optional(Type.String({ description: 'A node label that the pod prefers', minLength: 1 })),
  storeSecret: Type.Optional(
    Type.Object(
      {
        name: objectNameSchema,
        accessKeyId: Type.String({ description: "The key's name in the Secret", minLength: 1 }),
        secretAccessKey: Type.String({ description: "The key's name in the Secret", minLength: 1 }),
      },
      {
        additionalProperties: false,
        description:
          "The Secret with the store's keys. Default: `backup-store` with `access_key_id`, `secret_access_key`",
      },
    ),
  ),
  replaces: Type.Optional(
    Type.Array(objectNameSchema, { description: 'CronJobs of before, which `deploy-backups` suspends' }),
  ),
}

/** A claim of the namespace, or an NFS export. `size` makes `deploy-backups` create the claim where it is missing. */
export const volumeSchema = Type.Union([
  Type.Object(
    {
      claim: objectNameSchema,
      size: Type.Optional(Type.String({ pattern: '^[0-9]+(Mi|Gi|Ti)$' })),
      storageClass: Type.Optional(objectNameSchema),
    },
    { additionalProperties: false },
  ),
  Type.Object(
    {
      nfs: Type.Object(
        { server: Type.String({ minLength: 1 }), path: Type.String({ pattern: '^/' }) },
        { additionalProperties: false },
      ),
    },
    { additionalProperties: false },
  ),
])
export type Volume = Type.Static<typeof volumeSchema>

/** The parts of a config that a kind of system may look at. */
export interface Surroundings {
  readonly store: { readonly endpoint: string; readonly region: string; readonly provider: string }
  readonly agent: { readonly image: string }
  /** With all of the config, for a kind that keeps it. */
  readonly systems: readonly object[]
}

/** A credential that a job template needs, by its AWX name and type. */
export interface CredentialUse {
  readonly name: string
  readonly type: 'Machine' | 'OpenShift or Kubernetes API Bearer Token' | 'S3 store' | 'Heartbeat'
}

/** A question of a job template's survey, in the words of AWX's survey_spec. */
export interface Question {
  readonly question_name: string
  readonly question_description: string
  readonly variable: string
  readonly type: 'text' | 'multiplechoice'
  readonly required: boolean
  readonly default: string
  readonly choices: readonly string[]
}

/** A job template that a kind of system asks for. */
export interface TemplateUse {
  readonly name: string
  readonly description: string
  readonly playbook: string
  readonly limit: string
  readonly credentials: readonly CredentialUse[]
  readonly survey: readonly Question[]
  /** Seconds, above the longest that the work may take: AWX ends the job by a signal, and `always:` does not run then. */
  readonly timeout: number
  /** Runs on AWX's clock; systems in clusters run on their CronJob's. */
  readonly scheduled: boolean
  /** When, if not when the system is backed up. */
  readonly schedule?: Schedule
  /**
   * For one that restores: its place in a whole recovery (lower first; equal ones in the config's order), and what it
   * answers there to its survey.
   */
  readonly recovery?: { readonly step: number; readonly answers: Readonly<Record<string, string>> }
}

/** What a system's copies are, and what its schedule allows: the basis of `status`, `simulate` and the alarms. */
export interface CopyFacts {
  /**
   * The objects of the bucket that are copies: their keys begin with `prefix` and match `pattern`, whose first group is
   * the time that the copy was taken, in UTC (`2026-01-31T03:07:00Z`, or with hyphens instead of colons).
   */
  readonly objects: { readonly prefix: string; readonly pattern: RegExp }
  /** A number of copies, or every state of so many days. */
  readonly keeps: { readonly copies: number } | { readonly days: number }
  /** What starts a run: AWX's schedule or the CronJob's. */
  readonly clock: 'awx' | 'kubernetes'
  /** How late a scheduled run may still start. */
  readonly startsWithinSeconds: number
  /** How long a run may take before it is stopped. */
  readonly endsWithinSeconds: number
  /** When a restore is tested; missing for a system that is never drilled. */
  readonly drills?: Schedule
}

/**
 * One kind of system: all that the rest of the house must know of it. A new kind is one new file beside this one, its
 * line in `index.ts`, and its roles.
 */
export interface SystemKind<S extends { kind: string; name: string }> {
  readonly kind: S['kind']
  readonly schema: Type.TObject
  /** The cluster it runs in; `undefined` for one with a host of its own. */
  cluster(system: S): string | undefined
  /** The variables of its inventory host, as its roles' `argument_specs` want them. */
  hostVariables(system: S, surroundings: Surroundings): Record<string, unknown>
  /** The job templates that run it. */
  templates(system: S): TemplateUse[]
  copies(system: S): CopyFacts
}
