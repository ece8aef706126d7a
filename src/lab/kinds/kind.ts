import type { System } from '../../kinds/index.ts'
import type { Volume } from '../../kinds/kind.ts'
import type { Receipt } from '../../store/receipt.ts'
import type { Facts } from '../content/difference.ts'
import type { LabAccess } from '../reach.ts'

/** The state of a system, to be compared after a restore. */
export interface State {
  /** Its fingerprint. */
  readonly facts: Facts
  /** How much there is, for people: `3 databases, 40 tables, 61000 rows`. */
  readonly summary: string
}

/** A Secret of an application. */
export interface LabSecret {
  readonly namespace: string
  readonly name: string
  /** In Base64; a Secret without data is created by the role that runs its server. */
  readonly data?: Readonly<Record<string, string>>
  readonly type?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly immutable?: boolean
}

/** What the lab must create so that a system has something to back up. Its volumes follow from its kind's `places`. */
export interface Needs {
  /**
   * Items for lists of `playbooks/lab.yml`: the name of the list, the item, and a key that tells whether two systems
   * share the item.
   */
  readonly content?: readonly { readonly list: string; readonly key: string; readonly item: object }[]
  /** Claims beside those of its `places`: of the servers that the lab runs. */
  readonly claims?: readonly { readonly namespace: string; readonly claim: string }[]
  /** Secrets of the applications. */
  readonly secrets?: readonly LabSecret[]
  /** Keys of Secrets with the private key that its drills and restores open copies with. */
  readonly drillKeys?: readonly {
    readonly namespace: string
    readonly secret: string
    readonly key: string
    /** The system that they open. */
    readonly system: string
  }[]
}

/** The parts of the lab that decide what a system needs there. */
export interface LabSize {
  /** How many files a media tree has. */
  readonly files: number
  /** An image with a PostgreSQL server. */
  readonly serverImage: string
}

/** What the lab does with one kind of system. `system` is always the lab's, except in `adapt`. */
export interface LabKind<S extends System = System> {
  /**
   * Production's system, adapted to the lab.
   *
   * @param index its position in the config, for a port of its own
   * @param hostKey the public ssh key of the lab's Docker host, if there is one
   */
  adapt(system: S, index: number, hostKey?: string): S
  needs(system: S, size: LabSize): Needs
  /** Creates its content, unless it exists; for a kind whose content no role of `playbooks/lab.yml` creates. */
  fill?(system: S, lab: LabAccess): Promise<void>
  state(system: S, lab: LabAccess): Promise<State>
  /** The state that its newest copy holds; missing for a kind whose state does not change after the copy is made. */
  stateInCopy?(system: S, lab: LabAccess): Promise<State>
  /** Destroys everything but the bucket. Its CronJob and Secrets with the store's keys are gone already. */
  destroy(system: S, lab: LabAccess): Promise<void>
  /**
   * Brings it back from its bucket.
   *
   * @param restore runs the restore that its kind defines for a full recovery
   */
  bringBack(system: S, lab: LabAccess, restore: () => Promise<void>): Promise<void>
  /**
   * Fetches one copy with plain tools, restores it into something fresh, and compares that with the original.
   *
   * @returns what is wrong with the copy, a line each
   */
  prove(system: S, receipt: Receipt, lab: LabAccess, log: (step: string) => void): Promise<string[]>
}

/** The one storage class of the lab; its volumes are created ahead of time, each bound to its claim. */
export const labStorageClass = 'lab'
/** The size that every volume of the lab claims; nothing enforces it there. */
export const labVolumeSize = '2Gi'

/** The namespace that stands for a system's namespace. */
export function labNamespace(system: { readonly cluster: string; readonly namespace: string }): string {
  return `${system.cluster}-${system.namespace}`
}

/** The volume that stands for a system's volume, an NFS export included: the kernel here may have no NFS. */
export function labVolume(volume: Volume, name: string): Volume {
  return { claim: 'claim' in volume ? volume.claim : name, size: labVolumeSize, storageClass: labStorageClass }
}

/** The claim of a volume that `labVolume` made. */
export function claimOf(volume: Volume): string {
  if ('claim' in volume) return volume.claim
  throw new Error('the lab has no NFS: labVolume puts a claim in its place')
}
