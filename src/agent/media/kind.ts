import type { AgentKind } from '../run/agent-kind.ts'
import type { DrillRequest } from '../run/drill-receipt.ts'

export const media: AgentKind = {
  commands: { replicate: () => import('./backup.ts') },
  impliedBy: { REPLICATE_DIRECTION: 'replicate' },
  restore: {
    run: async (env, stop) => {
      const { restoreMedia } = await import('./restore.ts')
      const { mediaRestoreSettings } = await import('./settings.ts')
      return await restoreMedia(mediaRestoreSettings(env), env, stop)
    },
  },
  drill: async request => (await import('./drill.ts')).drillMedia(request as DrillRequest<'media'>),
}
