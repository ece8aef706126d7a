import type { System } from './index.ts'

/** The order of a whole recovery: what others need comes first; within a rank the config's order holds. */
export function recoveryOrder(systems: readonly System[]): System[] {
  return [...systems].sort((a, b) => rank(a) - rank(b))
}

/** The kit holds the Secrets that the rest needs; Rancher gives access to the clusters; a server of many databases holds the logins and AWX itself; then one application's. */
function rank(system: System): number {
  switch (system.kind) {
    case 'kit':
      return -1
    case 'rancher':
      return 0
    case 'database':
      return system.database === undefined ? 1 : 2
    case 'media':
      return 3
  }
}
