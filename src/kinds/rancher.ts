import Type from 'typebox'
import { periodSeconds, type Schedule, timezoneOf } from '../schedule/index.ts'
import { encryptOnHostSchema, keepKey, keyNeeded, openByHand, openedBy, recipientsOf } from './encrypt.ts'
import { type CredentialUse, commonFields, type Surroundings, type SystemKind } from './kind.ts'
import { type JobOption, type OptionTable, surveyOf } from './options.ts'
import { protectEnvironment } from './protect.ts'
import {
  agentUser,
  drill,
  drillMaximumAgeHours,
  drillSchedule,
  restoreTemplate,
  sharedOptions,
  verifyTable,
  verifyTemplate,
  verifyVariables,
} from './restore.ts'
import { byHand, confirmation, launch } from './runbook.ts'
import { secondCopyTemplates, secondStoreCredential, secondSurroundings } from './second.ts'

const schema = Type.Object(
  {
    kind: Type.Literal('rancher', { description: 'The Rancher server: an archive of its data' }),
    ...commonFields,
    host: Type.String({ description: "The Docker host's address for ssh", format: 'host' }),
    hostKeys: Type.Array(Type.String({ format: 'ssh-host-key' }), {
      description:
        "The host's public ssh keys (`cat /etc/ssh/ssh_host_*_key.pub` on the host, without the comments): a play connects to no host that has another",
      minItems: 1,
    }),
    container: Type.String({
      description: "The Rancher server's container",
      pattern: '^[a-zA-Z0-9][a-zA-Z0-9_.-]+$',
    }),
    dataDirectory: Type.String({ description: 'What the container mounts at /var/lib/rancher', format: 'data-path' }),
    stagingDirectory: Type.String({
      description: 'Where the copy is made; needs room for twice the data',
      format: 'data-path',
    }),
    healthUrl: Type.String({ description: 'Answers 200 when Rancher is up', format: 'http-address' }),
    windowMinutes: Type.Integer({
      description: 'How late after its time a scheduled run may still stop Rancher, minutes',
      minimum: 1,
      maximum: 1440,
    }),
    stopDeadlineSeconds: Type.Integer({
      description: 'After this time the guard starts Rancher again, whatever the state of the backup, seconds',
      minimum: 5,
      maximum: 3600,
    }),
    healthyTimeoutSeconds: Type.Integer({
      description: 'How long Rancher may take from its start until it is healthy, seconds',
      minimum: 10,
      maximum: 3600,
    }),
    encrypt: Type.Optional(encryptOnHostSchema),
    heartbeat: Type.Optional(
      Type.Boolean({
        description:
          "Whether every backup and every drill reports to a dead-man's switch; the addresses are in the credentials `Heartbeat: <system>` and `Heartbeat: drill of <system>`. Default: `false`",
      }),
    ),
  },
  { additionalProperties: false },
)
export type RancherSystem = Type.Static<typeof schema>

const backupOptions: OptionTable = {
  role: 'rancher_backup',
  entryPoint: 'main',
  options: [
    {
      name: 'ignore_window',
      question: 'Outside the window?',
      help: 'A backup stops Rancher only within the window after its scheduled time; "yes" runs it now',
      type: 'boolean',
      default: 'no',
      environment: 'BACKUP_RANCHER_IGNORE_WINDOW',
    },
    {
      name: 'accept_previous',
      question: "Run despite the guard's last intervention?",
      help: 'After the guard had to start Rancher, no backup stops it again until an operator has found the cause and answers "yes"',
      type: 'boolean',
      default: 'no',
      environment: 'BACKUP_RANCHER_ACCEPT_PREVIOUS',
    },
  ],
}

const restoreOptions: OptionTable = {
  role: 'rancher_backup',
  entryPoint: 'restore',
  options: [
    // The entry points of the role have different defaults for FROM_BACKUP, so the role sets it.
    { ...omitEnvironment(sharedOptions.copy), name: 'restore_copy' },
    { ...sharedOptions.store, name: 'restore_store' },
    { ...sharedOptions.dryRun, name: 'restore_dry_run' },
    {
      name: 'restore_accept_version',
      question: 'Under another version?',
      help: 'A copy is started with the version that made it; "yes" restores it under the version that the container has now',
      type: 'boolean',
      default: 'no',
      environment: 'BACKUP_RANCHER_ACCEPT_VERSION',
    },
    { ...sharedOptions.confirm, name: 'restore_confirm' },
  ],
}

function omitEnvironment({ environment: _, ...option }: JobOption): JobOption {
  return option
}

function window(schedule: Schedule, minutes: number): Record<string, unknown> {
  return {
    timezone: timezoneOf(schedule),
    minutes,
    ...(schedule.every === 'week' && { weekday: schedule.on }),
    ...(schedule.every === 'hour' ? { minute: schedule.minute } : { from: schedule.at }),
  }
}

