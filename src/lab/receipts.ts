import type { System } from '../kinds/index.ts'
import { openStore, type Store } from '../store/client.ts'
import { type Receipt, readReceipts } from '../store/receipt.ts'
import type { LabAccess } from './reach.ts'

/** A client of the bucket store with the keys of a system's bucket. */
export function storeOf(system: System, lab: Pick<LabAccess, 'storeOf'>): Store {
  const { endpoint, region, accessKeyId, secretAccessKey } = lab.storeOf(system)
  return openStore({
    RCLONE_S3_ENDPOINT: endpoint,
    AWS_DEFAULT_REGION: region,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  })
}

/** The newest receipt of a system's copies. @throws Error with the reason if there is none */
export async function newestReceipt(system: System, lab: Pick<LabAccess, 'storeOf'>): Promise<Receipt> {
  const { name, bucket } = system
  const { receipts, problems } = await readReceipts(storeOf(system, lab), { bucket, system: name, newest: 1 })
  const newest = receipts[0]
  if (!newest)
    throw new Error(`no receipt in ${bucket}/.receipts/${name}/: ${problems[0] ?? 'no backup has succeeded'}`)
  return newest.receipt
}
