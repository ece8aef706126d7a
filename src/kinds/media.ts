import Type from 'typebox'
import {
  clusterGoodCopy,
  cronjobCopies,
  cronjobNames,
  cronjobVariables,
  imageFindings,
  ownImages,
  runNowTemplate,
  storeEnvironment,
} from './cronjob.ts'
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
import { launch } from './runbook.ts'
import { volumePlace, volumeText } from './volume.ts'

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
  places: system => [
    volumePlace(system, 'source', system.source, 'read'),
    volumePlace(system, 'replica', system.replica, 'write'),
  ],
  images: ownImages,
  stage: () => 'files',
  goodCopy: clusterGoodCopy,
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
    plainFiles: true,
    drills: drillSchedule,
  }),
  cronjobs: cronjobNames,
  check: system => [
    ...imageFindings(system, 'volume-replicator'),
    ...(system.keep === 1
      ? []
      : [
          {
            key: 'keep',
            message: `a media system keeps one copy, and what was deleted or replaced for ${trashDays} days: ${system.keep} has no effect`,
            suggest: 'write 1',
          },
        ]),
  ],
  templates: system => [runNowTemplate(system), restoreTemplate(system), drillTemplate(system), verifyTemplate(system)],
  runbook: system => ({
    needs: 'the cluster, and an empty volume',
    keepSafe: [],
    restore: mediaSteps(system),
    withoutBucket: `the replica (${volumeText(system, system.replica)}), restored with \`--answer ${restoreRole}_from=replica\`, and the source itself. The next backup uploads everything`,
    leftovers: 'folders named `.before-restore-…` at the top of the media',
  }),
  chapters: [
    {
      title: 'A file was deleted last week',
      introduction:
        'Deleted and overwritten files stay in the bucket for 30 days, below `.trash/<time of the run>/`, and the manifests of that time with them.',
      part: fileDeleted,
      conclusion:
        'It worked when the file is there with its size and time. Replaced files are kept in `.before-restore-<time>/` at the top of the volume.',
    },
  ],
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
    recovery: { answers: answersTo(survey, { [`${role}_dry_run`]: 'no', [`${role}_confirm`]: system.name }) },
  }
}

function mediaSteps(system: MediaSystem): string {
  const template = `Restore: ${system.name}`
  const replica = volumeText(system, system.replica)
  const source = volumeText(system, system.source)
  return `With this software: from the replica (${replica}) where it is left, which is nearest; else from the bucket. First the dry run, then the restore.

\`\`\`sh
${launch(template, { media_restore_from: 'bucket' })}
${launch(template, { media_restore_from: 'bucket', media_restore_dry_run: 'no', media_restore_confirm: system.name })}
\`\`\`

Only what differs is fetched, each file is held against its hash before it takes its place, and names, owners, modes, times, links and empty folders come from the manifest. Killed midway, run it again: it goes on from there.

Without it, in a pod that has ${source} at /volume-b and rclone (owners, modes, links and empty folders are then to be taken from the manifest, \`rclone cat store:${system.bucket}/.manifests/${system.name}/<latest> | gunzip\`):

\`\`\`sh
rclone copy store:${system.bucket} /volume-b --exclude '/.receipts/**' --exclude '/.manifests/**' --exclude '/.trash/**' --transfers 8 --progress
\`\`\`

or, from the replica: \`rsync -a /volume-a/ /volume-b\`.

It worked when a second dry run finds nothing to make or replace, and the application shows its files.`
}

function fileDeleted(system: MediaSystem): string {
  return `**${system.name}**, as it was at a time before the mishap:

\`\`\`sh
${launch(`Restore: ${system.name}`, { media_restore_copy: '<time, UTC>', media_restore_paths: "'folder/file;another folder'" })}
\`\`\`

and again with \`--answer media_restore_dry_run=no --answer media_restore_confirm=${system.name}\`.

Without this software:

\`\`\`sh
rclone lsf -R --files-only store:${system.bucket}/.trash/ | grep 'file'
rclone copyto "store:${system.bucket}/.trash/<time>/folder/file" ./file
\`\`\``
}
