import type { AgentKind } from '../run/agent-kind.ts'
import { mediaReceipts } from './receipt.ts'

export const kind: AgentKind<typeof mediaReceipts> = {
  receipts: mediaReceipts,
  commands: { replicate: () => import('./backup.ts') },
  impliedBy: { REPLICATE_DIRECTION: 'replicate' },
  restore: {
    run: async (env, stop) => {
      const { restoreMedia } = await import('./restore.ts')
      const { mediaRestoreSettings } = await import('./settings.ts')
      return await restoreMedia(mediaRestoreSettings(env), env, stop)
    },
  },
  drill: async request => (await import('./drill.ts')).drillMedia(request),
}