/**
 * Options of ssh that accept a host with these keys and no other, whatever known_hosts there is. The keys come from a
 * command, because a job on AWX has no file of its own before it connects. ssh replaces `%%` by `%`.
 */
function onlyHostKeys(keys: readonly string[]): string {
  const lines = keys.map(key => `"* ${key}"`).join(' ')
  return [
    '-o StrictHostKeyChecking=yes',
    '-o UserKnownHostsFile=/dev/null',
    '-o GlobalKnownHostsFile=/dev/null',
    `-o 'KnownHostsCommand=/usr/bin/printf "%%s\\n" ${lines}'`,
  ].join(' ')
}

/** The Rancher server: one Docker container on a host of its own, stopped briefly while it is copied. */
export const rancher: SystemKind<RancherSystem> = {
  kind: 'rancher',
  schema,
  openedBy,
  cluster: () => undefined,
  inCluster: () => undefined,
  places: ({ host, dataDirectory, stagingDirectory }) => [
    { key: 'dataDirectory', access: 'write', at: { host, path: dataDirectory } },
    { key: 'stagingDirectory', access: 'write', at: { host, path: stagingDirectory } },
  ],
  images: () => [],
  stage: () => 'access',
  goodCopy: system => ({ maximumAgeHours: maximumAgeHours(system), drillMaximumAgeHours }),
  hostVariables: (system, surroundings) => ({
    ansible_host: system.host,
    ansible_become: true,
    // AWX sets ANSIBLE_HOST_KEY_CHECKING=False for its jobs; a variable counts for more.
    ansible_host_key_checking: true,
    ansible_ssh_common_args: onlyHostKeys(system.hostKeys),
    rancher_backup_system: system.name,
    rancher_backup_image: surroundings.agent.image,
    rancher_backup_container: system.container,
    rancher_backup_data_directory: system.dataDirectory,
    rancher_backup_staging_directory: system.stagingDirectory,
    rancher_backup_health_url: system.healthUrl,
    rancher_backup_bucket: system.bucket,
    rancher_backup_s3_endpoint: surroundings.store.endpoint,
    rancher_backup_s3_region: surroundings.store.region,
    rancher_backup_keep: system.keep,
    ...(system.protect && { rancher_backup_protect: system.protect }),
    ...(system.encrypt && { rancher_backup_recipients: recipientsOf(system) }),
    ...secondPlace(system, surroundings),
    rancher_backup_window: window(system.schedule, system.windowMinutes),
    rancher_backup_stop_deadline_seconds: system.stopDeadlineSeconds,
    rancher_backup_healthy_timeout_seconds: system.healthyTimeoutSeconds,
    backup_system_name: system.name,
    backup_system_image: surroundings.agent.image,
    backup_system_environment: {
      AWS_DEFAULT_REGION: surroundings.store.region,
      RCLONE_S3_ENDPOINT: surroundings.store.endpoint,
      S3_BUCKET_NAME: system.bucket,
      ...protectEnvironment(system),
    },
    backup_system_run_as: agentUser,
    ...verifyVariables({
      ages: { maximumAgeHours: maximumAgeHours(system), drillMaximumAgeHours },
      keep: system.keep,
    }),
  }),
  copies: system => ({
    objects: {
      prefix: 'rancher-data-backup-',
      pattern: /^rancher-data-backup-.+-(\d{4}-\d\d-\d\dT[\d-]+Z)\.tar\.gz(?:\.age)?$/,
    },
    keeps: { copies: system.keep },
    writesReceipts: true,
    plainFiles: false,
    clock: 'awx',
    startsWithinSeconds: system.windowMinutes * 60,
    endsWithinSeconds: timeoutSeconds,
    drills: drillSchedule,
  }),
  cronjobs: () => undefined,
  check: ({ schedule, stopDeadlineSeconds, windowMinutes }) => [
    ...(stopDeadlineSeconds > windowMinutes * 60
      ? [
          {
            key: 'stopDeadlineSeconds',
            message: `Rancher may stay stopped for ${stopDeadlineSeconds} s, longer than its window of ${windowMinutes} minutes`,
            suggest: `write at most ${windowMinutes * 60}`,
          },
        ]
      : []),
    ...(windowMinutes * 60 >= periodSeconds(schedule)
      ? [
          {
            key: 'windowMinutes',
            message: `a window of ${windowMinutes} minutes lasts until the next run, so that no run is ever too late`,
            suggest: `write less than ${periodSeconds(schedule) / 60}`,
          },
        ]
      : []),
  ],
  options: [backupOptions, restoreOptions, verifyTable],
  templates: system => [
    {
      name: `Back up: ${system.name}`,
      description: `Stop Rancher for a moment, copy its data, start it again, upload the copy. ${system.description}`,
      playbook: 'playbooks/backup-rancher.yml',
      limit: system.name,
      credentials: credentials(system, system.name),
      survey: surveyOf(backupOptions),
      timeout: timeoutSeconds,
      scheduled: true,
      interrupts: true,
    },
    restoreTemplate(system, restoreOptions, {
      what: 'Restore Rancher from a copy: check it completely, unpack it beside the existing data, exchange them while Rancher is stopped for a moment, and roll back if it does not become healthy.',
      playbook: 'playbooks/restore-rancher.yml',
      credentials: [...credentials(system, undefined), ...secondCredential(system), ...keyCredential(system)],
      timeout: timeoutSeconds,
      recovery: { restore_copy: 'LATEST', restore_dry_run: 'no', restore_confirm: system.name },
    }),
    {
      ...drill(system),
      playbook: 'playbooks/drill-rancher.yml',
      // A separate check: a successful drill must not hide a failed backup.
      credentials: [...credentials(system, `drill of ${system.name}`), ...keyCredential(system)],
      timeout: timeoutSeconds,
    },
    verifyTemplate(system, credentials(system, undefined)),
    ...secondCopyTemplates(
      system,
      [...credentials(system, undefined), ...secondCredential(system)],
      true,
      keyCredential(system),
    ),
  ],
  runbook: (system, surroundings) => ({
    needs: 'a Docker host',
    keepSafe: [
      {
        what: `the ssh key of AWX's credential \`Host: ${system.name}\``,
        why: `\`--local\` reaches ${system.host} with it`,
      },
      ...keepKey(system),
    ],
    restore: restoreText(system, surroundings),
    withoutBucket: `the data themselves, in ${system.dataDirectory} on ${system.host}`,
    leftovers: `\`${system.dataDirectory}.before-…\` on ${system.host}`,
  }),
  chapters: [
    {
      title: 'Rancher does not start',
      introduction: 'The clusters run without it; only their management is unavailable. There is time to look.',
      part: rancherDown,
    },
  ],
}

