import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { drillSystem, readReceipts } from '../../store/receipt.ts'
import type { Drilled, DrillRequest } from '../run/drill-receipt.ts'
import { Variables } from '../run/environment.ts'
import { drillReplica } from './drill-replica.ts'
import { mediaDrillReceipts, type mediaReceipts } from './receipt.ts'
import { restoreMedia } from './restore.ts'
import { mediaRestoreSettings } from './settings.ts'

/**
 * Restore one part of the files, the next part in each drill, so that successive drills restore all of them: from the
 * bucket, and from the replica if the system has one. Every content is checked against the manifest.
 */
export async function drillMedia(request: DrillRequest<typeof mediaReceipts>): Promise<Drilled> {
  const { receipt, store, env, folder, stop } = request
  const variables = new Variables(env)
  const percent = variables.count('BACKUP_DRILL_PERCENT', 5, 1)
  const hasReplica = variables.yes('BACKUP_DRILL_REPLICA', false)
  variables.check()
  const of = Math.max(1, Math.round(100 / percent))
  const place = { bucket: receipt.bucket, system: drillSystem(receipt.system) }
  const last = (await readReceipts(store, { ...place, kinds: [mediaDrillReceipts], newest: 1 })).receipts[0]
  const part = { of, index: (last?.receipt.details.part ?? 0) % of }
  const target = join(folder, 'bucket')
  await mkdir(target)
  const settings = mediaRestoreSettings({ ...env, BACKUP_VOLUME_B: target, FROM_BACKUP: receipt.taken })
  const restored = await restoreMedia({ ...settings, part }, env, stop)
  // There is room for one of them at least.
  await rm(target, { recursive: true })
  const replica = hasReplica ? await drillReplica(request, part) : undefined
  const counts = { entries: Number(restored.make) }
  const details = { part: part.index + 1, parts: of, bytes: Number(restored.bytes), ...(replica && { replica }) }
  return { counts, details }
}
