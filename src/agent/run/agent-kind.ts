import type { CommandModule } from 'yargs'
import type { Environment } from '../../store/client.ts'
import type { ReceiptKind } from '../../store/receipt.ts'
import type { Drilled, DrillRequest } from './drill-receipt.ts'
import type { Result } from './outcome.ts'
import type { ReadBack, ReadBackRequest } from './read-back.ts'
import type { SecondCopyRequest } from './second-store.ts'

/**
 * What the agent does with one kind of system. Each function imports the code that it needs when it is called: all of it
 * would take another 15 MB.
 */
export interface AgentKind<K extends ReceiptKind = ReceiptKind> {
  /** Its receipts; their kind is the name of the kind's folder. */
  readonly receipts: K
  /** The commands that only this kind has, by name. */
  readonly commands: Readonly<Record<string, () => Promise<{ command: CommandModule }>>>
  /** The variables that, set without a command, ask for one of them, in that order. */
  readonly impliedBy?: Readonly<Record<string, string>>
  /** `isFor` says whether the environment of `restore` is of this kind. The kind without it takes what no other claims. */
  readonly restore?: {
    readonly isFor?: (env: Environment) => boolean
    readonly run: (env: Environment, stop: AbortSignal) => Promise<Result>
    /** For `restore --help`: an example, with what it does, a line each. */
    readonly examples: readonly (readonly [example: string, does: string])[]
    /** For `restore --help`: the variables that only this kind reads, with a heading. */
    readonly variables: string
  }
  /** Restores the copy of a receipt of this kind for the command `drill`. */
  drill?(request: DrillRequest<K>): Promise<Drilled>
  /** Reads a copy back for `verify --deep`. The kind without it has nothing to check beyond the hash of the object. */
  readBack?(request: ReadBackRequest<K>): Promise<ReadBack>
  /** Whether only the newest copy is read back, in parts, because copies share their objects. */
  readonly readsInParts?: boolean
  /** Copies the newest copy to a second store, for a kind whose copies share their objects. */
  secondCopy?(request: SecondCopyRequest<K>): Promise<Result>
}
