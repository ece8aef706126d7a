import type { kinds, System } from '../../kinds/index.ts'
import { labDatabase } from './database.ts'
import type { LabKind } from './kind.ts'
import { labKit } from './kit.ts'
import { labMedia } from './media.ts'
import { labRancher } from './rancher.ts'

/** The lab's part of every kind of system, by the kind's name. */
const labKinds: { [K in keyof typeof kinds]: LabKind<Extract<System, { kind: K }>> } = {
  rancher: labRancher,
  database: labDatabase,
  media: labMedia,
  kit: labKit,
}

/** The lab's part of a system's kind. */
export function labKindOf(system: System): LabKind {
  return labKinds[system.kind] as LabKind
}
