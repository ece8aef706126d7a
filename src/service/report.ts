import { monthBefore } from '../evidence/evidence.ts'
import { evidencePage } from '../evidence/page.ts'
import { readEvidence, summariseEvidence } from '../evidence/read.ts'
import { storeCredential } from '../launch/stores.ts'
import { memoryFolder } from '../status/memory.ts'
import { openStore } from '../store/client.ts'
import { putVerified } from '../store/upload.ts'
import type { StatusConfig, StoreKeys } from './service.ts'

/**
 * Write what the receipts prove of a month into a bucket, as `<month>/backups-<month>.html` and `.json`. A month that was
 * written before is written again.
 *
 * @param env `REPORT_MONTH` (empty: the last one), `REPORT_BUCKET`, and the keys that write it, `REPORT_ACCESS_KEY_ID` and
 *   `REPORT_SECRET_ACCESS_KEY`
 * @returns the exit code: 0, 1 if a chain of receipts is broken or a bucket was not read, 2 if a setting is wrong, 3 if the
 *   bucket does not take the report
 */
export async function reportMonth(
  config: StatusConfig,
  keys: StoreKeys,
  env: Readonly<Record<string, string | undefined>>,
  log: (line: string) => void,
): Promise<number> {
  const { REPORT_MONTH, REPORT_BUCKET: bucket, REPORT_ACCESS_KEY_ID, REPORT_SECRET_ACCESS_KEY } = env
  if (!bucket || !REPORT_ACCESS_KEY_ID || !REPORT_SECRET_ACCESS_KEY) {
    log('set REPORT_BUCKET, and REPORT_ACCESS_KEY_ID and REPORT_SECRET_ACCESS_KEY that may write it')
    return 2
  }
  const now = new Date()
  const month = REPORT_MONTH || monthBefore(now)
  if (!/^\d{4}-(0[1-9]|1[0-2])$/.test(month)) {
    log(`"${month}" is not a month: write it as 2026-10`)
    return 2
  }
  const credentials = Object.fromEntries(config.systems.map(system => [storeCredential(system), { ...keys }]))
  const evidence = await readEvidence({ config, credentials, folder: memoryFolder(env), month, now })
  const store = openStore({
    RCLONE_S3_ENDPOINT: config.store.endpoint,
    RCLONE_S3_PROVIDER: config.store.provider,
    AWS_DEFAULT_REGION: config.store.region,
    AWS_ACCESS_KEY_ID: REPORT_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY: REPORT_SECRET_ACCESS_KEY,
  })
  try {
    for (const [ending, body] of [
      ['html', evidencePage(evidence)],
      ['json', `${JSON.stringify(evidence, null, 2)}\n`],
    ] as const) {
      const key = `${month}/backups-${month}.${ending}`
      const { sha256 } = await putVerified(store, { bucket, key, body })
      log(`written ${bucket}/${key}, SHA-256 ${sha256}`)
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    log(`${bucket} at ${store.endpoint} does not take the report: ${why}: check the bucket, and the keys that write it`)
    return 3
  } finally {
    store.s3.destroy()
  }
  const { summary, broken } = summariseEvidence(evidence)
  log(`${month}: ${summary}`)
  for (const line of broken) log(line)
  return broken.length > 0 ? 1 : 0
}
