import Type from 'typebox'
import { cronjobVariables, runNowTemplate, storeEnvironment } from './cronjob.ts'
import { clusterFields, commonFields, type SystemKind, volumeSchema } from './kind.ts'

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

/** A tree of files: its latest state on another volume (rsync) and in a bucket (by manifest). */
export const media: SystemKind<MediaSystem> = {
  kind: 'media',
  schema,
  cluster: system => system.cluster,
  hostVariables(system, surroundings) {
    const store = storeEnvironment(system, surroundings)
    const contract = { REPLICATE_DIRECTION: 'BtoA', REPLICATE_DELETE: 'yes' }
    const source = { volume: 'source', path: '/volume-b', read_only: true }
    return cronjobVariables(system, surroundings, {
      volumes: { source: system.source, replica: system.replica },
      // rsync keeps owners and reads every file whoever owns it; that takes root with these capabilities and no more.
      runAs: { user: 0, group: 0, capabilities: ['CHOWN', 'DAC_OVERRIDE', 'FOWNER'] },
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
    })
  },
  templates: system => [runNowTemplate(system)],
}
