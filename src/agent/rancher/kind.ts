import type { AgentKind } from '../run/agent-kind.ts'
import { rancherReceipts } from './receipt.ts'

/** Its restore and drill are actions of `snapshot`, because they need Docker and the guard. */
export const kind: AgentKind<typeof rancherReceipts> = {
  receipts: rancherReceipts,
  commands: { snapshot: () => import('./backup.ts'), guard: () => import('./guard.ts') },
  readBack: async request => (await import('./read-back.ts')).readBackArchive(request),
}
