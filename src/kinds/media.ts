import Type from 'typebox'
import { cronjobCopies, cronjobVariables, runNowTemplate, storeEnvironment } from './cronjob.ts'
import { clusterFields, commonFields, type SystemKind, type TemplateUse, volumeSchema } from './kind.ts'
import {
  answersTo,
  clusterCredential,
  drillSchedule,
  drillTemplate,
  oneOf,
  restoreQuestions,
  restoreVariables,
  verifyTemplate,
  words,
  yesOrNo,
} from './restore.ts'

const schema = Type.Object(
  {
    kind: Type.Literal('media'),
    ...commonFields,
    ...clusterFields,
    source: volumeSchema,
    replica: volumeSchema,
  },
  { additionalProperties: false },
)
export type MediaSystem = Type.Static<typeof schema>

/** How long the agent keeps what was deleted or replaced (`BACKUP_TRASH_DAYS`, its default). */
const trashDays = 30

/** A tree of files: its latest state on another volume (rsync) and in a bucket (by manifest). */
export const media: SystemKind<MediaSystem> = {
  kind: 'media',
  schema,
  cluster: system => system.cluster,
  hostVariables(system, surroundings) {
    const store = storeEnvironment(system, surroundings)
    const contract = { REPLICATE_DIRECTION: 'BtoA', REPLICATE_DELETE: 'yes' }
    const source = { volume: 'source', path: '/volume-b', read_only: true }
    const volumes = { source: system.source, replica: system.replica }
    // rsync keeps owners and reads every file whoever owns it; that takes root with these capabilities and no more.
    const runAs = { user: 0, group: 0, capabilities: ['CHOWN', 'DAC_OVERRIDE', 'FOWNER'] }
    return {
      ...cronjobVariables(system, surroundings, {
        volumes,
        runAs,
        steps: [
          {
            name: 'replica',
            environment: { ...contract, BACKUP_SYSTEM: system.name },
            secret_environment: [],
            mounts: [source, { volume: 'replica', path: '/volume-a', read_only: false }],
          },
          {
            name: 'bucket',
            environment: { ...contract, ...store.plain, S3_BUCKET_NAME: system.bucket, USE_RCLONE: 'yes' },
            secret_environment: store.secret,
            mounts: [source],
          },
        ],
      }),
      ...restoreVariables(restoreRole, system, surroundings, {
        environment: { ...store.plain, S3_BUCKET_NAME: system.bucket },
        secretEnvironment: store.secret,
        volumes,
        runAs,
      }),
    }
  },
  copies: system => ({
    // A manifest names every file of one state; the files themselves are shared between states.
    objects: { prefix: `.manifests/${system.name}/`, pattern: /\/([\dT:.-]+Z)\.jsonl\.gz$/ },
    keeps: { days: trashDays },
    ...cronjobCopies(system),
    drills: drillSchedule,
  }),
  templates: system => [runNowTemplate(system), restoreTemplate(system), drillTemplate(system), verifyTemplate(system)],
}

const restoreRole = 'media_restore'

function restoreTemplate(system: MediaSystem): TemplateUse {
  const role = restoreRole
  const survey = restoreQuestions(role, system, [
    oneOf(
      `${role}_from`,
      'From where?',
      'The bucket (with what was deleted or replaced lately), the replica volume, or objects: a bucket that the images in use before filled',
      ['bucket', 'replica', 'objects'],
    ),
    words(`${role}_paths`, 'Which files?', 'Folders or files, parted by semicolons; empty: all'),
    words(`${role}_into`, 'Into another volume?', "A claim of the namespace; empty: the system's own"),
    yesOrNo(
      `${role}_go_on`,
      'Go on over files that cannot be restored?',
      'The rest is restored, and the job fails in the end',
      'no',
    ),
  ])
  return {
    name: `Restore: ${system.name}`,
    description: `Bring files back from a copy, all or some, with owners, modes and times; only what differs is fetched. ${system.description}`,
    playbook: 'playbooks/restore-media.yml',
    limit: system.name,
    credentials: [clusterCredential(system)],
    survey,
    // The role's own limit is twenty hours; applications and schedules are put back after it.
    timeout: 21 * 3600,
    scheduled: false,
    // After the databases, which are smaller and more missed.
    recovery: { step: 30, answers: answersTo(survey, { [`${role}_dry_run`]: 'no', [`${role}_confirm`]: system.name }) },
  }
}
