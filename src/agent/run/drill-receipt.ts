import type { Environment, Store } from '../../store/client.ts'
import { drillSystem, type Receipt, type ReceiptKind, writeReceipt } from '../../store/receipt.ts'
import { agentVersions } from './versions.ts'

/** The facts of a drill in its receipt, beyond the copy's. */
export interface DrillFacts {
  readonly start: Date
  /** Seconds from the drill's start until the copy was restored and checked. */
  readonly seconds: number
  readonly counts: Record<string, number>
  readonly details: Omit<Receipt<'drill'>['details'], 'seconds'>
}

/** The input of a drill. */
export interface DrillRequest<Kind extends ReceiptKind = ReceiptKind> {
  /** Of the copy that is restored. */
  receipt: Receipt<Kind>
  store: Store
  env: Environment
  /** Scratch space; removed afterwards. */
  folder: string
  /** The receipt of the drill before this one. */
  last: Receipt<'drill'> | undefined
  stop: AbortSignal
}

/** What a drill of one kind of system returns. */
export type Drilled = Pick<DrillFacts, 'counts' | 'details'>

/** Write the receipt of a drill that restored the copy of `receipt`. @returns its key */
export async function writeDrillReceipt(store: Store, receipt: Receipt, drilled: DrillFacts): Promise<string> {
  const { key } = await writeReceipt(store, {
    system: drillSystem(receipt.system),
    kind: 'drill',
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
