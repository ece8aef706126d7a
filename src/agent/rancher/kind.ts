import type { AgentKind } from '../run/agent-kind.ts'

/** Its restore and drill are actions of `snapshot`, because they need Docker and the guard. */
export const rancher: AgentKind = {
  commands: { snapshot: () => import('./snapshot.ts'), guard: () => import('./guard.ts') },
}
