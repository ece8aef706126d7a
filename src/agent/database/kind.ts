import type { AgentKind } from '../run/agent-kind.ts'
import { databaseReceipts } from './receipt.ts'

export const kind: AgentKind<typeof databaseReceipts> = {
  receipts: databaseReceipts,
  commands: { dump: () => import('./backup.ts') },
  impliedBy: { PGHOST: 'dump', BACKUP_TYPE: 'dump' },
  restore: {
    isFor: env => !!env.PGHOST,
    run: async (env, stop) => {
      const { restoreDatabase } = await import('./restore.ts')
      const { databaseRestoreSettings } = await import('./settings.ts')
      return await restoreDatabase(databaseRestoreSettings(env), env, stop)
    },
  },
  drill: async request => (await import('./drill.ts')).drillDatabase(request),
}
