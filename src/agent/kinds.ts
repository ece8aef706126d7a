import { globSync } from 'node:fs'
import { join } from 'node:path'
import type { ReceiptKind } from '../store/receipt.ts'
import type { AgentKind } from './run/agent-kind.ts'

/** Every kind of system: each folder with a `kind.ts`, in alphabetical order. */
export const agentKinds: readonly AgentKind[] = await Promise.all(
  globSync('*/kind.ts', { cwd: import.meta.dirname })
    .sort()
    .map(async path => ((await import(join(import.meta.dirname, path))) as { kind: AgentKind }).kind),
)

/** The kinds of receipts of copies. */
export const receiptKinds: readonly ReceiptKind[] = agentKinds.map(({ receipts }) => receipts)
