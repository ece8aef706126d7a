import Type from 'typebox'
import {
  clusterGoodCopy,
  cronjobCopies,
  cronjobNames,
  cronjobVariables,
  defaultStoreSecret,
  imageFindings,
  inCluster,
  ownImages,
  placeName,
  runNowTemplate,
  storeEnvironment,
} from './cronjob.ts'
import {
  encryptEnvironment,
  encryptFindings,
  encryptSchema,
  identityOf,
  keepKey,
  keyNeeded,
  openedBy,
} from './encrypt.ts'
import { clusterFields, commonFields, type Surroundings, type SystemKind, volumeSchema } from './kind.ts'
import type { OptionTable } from './options.ts'
import {
  clusterCredential,
  drillSchedule,
  drillTemplate,
  type RunAs,
  restoreTable,
  restoreTemplate,
  systemVariables,
  verifyTable,
  verifyTemplate,
} from './restore.ts'
import { byHand, confirmation, kubectl, launch } from './runbook.ts'
import { secondCopyTemplates } from './second.ts'
import { volumeFindings, volumePlace, volumeText } from './volume.ts'

const schema = Type.Object(
  {
    kind: Type.Literal('media', { description: 'A tree of files: its latest state, and what was deleted lately' }),
    ...commonFields,
    ...clusterFields,
    source: Type.Union(volumeSchema.anyOf, { description: 'The volume with the files' }),
    encrypt: Type.Optional(encryptSchema),
    replica: Type.Union(volumeSchema.anyOf, {
      description: 'The volume that gets a copy of them; what else it holds is removed',
    }),
  },
  { additionalProperties: false },
)
export type MediaSystem = Type.Static<typeof schema>

/** How long the agent keeps what was deleted or replaced, in days. */
const trashDays = 30

/** Locks are renewed with the audit of every week; one audit may fail. */
const leastLockDays = 14

const restoreOptions = restoreTable([
  {
    name: 'from',
    question: 'From where?',
    help: 'Where the copy is read from: the bucket (with what was deleted or replaced recently), the replica volume, or objects: a bucket that the older images filled, without a manifest',
    type: 'choice',
    choices: ['bucket', 'replica', 'objects'],
    default: 'bucket',
    environment: 'RESTORE_FROM',
  },
  {
    name: 'paths',
    question: 'Which files?',
    help: 'Folders or files, separated by semicolons; empty restores all',
    type: 'list',
    default: '',
    environment: 'RESTORE_PATHS',
  },
  {
    name: 'into_claim',
    question: 'Into another volume?',
    help: "A claim of the namespace; empty restores into the system's own volume",
    type: 'text',
    default: '',
  },
  {
    name: 'go_on',
    question: 'Continue past files that cannot be restored?',
    help: 'Restore the other files; the job still fails at the end',
    type: 'boolean',
    default: 'no',
    environment: 'DO_NOT_STOP_ON_ERROR',
  },
])

const restoreSeconds = 72_000

const drillOptions: OptionTable = {
  role: 'backup_system',
  entryPoint: 'drill',
  options: [
    {
      name: 'drill_percent',
      question: 'How much of the files?',
      help: 'The percentage of the files that a drill restores; each drill takes the next part until all have been restored',
      type: 'integer',
      default: '5',
      environment: 'BACKUP_DRILL_PERCENT',
      unasked: true,
    },
  ],
}

// rsync preserves owners and reads files of every owner: that needs root with exactly these capabilities. So pods of media
// pass the Pod Security level `baseline` and not `restricted`, as all others do; an NFS export in the pod is not in
// `restricted` either.
const runAs: RunAs = { user: 0, group: 0, capabilities: ['CHOWN', 'DAC_OVERRIDE', 'FOWNER'] }