// There is some time from a run's stop of the server to its receipt, and a week with a clock change has an hour more.
const GRACE_HOURS = 3

/** No run starts after its window, so this is the maximum age of the newest copy. */
function maximumAgeHours({ schedule, windowMinutes }: RancherSystem): number {
  return Math.ceil(periodSeconds(schedule) / 3600 + windowMinutes / 60) + GRACE_HOURS
}

function credentials({ name, heartbeat }: RancherSystem, heard: string | undefined): CredentialUse[] {
  return [
    { name: `Host: ${name}`, type: 'Machine' },
    { name: `Store: ${name}`, type: 'S3 store' },
    ...(heartbeat && heard ? [{ name: `Heartbeat: ${heard}`, type: 'Heartbeat' as const }] : []),
  ]
}

/** Where the role finds the second copies. */
function secondPlace(system: RancherSystem, surroundings: Surroundings): Record<string, unknown> {
  if (!system.second) return {}
  const { store } = secondSurroundings(surroundings, system.second)
  const { bucket, protect = {} } = system.second
  return { rancher_backup_second: { bucket, s3_endpoint: store.endpoint, s3_region: store.region, protect } }
}

/** The credential with the second store's keys, if there is a second copy. */
function secondCredential({ name, second }: RancherSystem): CredentialUse[] {
  return second ? [{ name: secondStoreCredential(name), type: 'Second S3 store' }] : []
}

/** The credential with the private key, if copies are encrypted: of the jobs that open them only. */
function keyCredential({ name, encrypt }: RancherSystem): CredentialUse[] {
  return encrypt ? [{ name: `Key: ${name}`, type: 'Private age key' }] : []
}

/** AWX stops a job that takes longer, in seconds. */
const timeoutSeconds = 4 * 3600

