import type { Environment, Store } from '../../store/client.ts'
import { drillSystem, type Receipt, type ReceiptKind, writeReceipt } from '../../store/receipt.ts'
import { agentVersions } from './versions.ts'

/** The receipts of drills, whatever the kind of the copy. */
export const drillReceipts = {
  kind: 'drill',
  details: ({ Type, Seconds }) => Type.Object({ seconds: Type.Optional(Seconds) }),
} as const satisfies ReceiptKind

/** The facts of a drill in its receipt, beyond the copy's. */
export interface DrillFacts {
  readonly start: Date
  /** Seconds from the drill's start until the copy was restored and checked. */
  readonly seconds: number
  readonly counts: Record<string, number>
  /** What the kind adds. */
  readonly details: Readonly<Record<string, unknown>>
}

/** The input of a drill. */
export interface DrillRequest<K extends ReceiptKind = ReceiptKind> {
  /** Of the copy that is restored. */
  receipt: Receipt<K>
  store: Store
  env: Environment
  /** Scratch space; removed afterwards. */
  folder: string
  stop: AbortSignal
}

/** What a drill of one kind of system returns. */
export type Drilled = Pick<DrillFacts, 'counts' | 'details'>

/** Write the receipt of a drill that restored the copy of `receipt`. @returns its key */
export async function writeDrillReceipt(store: Store, receipt: Receipt, drilled: DrillFacts): Promise<string> {
  const { key } = await writeReceipt(store, drillReceipts, {
    system: drillSystem(receipt.system),
    start: drilled.start.toISOString(),
    end: store.clock.now().toISOString(),
    taken: receipt.taken,
    bucket: receipt.bucket,
    object: receipt.object,
    bytes: receipt.bytes,
    versions: agentVersions(),
    counts: drilled.counts,
    details: { ...drilled.details, seconds: drilled.seconds },
  })
  return key
}
