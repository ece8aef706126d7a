import Type from 'typebox'
import { cronjobVariables, runNowTemplate, storeEnvironment } from './cronjob.ts'
import { clusterFields, commonFields, type SystemKind, secretKeySchema, volumeSchema } from './kind.ts'

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
    return cronjobVariables(system, surroundings, {
      volumes: { backup: system.volume },
      // 10001 is the agent image's own user.
      runAs: { user: 10001, group: 10001, fs_group: 10001, capabilities: [] },
      steps: [
        {
          name: 'dump',
          environment: {
            ...store.plain,
            // Tier "hourly" is the one that makes a new dump, whatever the schedule; the others copy.
            BACKUP_TYPE: 'hourly',
            BACKUP_COUNT: String(system.keep),
            PGHOST: system.service,
            USE_RCLONE: 'yes',
            USE_RCLONE_BUCKET_AND_PATH: `/${system.bucket}`,
            ...(system.database !== undefined && { DATABASE: system.database }),
            ...(typeof user === 'string' && { PGUSER: user }),
            ...(system.compression !== undefined && { BACKUP_COMPRESSION: system.compression }),
          },
          secret_environment: [
            ...(typeof user === 'string' ? [] : [{ name: 'PGUSER', ...user }]),
            { name: 'PGADMINPASS', ...system.password },
            ...store.secret,
          ],
          mounts: [{ volume: 'backup', path: '/backup', read_only: false }],
        },
      ],
    })
  },
  templates: system => [runNowTemplate(system)],
}
