import Type from 'typebox'
import { type Schedule, timezoneOf } from '../schedule/index.ts'
import { commonFields, type SystemKind } from './kind.ts'

const schema = Type.Object(
  {
    kind: Type.Literal('rancher'),
    ...commonFields,
    host: Type.String({ description: "The Docker host's address for ssh", minLength: 1 }),
    container: Type.String({ description: "The Rancher server's container", minLength: 1 }),
    dataDirectory: Type.String({ description: 'What the container mounts at /var/lib/rancher', pattern: '^/' }),
    stagingDirectory: Type.String({ description: 'Where the copy is made; room for twice the data', pattern: '^/' }),
    healthUrl: Type.String({ description: 'Answers 200 when Rancher is up', pattern: '^https?://' }),
    windowMinutes: Type.Integer({
      description: 'How late after its time a scheduled run may still stop Rancher, minutes',
      minimum: 1,
      maximum: 1440,
    }),
    stopDeadlineSeconds: Type.Integer({
      description: 'After this time the guard starts Rancher again, whatever became of the backup, seconds',
      minimum: 5,
      maximum: 3600,
    }),
    healthyTimeoutSeconds: Type.Integer({
      description: 'How long Rancher may take from its start until it is healthy, seconds',
      minimum: 10,
      maximum: 3600,
    }),
    heartbeat: Type.Optional(
      Type.Boolean({
        description:
          "Whether a dead-man's switch hears of every run; its address is the credential `Heartbeat: <system>`",
      }),
    ),
  },
  { additionalProperties: false },
)
export type RancherSystem = Type.Static<typeof schema>

function window(schedule: Schedule, minutes: number): Record<string, unknown> {
  return {
    timezone: timezoneOf(schedule),
    minutes,
    ...(schedule.every === 'week' && { weekday: schedule.on }),
    ...(schedule.every === 'hour' ? { minute: schedule.minute } : { from: schedule.at }),
  }
}

/** The Rancher server: one Docker container on a host of its own, stopped for the moment of the copy. */
export const rancher: SystemKind<RancherSystem> = {
  kind: 'rancher',
  schema,
  cluster: () => undefined,
  hostVariables: (system, { store, agent }) => ({
    ansible_host: system.host,
    rancher_backup_system: system.name,
    rancher_backup_image: agent.image,
    rancher_backup_container: system.container,
    rancher_backup_data_directory: system.dataDirectory,
    rancher_backup_staging_directory: system.stagingDirectory,
    rancher_backup_health_url: system.healthUrl,
    rancher_backup_bucket: system.bucket,
    rancher_backup_s3_endpoint: store.endpoint,
    rancher_backup_s3_region: store.region,
    rancher_backup_keep: system.keep,
    rancher_backup_window: window(system.schedule, system.windowMinutes),
    rancher_backup_stop_deadline_seconds: system.stopDeadlineSeconds,
    rancher_backup_healthy_timeout_seconds: system.healthyTimeoutSeconds,
  }),
  templates: system => [
    {
      name: `Back up: ${system.name}`,
      description: `Stop Rancher for a moment, copy its data, start it again, upload the copy. ${system.description}`,
      playbook: 'playbooks/backup-rancher.yml',
      limit: system.name,
      credentials: [
        { name: `Host: ${system.name}`, type: 'Machine' },
        { name: `Store: ${system.name}`, type: 'S3 store' },
        ...(system.heartbeat ? [{ name: `Heartbeat: ${system.name}`, type: 'Heartbeat' as const }] : []),
      ],
      survey: [
        {
          question_name: 'Outside the window?',
          question_description: `A run stops Rancher only within ${system.windowMinutes} minutes of its time. "yes" runs it now`,
          variable: 'rancher_backup_ignore_window',
          type: 'multiplechoice',
          required: true,
          default: 'no',
          choices: ['no', 'yes'],
        },
      ],
      timeout: 4 * 3600,
      scheduled: true,
    },
  ],
}
