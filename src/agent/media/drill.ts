import { drillSystem, readReceipts } from '../../store/receipt.ts'
import type { Drilled, DrillRequest } from '../run/drill-receipt.ts'
import { Variables } from '../run/environment.ts'
import { mediaDrillReceipts, type mediaReceipts } from './receipt.ts'
import { restoreMedia } from './restore.ts'
import { mediaRestoreSettings } from './settings.ts'

/**
 * Restore one part of the files, the next part in each drill, so that successive drills restore all of them. Every
 * content is checked against the manifest.
 */
export async function drillMedia({
  receipt,
  store,
  env,
  folder,
  stop,
}: DrillRequest<typeof mediaReceipts>): Promise<Drilled> {
  const variables = new Variables(env)
  const percent = variables.count('BACKUP_DRILL_PERCENT', 5, 1)
  variables.check()
  const of = Math.max(1, Math.round(100 / percent))
  const place = { bucket: receipt.bucket, system: drillSystem(receipt.system) }
  const last = (await readReceipts(store, { ...place, kinds: [mediaDrillReceipts], newest: 1 })).receipts[0]
  const index = (last?.receipt.details.part ?? 0) % of
  const settings = mediaRestoreSettings({ ...env, BACKUP_VOLUME_B: folder, FROM_BACKUP: receipt.taken })
  const restored = await restoreMedia({ ...settings, part: { of, index } }, env, stop)
  const counts = { entries: Number(restored.make) }
  return { counts, details: { part: index + 1, parts: of, bytes: Number(restored.bytes) } }
}
