import type { ReceiptKind } from '../store/receipt.ts'
import { database } from './database/kind.ts'
import { kit } from './kit/kind.ts'
import { media } from './media/kind.ts'
import { rancher } from './rancher/kind.ts'
import type { AgentKind } from './run/agent-kind.ts'

/** Every kind of system, by the kind of its receipts. The order is that in which their variables imply a command. */
export const agentKinds: Readonly<Record<Exclude<ReceiptKind, 'drill'>, AgentKind>> = {
  media,
  kit,
  database,
  rancher,
}
