import type { Drilled, DrillRequest } from '../run/drill-receipt.ts'
import { versionIn } from './programs.ts'
import type { databaseReceipts } from './receipt.ts'
import { restoreDatabase } from './restore.ts'
import { scratchMajor, startScratchServer } from './scratch-server.ts'
import { databaseRestoreSettings } from './settings.ts'

/** Restore the whole dump into a server of the same PostgreSQL major, or the next newer one in this image. */
export async function drillDatabase({
  receipt,
  env,
  folder,
  stop,
}: DrillRequest<typeof databaseReceipts>): Promise<Drilled> {
  const copied = versionIn(receipt.versions.server ?? '').major
  const scratch = await startScratchServer(scratchMajor(copied), folder, env.PGUSER || 'postgres')
  try {
    const here = { ...env, ...scratch.env, RESTORE_WORK: folder, FROM_BACKUP: receipt.taken }
    const settings = databaseRestoreSettings({ ...here, RESTORE_REPLACE: 'no', RESTORE_FROM: 'bucket' })
    const restored = await restoreDatabase(settings, here, stop)
    // The restore itself has already compared everything in the dump with what was loaded.
    return {
      counts: restored.counts as Record<string, number>,
      details: { server: String(restored.to), leftOut: restored.leftOut as Record<string, number> },
    }
  } finally {
    await scratch.stop()
  }
}
