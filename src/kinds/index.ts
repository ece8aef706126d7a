import { type DatabaseSystem, database } from './database.ts'
import type { SystemKind } from './kind.ts'
import { type KitSystem, kit } from './kit.ts'
import { type MediaSystem, media } from './media.ts'
import { type RancherSystem, rancher } from './rancher.ts'

export type System = RancherSystem | DatabaseSystem | MediaSystem | KitSystem

/** Every kind of system, by its name. */
export const kinds = { rancher, database, media, kit } as const

/** The kind of a system, ready to be asked about it. */
export function kindOf(system: System): SystemKind<System> {
  return kinds[system.kind] as unknown as SystemKind<System>
}
export type { DatabaseSystem, KitSystem, MediaSystem, RancherSystem }
