import type { Store } from '../../store/client.ts'
import { readReceipts } from '../../store/receipt.ts'
import { rancherReceipts } from './receipt.ts'

// About two months of weekly runs.
const SHOWN = 8

/**
 * How long Rancher was down in the newest runs, from their receipts: a line of text each, newest first, which shows if
 * outages grow.
 */
export async function outagesSoFar(store: Store, of: { bucket: string; system: string }): Promise<string[]> {
  const { receipts } = await readReceipts(store, { ...of, kinds: [rancherReceipts], newest: SHOWN })
  return receipts.map(({ receipt: { taken, details } }) => {
    const [stopped, healthy] = [details.stoppedSeconds, details.healthySeconds].map(value => Number(value).toFixed(1))
    return `${taken.slice(0, 16)}Z  stopped ${stopped} s, healthy after ${healthy} s`
  })
}
