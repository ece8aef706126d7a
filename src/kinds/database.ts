import Type from 'typebox'
import { cronjobCopies, cronjobVariables, runNowTemplate, storeEnvironment } from './cronjob.ts'
import {
  clusterFields,
  commonFields,
  type SystemKind,
  secretKeySchema,
  type TemplateUse,
  volumeSchema,
} from './kind.ts'
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
    kind: Type.Literal('database'),
    ...commonFields,
    ...clusterFields,
    service: Type.String({ description: "The PostgreSQL server's Service in the namespace", minLength: 1 }),
    user: Type.Union([Type.String({ minLength: 1 }), secretKeySchema], {
      description: "The server's admin user: a name, or a key of a Secret",
    }),
    password: secretKeySchema,
    database: Type.Optional(
      Type.String({ description: 'One database (`pg_dump`). Left out: the whole server (`pg_dumpall`)', minLength: 1 }),
    ),
    volume: volumeSchema,
    compression: Type.Optional(Type.Enum(['gzip', 'zstd'])),
  },
  { additionalProperties: false },
)
export type DatabaseSystem = Type.Static<typeof schema>

/** PostgreSQL: a dump of one database or of the whole server, kept on a volume of the cluster and in a bucket. */
export const database: SystemKind<DatabaseSystem> = {
  kind: 'database',
  schema,
  cluster: system => system.cluster,
  hostVariables(system, surroundings) {
    const store = storeEnvironment(system, surroundings)
    const user = system.user
    // 10001 is the agent image's own user.
    const runAs = { user: 10001, group: 10001, fs_group: 10001, capabilities: [] }
    const environment = {
      ...store.plain,
      PGHOST: system.service,
      USE_RCLONE: 'yes',
      USE_RCLONE_BUCKET_AND_PATH: `/${system.bucket}`,
      ...(system.database !== undefined && { DATABASE: system.database }),
      ...(typeof user === 'string' && { PGUSER: user }),
    }
    const secretEnvironment = [
      ...(typeof user === 'string' ? [] : [{ name: 'PGUSER', ...user }]),
      { name: 'PGADMINPASS', ...system.password },
      ...store.secret,
    ]
    return {
      ...cronjobVariables(system, surroundings, {
        volumes: { backup: system.volume },
        runAs,
        steps: [
          {
            name: 'dump',
            environment: {
              ...environment,
              // Tier "hourly" is the one that makes a new dump, whatever the schedule; the others copy.
              BACKUP_TYPE: 'hourly',
              BACKUP_COUNT: String(system.keep),
              ...(system.compression !== undefined && { BACKUP_COMPRESSION: system.compression }),
            },
            secret_environment: secretEnvironment,
            mounts: [{ volume: 'backup', path: '/backup', read_only: false }],
          },
        ],
      }),
      ...restoreVariables(restoreRole, system, surroundings, {
        environment,
        secretEnvironment,
        volumes: { backup: system.volume },
        runAs,
      }),
    }
  },
  copies: system => ({
    // The names that the old images give their dumps as well.
    objects: { prefix: 'hourly/', pattern: /^hourly\/backup-([\dT:-]+Z)-dumpall\.sql\.(?:gz|zst)$/ },
    keeps: { copies: system.keep },
    ...cronjobCopies(system),
    drills: drillSchedule,
  }),
  templates: system => [runNowTemplate(system), restoreTemplate(system), drillTemplate(system), verifyTemplate(system)],
}

const restoreRole = 'database_restore'

function restoreTemplate(system: DatabaseSystem): TemplateUse {
  const role = restoreRole
  const survey = restoreQuestions(role, system, [
    oneOf(`${role}_from`, 'From where?', 'The bucket, or the backup volume in the cluster', ['bucket', 'volume']),
    ...(system.database === undefined
      ? [words(`${role}_database`, 'Only one database?', 'Its name; empty: the whole server, with its roles')]
      : []),
    words(
      `${role}_into`,
      'Under another name?',
      'Restores one database beside the one that is there; empty: in its place',
    ),
    words(`${role}_host`, 'Into another server?', 'A server of the same admin name and password; empty: its own'),
    yesOrNo(
      `${role}_replace`,
      'Replace what is there?',
      'It is kept under another name, and is as it was until the copy is proven',
      'no',
    ),
    yesOrNo(
      `${role}_end_connections`,
      'End connections?',
      'Ends the sessions of others; else they are a reason to refuse',
      'no',
    ),
  ])
  return {
    name: `Restore: ${system.name}`,
    description: `Bring ${system.database ?? 'the databases'} back from a copy: checked whole, loaded beside what is there, compared, and only then put in its place. ${system.description}`,
    playbook: 'playbooks/restore-database.yml',
    limit: system.name,
    credentials: [clusterCredential(system)],
    survey,
    // The role's own limit is ten hours; applications and schedules are put back after it.
    timeout: 11 * 3600,
    scheduled: false,
    // Rancher, which gives access to the cluster, comes before; media, which the database describes, after.
    recovery: {
      step: system.database === undefined ? 10 : 20,
      answers: answersTo(survey, {
        [`${role}_replace`]: 'yes',
        [`${role}_end_connections`]: 'yes',
        [`${role}_dry_run`]: 'no',
        [`${role}_confirm`]: system.name,
      }),
    },
  }
}
