import { database } from './database.ts'
import { inRecoveryOrder, type SystemKind } from './kind.ts'
import { kit } from './kit.ts'
import { media } from './media.ts'
import { rancher } from './rancher.ts'

/** Every kind of system, by its name. */
export const kinds = { rancher, database, media, kit } as const

type SystemOf<Kind> = Kind extends SystemKind<infer S> ? S : never

/** A system of any kind in the table above. */
export type System = SystemOf<(typeof kinds)[keyof typeof kinds]>

/** The kind of a system. */
export function kindOf(system: System): SystemKind<System> {
  return kinds[system.kind] as unknown as SystemKind<System>
}

/** The systems in the order of a full recovery; within a stage the given order is kept. */
export function recoveryOrder(systems: readonly System[]): System[] {
  return inRecoveryOrder(systems, system => kindOf(system).stage(system))
}

export type { DatabaseSystem } from './database.ts'
export type { KitSystem } from './kit.ts'
export type { MediaSystem } from './media.ts'
export type { RancherSystem } from './rancher.ts'
