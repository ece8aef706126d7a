import type { AgentKind } from '../run/agent-kind.ts'
import type { DrillRequest } from '../run/drill-receipt.ts'

export const kit: AgentKind = {
  commands: { kit: () => import('./backup.ts') },
  impliedBy: { BACKUP_KIT_ITEMS: 'kit' },
  drill: async request => (await import('./drill.ts')).drillKit(request as DrillRequest<'kit'>),
}
