import type { AgentKind } from '../run/agent-kind.ts'
import { databaseReceipts } from './receipt.ts'

export const kind: AgentKind<typeof databaseReceipts> = {
  receipts: databaseReceipts,
  commands: { dump: () => import('./backup.ts'), selftest: () => import('./selftest.ts') },
  impliedBy: { PGHOST: 'dump', BACKUP_TYPE: 'dump' },
  restore: {
    isFor: env => !!env.PGHOST,
    run: async (env, stop) => {
      const { restoreDatabase } = await import('./restore.ts')
      const { databaseRestoreSettings } = await import('./settings.ts')
      return await restoreDatabase(databaseRestoreSettings(env), env, stop)
    },
    examples: [['PGHOST=… USE_RCLONE=yes USE_RCLONE_BUCKET_AND_PATH=… $0 restore', 'the latest dump of the bucket']],
    variables: ` of a database (PGHOST is set):
  RESTORE_FROM                 bucket or volume
  RESTORE_WORK                 a folder with room for the copy (/recovery)
  DATABASE, RESTORE_INTO       the database, and the name to restore it under, beside the existing one
  RESTORE_REPLACE              yes: databases that contain something may be replaced
  RESTORE_END_CONNECTIONS      yes: end other sessions
  LATEST_BACKUP_MAXIMUM_AGE_H  hours; refuse a latest copy that is older
  DATABASE_EXPECTED_COUNT      how many databases the copy of a server must contain at least`,
  },
  drill: async request => (await import('./drill.ts')).drillDatabase(request),
  readBack: async request => (await import('./read-back.ts')).readBackDump(request),
}
