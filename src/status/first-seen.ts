import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Finding } from '../store/assess.ts'

/**
 * Date the findings whose start cannot be derived from the bucket: by when they were first seen here, which is stored
 * in a file beside the cached receipts.
 */
export async function dated(findings: readonly Finding[], folder: string, now: Date): Promise<Finding[]> {
  const file = join(folder, 'first-seen.json')
  const nameOf = ({ system, id }: Finding) => `${system} ${id}`
  const seen = (await readFile(file, 'utf8')
    .then(JSON.parse)
    .catch(() => ({}))) as Record<string, string>
  const undated = findings.filter(({ since }) => !since)
  const kept = Object.fromEntries(undated.map(finding => [nameOf(finding), seen[nameOf(finding)] ?? now.toISOString()]))
  if (JSON.stringify(kept) !== JSON.stringify(seen)) {
    // If the file cannot be written, only the date is lost.
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      await writeFile(`${file}.${process.pid}`, JSON.stringify(kept))
      await rename(`${file}.${process.pid}`, file)
    } catch {}
  }
  return findings.map(finding =>
    finding.since ? finding : { ...finding, since: new Date(kept[nameOf(finding)] ?? now) },
  )
}