/** A tree of files: its latest state on another volume (rsync) and in a bucket (by manifest). */
export const media: SystemKind<MediaSystem> = {
  kind: 'media',
  schema,
  cluster: system => system.cluster,
  inCluster,
  secretsNeeded: ({ encrypt }) => (encrypt ? [encrypt.drillIdentity] : []),
  openedBy,
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
    const target = { volume: 'source', path: '/volume-b', read_only: false }
    return {
      ...cronjobVariables(system, surroundings, {
        volumes,
        runAs,
        steps: [
          {
            name: 'replica',
            environment: { ...contract, BACKUP_SYSTEM: system.name, BACKUP_PLACE: placeName(system) },
            secret_environment: [],
            mounts: [source, { volume: 'replica', path: '/volume-a', read_only: false }],
          },
          {
            name: 'bucket',
            environment: {
              ...contract,
              ...store.plain,
              S3_BUCKET_NAME: system.bucket,
              USE_RCLONE: 'yes',
              BACKUP_TRASH_DAYS: String(trashDays),
              ...encryptEnvironment(system),
            },
            secret_environment: store.secret,
            mounts: [source],
          },
        ],
      }),
      ...systemVariables(system, surroundings, {
        environment: { ...store.plain, S3_BUCKET_NAME: system.bucket },
        secretEnvironment: store.secret,
        volumes,
        runAs,
        keep: system.keep,
        ages: clusterGoodCopy(system),
        drillImage: surroundings.agent.image,
        identity: identityOf(system),
        restore: {
          table: restoreOptions,
          mounts: {
            bucket: [target],
            objects: [target],
            replica: [target, { volume: 'replica', path: '/volume-a', read_only: true }],
          },
          // 240 GiB at 10 MB/s take seven hours.
          seconds: restoreSeconds,
        },
        drill: {
          table: drillOptions,
          mounts: [{ volume: 'replica', path: '/volume-a', read_only: true }],
          environment: { BACKUP_DRILL_REPLICA: 'yes' },
        },
      }),
    }
  },
  copies: system => ({
    // A manifest names every file of one state; states share the files themselves.
    objects: { prefix: `.manifests/${system.name}/`, pattern: /\/([\dT:.-]+Z)\.jsonl\.gz$/ },
    keeps: { days: trashDays },
    ...cronjobCopies(system),
    plainFiles: true,
    drills: drillSchedule,
  }),
  cronjobs: cronjobNames,
  check: system => [
    ...imageFindings(system, 'volume-replicator'),
    ...encryptFindings(system),
    ...volumeFindings('source', system.source),
    ...volumeFindings('replica', system.replica),
    ...(system.keep === 1
      ? []
      : [
          {
            key: 'keep',
            message: `a media system keeps one copy, and what was deleted or replaced for ${trashDays} days: ${system.keep} has no effect`,
            suggest: 'write 1',
          },
        ]),
    ...(system.second === undefined || system.second.keep === 1
      ? []
      : [
          {
            key: 'second.keep',
            message: `the second copy of media is one state, and what was deleted or replaced for ${trashDays} days: ${system.second.keep} has no effect`,
            suggest: 'write 1',
          },
        ]),
    ...(system.protect?.mode !== 'lock' || system.protect.days >= leastLockDays
      ? []
      : [
          {
            key: 'protect.days',
            message: `the locks of files that stay are renewed each week, and would end after ${system.protect.days} days`,
            suggest: `write at least ${leastLockDays}`,
          },
        ]),
  ],
  options: [restoreOptions, drillOptions, verifyTable],
  templates: system => [
    runNowTemplate(system),
    restoreTemplate(system, restoreOptions, {
      what: 'Restore files from a copy, all or some, with owners, modes and times; only what differs is downloaded.',
      playbook: 'playbooks/restore-system.yml',
      credentials: [clusterCredential(system)],
      // Longer than the restore's own limit: applications and schedules are started again after it.
      timeout: restoreSeconds + 3600,
      recovery: { dry_run: 'no', confirm: system.name },
    }),
    drillTemplate(system),
    verifyTemplate(system, [clusterCredential(system)]),
    ...secondCopyTemplates(system, [clusterCredential(system)]),
  ],
  runbook: (system, surroundings) => ({
    needs: 'the cluster, and an empty volume',
    keepSafe: keepKey(system),
    restore: restoreText(system, surroundings),
    withoutBucket: `the replica (${volumeText(system, system.replica)}), restored with \`--answer backup_system_from=replica\`, and the source itself. The next backup uploads everything`,
    leftovers: 'folders named `.before-restore-…` at the top of the media',
  }),
  chapters: [
    {
      title: 'A file was deleted last week',
      introduction: `Deleted and replaced files stay in the bucket for ${trashDays} days, below \`.trash/<time of the backup>/\`, with the manifests of that time.`,
      part: fileDeleted,
      conclusion:
        'It worked when the file is there with its size and time. Files that the restore replaced are in `.before-restore-<time>/` at the top of the volume.',
    },
  ],
}

/** Decrypts every file below `media` in its place. */
export const openTreeByHand = `find media -type f -print0 | while IFS= read -r -d '' file; do
  age -d -i "$KEY" -o opened "$file"
  touch -r "$file" opened
  mv opened "$file"
done`

