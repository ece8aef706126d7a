import type { AgentKind } from '../run/agent-kind.ts'
import { kitReceipts } from './receipt.ts'

export const kind: AgentKind<typeof kitReceipts> = {
  receipts: kitReceipts,
  commands: { kit: () => import('./backup.ts') },
  impliedBy: { BACKUP_KIT_ITEMS: 'kit' },
  drill: async request => (await import('./drill.ts')).drillKit(request),
}