/** Downloads the newest archive, or that which `ARCHIVE` names, with programs of the agent's image. */
function fetchArchive({ bucket, encrypt }: RancherSystem, { agent, store }: Surroundings): string[] {
  const run = `docker run --rm --network host --volume /var/tmp:/var/tmp --env RCLONE_CONFIG_STORE_TYPE=s3 --env RCLONE_CONFIG_STORE_PROVIDER=${store.provider} --env RCLONE_CONFIG_STORE_ENDPOINT=${store.endpoint} --env RCLONE_CONFIG_STORE_REGION=${store.region} --env RCLONE_CONFIG_STORE_NO_CHECK_BUCKET=true --env RCLONE_CONFIG_STORE_ACCESS_KEY_ID --env RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY --user 0 --entrypoint rclone ${agent.image}`
  const [names, ending] = encrypt ? ['*.tar.gz*', '[.]tar[.]gz([.]age)?'] : ['*.tar.gz', '[.]tar[.]gz']
  const age = `docker run --rm --interactive --network none --volume "$KEY":/key:ro --user 0 --entrypoint age ${agent.image} -d -i /key`
  return [
    `rclone() { ${run} "$@"; }`,
    `archive=\${ARCHIVE:-$(rclone lsf store:${bucket}/ --include '${names}' | sed -E 's/.*-(....-..-..T..-..-..Z)${ending}$/\\1 &/' | sort | tail -1 | cut -d' ' -f2)}`,
    ...(encrypt
      ? [openByHand(age), `rclone cat "store:${bucket}/$archive" | open "$archive" > /var/tmp/rancher.tar.gz`]
      : [`rclone copyto "store:${bucket}/$archive" /var/tmp/rancher.tar.gz`]),
  ]
}

function restoreText(system: RancherSystem, surroundings: Surroundings): string {
  const template = `Restore: ${system.name}`
  const confirm = { rancher_backup_restore_dry_run: 'no', rancher_backup_restore_confirm: system.name }
  const { container, dataDirectory } = system
  return `On a new host, first create the container as Rancher's documentation says, from the image of the archive's version; it need not run: \`docker create --name ${container} --restart=unless-stopped --privileged -p 80:80 -p 443:443 -v ${dataDirectory}:/var/lib/rancher rancher/rancher:<tag>\`.

With this software: first the dry run, then the restore. If AWX is unavailable, with \`--local --credentials secrets.yml\`.

\`\`\`sh
${launch(template, {})}
${launch(template, confirm)}
\`\`\`

The archive is downloaded, compared with its receipt and unpacked beside the data before Rancher is stopped; the old data are put back if it does not become healthy within ${system.healthyTimeoutSeconds} s. \`--answer rancher_backup_restore_copy=NONE\` lists the copies; a time in UTC selects the newest one taken at or before it. A container of another version than the archive's is refused, unless you add \`--answer rancher_backup_restore_accept_version=yes\`.

Without it, as root on ${system.host}. The version and image tag are in the archive's name. Set the store's keys there, \`RCLONE_CONFIG_STORE_ACCESS_KEY_ID\` and \`RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY\`; rclone comes from the agent's image, so that the host needs Docker only${system.encrypt ? `. ${keyNeeded} Write its full path.` : ':'}

${byHand(
  ...fetchArchive(system, surroundings),
  'gzip -t /var/tmp/rancher.tar.gz',
  `hostname; docker container inspect --format '{{.Name}} {{.Config.Image}}, running: {{.State.Running}}' ${container}; echo "Archive: $archive"`,
  ...confirmation(`This stops ${container} on this host and replaces ${dataDirectory}.`, system.name),
  `rm -rf ${dataDirectory}.restored; mkdir -p ${dataDirectory}.restored`,
  `tar xzpf /var/tmp/rancher.tar.gz -C ${dataDirectory}.restored --strip-components=3   # its names begin with var/lib/rancher`,
  `docker stop ${container}`,
  `[ ! -e ${dataDirectory} ] || mv ${dataDirectory} "${dataDirectory}.before-$(date -u +%Y%m%dT%H%M%SZ)"`,
  `mv ${dataDirectory}.restored ${dataDirectory}`,
  `docker start ${container}`,
  `for _ in $(seq ${Math.ceil(system.healthyTimeoutSeconds / 5)}); do sleep 5; curl -fsk ${system.healthUrl} && exit 0; done`,
  `echo '${container} did not become healthy' >&2; exit 1`,
)}

It worked when the block exits with 0 and the clusters are shown as active. To go back: stop the container, move \`${dataDirectory}.before-…\` back, start it.`
}

function rancherDown(system: RancherSystem): string {
  return `On ${system.host}:

\`\`\`sh
docker ps -a --filter name=${system.container}; docker logs --tail 50 ${system.container}; df -h ${system.dataDirectory}
docker start ${system.container}; curl -fsk ${system.healthUrl}
\`\`\`

1. Did a backup stop it? The guard on the host starts it within ${system.stopDeadlineSeconds} s, and logs that: \`docker logs ${system.container}-guard\`. If it did not, \`docker start ${system.container}\`.
2. Is the disk full? Free space (an archive that was not uploaded is in ${system.stagingDirectory}), then start it.
3. Are its data damaged? Follow the step "${system.name}" of the full recovery on this host. The old data are kept until Rancher is healthy.
4. After the guard had to act, no backup stops Rancher until an operator has found the cause. Then run one: \`${launch(`Back up: ${system.name}`, { rancher_backup_accept_previous: 'yes', rancher_backup_ignore_window: 'yes' })}\`.`
}
