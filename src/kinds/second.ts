import Type from 'typebox'
import { type Schedule, scheduleSchema } from '../schedule/index.ts'
import type { CredentialUse, Surroundings, TemplateUse } from './kind.ts'
import { type Protect, protectEnvironment, protectSchema } from './protect.ts'
import { storeSecretSchema } from './store-secret.ts'

/** The schema of `second`. */
export const secondSchema = Type.Object(
  {
    store: Type.String({ description: 'One of `otherStores`', minLength: 1 }),
    bucket: Type.String({ description: 'Its bucket there, used by this system alone', format: 'bucket' }),
    keep: Type.Integer({ description: 'How many verified copies are kept there', minimum: 1 }),
    schedule: scheduleSchema,
    storeSecret: Type.Optional(
      storeSecretSchema(
        "In a cluster: the Secret of the namespace with the second store's keys. Default: `backup-second-store` with `access_key_id`, `secret_access_key`",
      ),
    ),
    protect: Type.Optional(protectSchema),
  },
  {
    additionalProperties: false,
    description: 'A second copy in another store, filled from the first by a job that AWX schedules. Left out: none',
  },
)

/** A system's `second`. */
export type Second = Type.Static<typeof secondSchema>

/** The Secret with the second store's keys if the config does not name one. */
const defaultSecret = {
  name: 'backup-second-store',
  accessKeyId: 'access_key_id',
  secretAccessKey: 'secret_access_key',
}

interface WithSecond {
  readonly name: string
  readonly description: string
  readonly bucket: string
  readonly schedule: Schedule
  readonly second?: Second
  readonly protect?: Protect
}

/** What a system has that stands for a second copy. */
interface SecondCopy {
  /** When the first copies are made, of which these are made. */
  readonly firstSchedule: Schedule
}

/**
 * A system as its second copy: with the bucket, the number of copies, the schedule and the keys that it has in the second
 * store, and without promises, which the first copy keeps. Undefined if it has none.
 */
export function asSecond<S extends WithSecond>(system: S): (S & SecondCopy) | undefined {
  const { second } = system
  if (!second) return undefined
  const { second: _, protect: __, ...rest } = system
  const { bucket, keep, schedule, protect, storeSecret = defaultSecret } = second
  return {
    ...rest,
    bucket,
    keep,
    schedule,
    ...('namespace' in system && { storeSecret }),
    ...(protect && { protect }),
    restorableFor: undefined,
    loseAtMost: undefined,
    firstSchedule: system.schedule,
  } as unknown as S & SecondCopy
}

/** When the first copies are made, for a system that stands for its second copy. */
export function firstScheduleOf(system: object): Schedule | undefined {
  return (system as Partial<SecondCopy>).firstSchedule
}

/** What surrounds a second copy: the same, with its store. */
export function secondSurroundings<C extends Surroundings>(surroundings: C, { store: name }: Second): C {
  const found = surroundings.otherStores?.find(store => store.name === name)
  if (!found) return surroundings
  const { name: _, ...store } = found
  return { ...surroundings, store }
}

/** The name of the credential with the keys of a system's second store, as that of the first is `Store: …`. */
export function secondStoreCredential(owner: string): string {
  return `Second store: ${owner}`
}

/**
 * The variable `backup_system_second` of a system with a second copy.
 *
 * @param variables those of its second copy, as its kind makes them
 * @param ageHours how old the newest first copy may be
 */
export function secondVariables(
  { second }: WithSecond,
  surroundings: Surroundings,
  variables: Readonly<Record<string, unknown>>,
  ageHours: number,
): Record<string, unknown> {
  if (!second) return {}
  const { store } = secondSurroundings(surroundings, second)
  const { name, accessKeyId, secretAccessKey } = second.storeSecret ?? defaultSecret
  const { BACKUP_PROTECT, BACKUP_PROTECT_DAYS } = protectEnvironment(second)
  return {
    backup_system_second: {
      // What a restore, a drill and a verification need to work on the second copy.
      environment: variables.backup_system_environment,
      ...(variables.backup_system_secret_environment !== undefined && {
        secret_environment: variables.backup_system_secret_environment,
      }),
      // A second copy is made of one that may be that old already.
      maximum_age_hours: ageHours + Number(variables.backup_system_maximum_age_hours),
      copy_environment: {
        BACKUP_SECOND_BUCKET: second.bucket,
        BACKUP_SECOND_COUNT: String(second.keep),
        BACKUP_SECOND_ENDPOINT: store.endpoint,
        BACKUP_SECOND_REGION: store.region,
        ...(BACKUP_PROTECT && {
          BACKUP_SECOND_PROTECT: BACKUP_PROTECT,
          BACKUP_SECOND_PROTECT_DAYS: String(BACKUP_PROTECT_DAYS),
        }),
      },
      ...(variables.backup_system_secret_environment !== undefined && {
        copy_secret_environment: [
          { name: 'BACKUP_SECOND_ACCESS_KEY_ID', secret: name, key: accessKeyId },
          { name: 'BACKUP_SECOND_SECRET_ACCESS_KEY', secret: name, key: secretAccessKey },
        ],
      }),
    },
  }
}

/**
 * The job templates that bring the second copy of a system up to date and test its restore; none if it has none.
 *
 * @param drills whether a restore can be tested
 * @param opens what that needs in addition, if copies are encrypted
 */
export function secondCopyTemplates(
  system: WithSecond,
  credentials: readonly CredentialUse[],
  drills = true,
  opens: readonly CredentialUse[] = [],
): TemplateUse[] {
  const { name, description, second } = system
  if (!second) return []
  const templates: TemplateUse[] = [
    {
      name: `Second copy: ${name}`,
      description: `Copy what receipts vouch for to the second store, and verify it there. ${description}`,
      playbook: 'playbooks/second-copy.yml',
      limit: name,
      credentials,
      survey: [],
      // The role's own limit is 20 hours, and the verification follows.
      timeout: 22 * 3600,
      scheduled: true,
      schedule: second.schedule,
    },
    {
      name: `Test restore of second copy: ${name}`,
      description: `Restore the newest second copy of ${name} into something temporary, compare, and write a receipt there. ${description}`,
      playbook: 'playbooks/drill-second-copy.yml',
      limit: name,
      credentials: [...credentials, ...opens],
      survey: [],
      timeout: 11 * 3600,
      scheduled: true,
      schedule: { every: 'month', on: 15, at: '05:30' },
    },
  ]
  return drills ? templates : templates.slice(0, 1)
}