function restoreText(system: MediaSystem, surroundings: Surroundings): string {
  const template = `Restore: ${system.name}`
  const confirm = { backup_system_dry_run: 'no', backup_system_confirm: system.name }
  return `With this software, from the replica (${volumeText(system, system.replica)}) if it still exists, because it is nearer. First the dry run, then the restore:

\`\`\`sh
${launch(template, { backup_system_from: 'replica' })}
${launch(template, { backup_system_from: 'replica', ...confirm })}
\`\`\`

Otherwise from the bucket:

\`\`\`sh
${launch(template, { backup_system_from: 'bucket' })}
${launch(template, { backup_system_from: 'bucket', ...confirm })}
\`\`\`

Weekly drills restore a part of the files from both. Only what differs is downloaded, each file is compared with its hash before it is put in place, and names, owners, modes, times, links and empty folders come from the manifest. If a restore is interrupted, run it again: it continues where it stopped.

Without it, from the replica, with all owners, modes, times and links:

${inPod(system, surroundings, ['replica'], '$k exec restore-by-hand -- rsync -a --info=stats1 /volume-a/ /volume-b')}

or from the bucket:

${inPod(system, surroundings, [], `$k exec restore-by-hand -- rclone copy store:${system.bucket} /volume-b --exclude '/.receipts/**' --exclude '/.manifests/**' --exclude '/.trash/**' --exclude '/.set-aside/**' --transfers 8 --stats-one-line`)}

${
  system.encrypt
    ? `In the bucket each file is encrypted, under its own name. ${keyNeeded} Copy the files to a folder of your own and open them there, before you copy them to the volume:

${byHand(
  `rclone copy store:${system.bucket} ./media --exclude '/.receipts/**' --exclude '/.manifests/**' --exclude '/.trash/**' --exclude '/.set-aside/**' --transfers 8`,
  openTreeByHand,
)}

`
    : ''
}The bucket's objects have no owners, modes, links or empty folders; they are in the manifest, one line of JSON for each entry:

\`\`\`sh
rclone cat "store:${system.bucket}/.manifests/${system.name}/$(rclone lsf store:${system.bucket}/.manifests/${system.name}/ | sort | tail -1)" | gunzip
\`\`\`

It worked when the block exits with 0, a dry run finds nothing to create or replace, and the application shows its files.`
}

/** Commands in a pod with the source at /volume-b; the pod is removed at the end. */
function inPod(
  system: MediaSystem,
  { agent, store }: Surroundings,
  more: readonly 'replica'[],
  command: string,
): string {
  const secret = system.storeSecret ?? defaultStoreSecret
  const plain = (name: string, value: string) => ({ name: `RCLONE_CONFIG_STORE_${name}`, value })
  const key = (name: string, of: string) => ({
    name: `RCLONE_CONFIG_STORE_${name}`,
    valueFrom: { secretKeyRef: { name: secret.name, key: of } },
  })
  const volume = (name: 'source' | 'replica') => ({
    name,
    ...('nfs' in system[name]
      ? { nfs: system[name].nfs }
      : { persistentVolumeClaim: { claimName: system[name].claim } }),
  })
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'restore-by-hand' },
    spec: {
      containers: [
        {
          name: 'restore',
          image: agent.image,
          command: ['sleep', '86400'],
          env: [
            plain('TYPE', 's3'),
            plain('PROVIDER', store.provider),
            plain('ENDPOINT', store.endpoint),
            plain('REGION', store.region),
            // A key that may not make buckets is refused when rclone asks whether to make one.
            plain('NO_CHECK_BUCKET', 'true'),
            key('ACCESS_KEY_ID', secret.accessKeyId),
            key('SECRET_ACCESS_KEY', secret.secretAccessKey),
          ],
          volumeMounts: [
            { name: 'source', mountPath: '/volume-b' },
            ...more.map(name => ({ name, mountPath: '/volume-a', readOnly: true })),
          ],
          securityContext: { runAsUser: 0 },
        },
      ],
      volumes: [volume('source'), ...more.map(volume)],
    },
  }
  return byHand(
    ...kubectl(system.cluster, system.namespace),
    "trap '$k delete pod restore-by-hand --ignore-not-found --wait=false' EXIT",
    "$k create --filename - <<'POD'",
    JSON.stringify(pod),
    'POD',
    '$k wait --for=condition=Ready pod/restore-by-hand --timeout=600s',
    '$k exec restore-by-hand -- df -h /volume-b',
    '$k exec restore-by-hand -- ls -lA /volume-b',
    ...confirmation(`This writes into ${volumeText(system, system.source)}, shown above.`, system.name),
    command,
  )
}

function fileDeleted(system: MediaSystem): string {
  const answers = { backup_system_copy: '<time, UTC>', backup_system_paths: "'folder/file;another folder'" }
  return `**${system.name}**, as it was at a time before that: first the dry run, then the restore.

\`\`\`sh
${launch(`Restore: ${system.name}`, answers)}
${launch(`Restore: ${system.name}`, { ...answers, backup_system_dry_run: 'no', backup_system_confirm: system.name })}
\`\`\`

Without this software, find the file and download it:

\`\`\`sh
rclone lsf -R --files-only store:${system.bucket}/.trash/ | grep '<file>'
rclone copyto 'store:${system.bucket}/.trash/<time>/<folder>/<file>' './<file>'
\`\`\``
}
