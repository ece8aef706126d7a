import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Environment, Store } from '../../store/client.ts'
import { type Receipt, readReceipts } from '../../store/receipt.ts'
import { log, sized } from '../run/log.ts'
import { Failure } from '../run/outcome.ts'
import { md5OfFile } from './content.ts'
import { type ManifestEntry, readManifest } from './manifest.ts'
import { bytesOf, inWalkOrder, shown } from './names.ts'
import { lastFilled } from './own-folder.ts'
import { mediaReceipts } from './receipt.ts'
import { restoreMedia } from './restore.ts'
import { isIn, type Part } from './restore-plan.ts'
import { mediaRestoreSettings } from './settings.ts'
import { isMountPoint } from './source-check.ts'
import { type TreeEntry, walk } from './tree.ts'
import { isAlike } from './volume-plan.ts'

/** What a drill restored from the replica. */
export interface ReplicaDrilled {
  path: string
  /** When the last run that filled the replica began. */
  filled: string
  entries: number
  bytes: number
  /** Entries that changed in the source between the replica's run and the bucket's. */
  changed: number
}

/**
 * Restore one part of the files from the replica, and compare what was restored with the manifest of the copy in the
 * bucket. Both are filled by the same run, first the replica.
 *
 * @throws Failure drill when what the manifest has is missing or different, and did not change between the two
 */
export async function drillReplica(
  { receipt, store, env, folder, stop }: DrillOfReplica,
  part: Part,
): Promise<ReplicaDrilled> {
  const replica = env.BACKUP_VOLUME_A || '/volume-a'
  if (!existsSync(replica) || (!env.BACKUP_VOLUME_A && !isMountPoint(replica))) {
    throw new Failure('volume', `the replica ${replica} is not mounted`)
  }
  const filled = lastFilled(replica)
  if (!filled) {
    throw new Failure('drill', `the replica ${replica} was not filled by a run of this agent: run the backup`)
  }
  const { bucket, system } = receipt
  const [previous] = (
    await readReceipts(store, { bucket, system, kinds: [mediaReceipts], before: receipt.start, newest: 1 })
  ).receipts
  if (previous && filled < new Date(previous.receipt.start)) {
    throw new Failure(
      'drill',
      `the replica ${replica} was last filled at ${filled.toISOString()}, before the copy of ${previous.receipt.start} in ${bucket}: the runs since then did not reach it. See the log of the last backup`,
    )
  }
  const target = join(folder, 'replica')
  await mkdir(target)
  const settings = mediaRestoreSettings({
    ...env,
    RESTORE_FROM: 'replica',
    BACKUP_VOLUME_A: replica,
    BACKUP_VOLUME_B: target,
    FROM_BACKUP: '',
  })
  const restored = await restoreMedia({ ...settings, part }, env, stop)
  const manifest = await readManifest(store, bucket, receipt.object)
  const expected = [...manifest.entries()].filter(({ type, path }) => type !== 'file' || isIn(part, path))
  const found = compareReplica(expected, [...walk(target, () => {})], { filled, taken: new Date(receipt.taken) })
  for (const file of found.same) {
    stop.throwIfAborted()
    const md5 = await md5OfFile(bytesOf(`${target}/${file.path}`))
    if (md5 !== file.md5) found.wrong.push(`${shown(file.path)} has MD5 ${md5}, the manifest says ${file.md5}`)
  }
  for (const wrong of found.wrong.slice(0, TOLD)) log(`${replica}: ${wrong}`)
  const [first] = found.wrong
  if (first !== undefined) {
    throw new Failure(
      'drill',
      `${found.wrong.length} of ${expected.length} entries restored from the replica ${replica} do not match the copy of ${receipt.taken} in ${bucket}, the first: ${first}. The next backup corrects what differs in size, owner, mode or time; a file whose content alone is wrong must be deleted from the replica before it`,
    )
  }
  const bytes = Number(restored.bytes)
  log(`restored ${sized(bytes)} from the replica ${replica}, filled at ${filled.toISOString()}`)
  return {
    path: replica,
    filled: filled.toISOString(),
    entries: Number(restored.make),
    bytes,
    changed: found.changed,
  }
}

interface DrillOfReplica {
  receipt: Receipt<typeof mediaReceipts>
  store: Store
  env: Environment
  /** Scratch space. */
  folder: string
  stop: AbortSignal
}

const TOLD = 20

/** How a restored replica differs from the manifest of the bucket. */
export interface ReplicaFindings {
  /** Files whose attributes match: their content decides. */
  same: ManifestEntry[]
  /** Entries that differ because they changed between the two copies. */
  changed: number
  /** What is missing or different, a sentence each. */
  wrong: string[]
}

/**
 * Compare what was restored from a replica with the manifest of the bucket. Only what changed after the replica's run
 * began may differ; if a later run has filled the replica, anything may have changed, but not most of it.
 *
 * @param expected of the manifest, in walk order
 * @param restored in walk order
 */
export function compareReplica(
  expected: readonly ManifestEntry[],
  restored: readonly TreeEntry[],
  { filled, taken }: { filled: Date; taken: Date },
): ReplicaFindings {
  const findings: ReplicaFindings = { same: [], changed: 0, wrong: [] }
  const began = filled.getTime() * 1000
  let at = 0
  for (const entry of expected) {
    while (at < restored.length && inWalkOrder((restored[at] as TreeEntry).path, entry.path) < 0) at += 1
    const there = restored[at]?.path === entry.path ? (restored[at] as TreeEntry) : undefined
    if (there && there.type === entry.type && isAlike(entry, there)) {
      if (entry.type === 'file') findings.same.push(entry)
      continue
    }
    // A manifest has the ctime of files only.
    const changed = entry.type === 'file' ? entry.ctime : entry.mtime
    if (filled > taken || changed >= began) findings.changed += 1
    else
      findings.wrong.push(
        `${shown(entry.path)} ${there ? `is different: ${differenceOf(entry, there)}` : 'is missing'}`,
      )
  }
  if (findings.changed > expected.length / 2) {
    findings.wrong.push(`${findings.changed} of ${expected.length} entries are missing or different`)
  }
  return findings
}

function differenceOf(entry: ManifestEntry, there: TreeEntry): string {
  const names = ['type', 'bytes', 'mode', 'uid', 'gid', 'mtime', 'target'] as const
  return names
    .filter(name => there[name] !== entry[name])
    .map(name => `${name} ${there[name]}, the manifest says ${entry[name]}`)
    .join('; ')
}
