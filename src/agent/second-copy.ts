import { createHash } from 'node:crypto'
import type { CommandModule } from 'yargs'
import { type Environment, openStore, type Store } from '../store/client.ts'
import { deleteKeys } from '../store/list.ts'
import { openObject } from '../store/object.ts'
import { newestCopy, type Receipt, readReceipts, type StoredReceipt, writeReceipt } from '../store/receipt.ts'
import { listCopies, prune, vouchesFor } from '../store/retention.ts'
import { abortUploads, uploadStream } from '../store/upload.ts'
import { agentKinds, receiptKinds } from './kinds.ts'
import { startTime } from './run/clock.ts'
import { namedPlace, storeVariables, Variables } from './run/environment.ts'
import { log, progress } from './run/log.ts'
import { conclude, Failure, type Result } from './run/outcome.ts'
import { requireProtection } from './run/protection.ts'
import { secondPlace } from './run/second-store.ts'

export const command: CommandModule = {
  command: 'second-copy',
  describe: 'Copy what receipts vouch for from the bucket to a bucket of a second store',
  builder: yargs =>
    yargs
      .example('BACKUP_SYSTEM=… S3_BUCKET_NAME=… BACKUP_SECOND_ENDPOINT=… BACKUP_SECOND_BUCKET=… $0 second-copy', '')
      .epilogue('The second store has receipts of its own, and keeps BACKUP_SECOND_COUNT copies.'),
  handler: () => {
    // A second copy is not a backup: the check that waits for backups must not hear of it.
    const env = { ...process.env, BACKUP_HEARTBEAT_URL: undefined }
    return conclude('second-copy', env, stop => secondCopy(env, stop))
  },
}

/**
 * Bring the copies of a system in a second store up to date: what the first store's receipts vouch for is read from there,
 * compared with its receipt as it passes, verified in the second store, and gets a receipt there.
 *
 * @throws Failure verification if the first store does not hold what a receipt says
 */
export async function secondCopy(env: Environment, stop: AbortSignal): Promise<Result> {
  const variables = new Variables(env)
  const system = variables.required('BACKUP_SYSTEM', 'the system whose copies are copied')
  const { bucket } = namedPlace(env)
  if (!bucket)
    variables.problem('neither S3_BUCKET_NAME nor USE_RCLONE_BUCKET_AND_PATH is set: the bucket of the copies')
  storeVariables(variables)
  const place = secondPlace(variables)
  const trashDays = variables.count('BACKUP_TRASH_DAYS', 30, 1)
  const concurrency = variables.count('BACKUP_CONCURRENCY', 8, 1)
  variables.check()
  const first = openStore(env)
  const second = openStore(place.env, { connections: concurrency + 2 })
  const start = await startTime(second, place.bucket, stop)
  await requireProtection(second, place.bucket)
  const from = await readReceipts(first, { bucket, system, kinds: receiptKinds })
  const there = await readReceipts(second, { bucket: place.bucket, system, kinds: receiptKinds })
  for (const problem of [...from.problems, ...there.problems]) log(problem)
  const newest = newestCopy(from.receipts)
  if (!newest) throw new Failure('restore', `${bucket} has no receipt of ${system}: run the backup first`)
  const kind = agentKinds.find(({ receipts }) => receipts.kind === newest.receipt.kind)
  if (kind?.secondCopy) {
    const [last] = there.receipts
    const { receipt } = newest
    return await kind.secondCopy({
      first,
      second,
      bucket: place.bucket,
      receipt,
      last,
      start,
      trashDays,
      concurrency,
      stop,
    })
  }
  const wanted = await missing(first, from.receipts, there.receipts, place.keep)
  // Other runs of this system do not write there: a killed one left these.
  if (wanted.length > 0) await abortUploads(second, { bucket: place.bucket, prefix: '' })
  const receipts = [...there.receipts]
  for (const receipt of wanted) {
    receipts.unshift(await copyOne({ first, second }, receipt, place.bucket, receipts[0], stop))
    log(`${place.bucket}/${receipt.object.key}: verified in the second store`)
  }
  const taken = new Map(receipts.map(({ receipt }) => [receipt.object.key, new Date(receipt.taken)]))
  const pruned = await prune(second, {
    bucket: place.bucket,
    system,
    keep: place.keep,
    receipts,
    takenAt: key => taken.get(key),
  })
  if (pruned.length > 0) log(`pruned from the second store: ${pruned.join(', ')}`)
  return {
    system,
    bucket: place.bucket,
    copied: wanted.length,
    pruned: pruned.length,
    newest: newestCopy(receipts)?.receipt.taken ?? null,
    receipt: receipts[0]?.key ?? null,
  }
}

/** The newest copies in the first store that are what their receipts say, and that the second has no receipt of; oldest first. */
async function missing(
  first: Store,
  from: readonly StoredReceipt[],
  there: readonly StoredReceipt[],
  keep: number,
): Promise<Receipt[]> {
  const taken = new Map(from.map(({ receipt }) => [receipt.object.key, new Date(receipt.taken)]))
  const { bucket = '', system = '' } = from[0]?.receipt ?? {}
  const held = await listCopies(first, { bucket, system, takenAt: key => taken.get(key) })
  const good = held
    .filter(object => vouchesFor(from, object))
    .sort((a, b) => b.taken.getTime() - a.taken.getTime())
    .slice(0, keep)
  for (const { receipt } of from.slice(0, 1)) {
    if (!good.some(({ key }) => key === receipt.object.key)) {
      log(`${bucket}/${receipt.object.key} is missing, or is not what its receipt says: it is not copied`)
    }
  }
  return good
    .flatMap(({ key }) => from.find(({ receipt }) => receipt.object.key === key)?.receipt ?? [])
    .filter(({ object }) => !there.some(({ receipt }) => same(receipt.object, object)))
    .reverse()
}

function same(a: Receipt['object'], b: Receipt['object']): boolean {
  return a.key === b.key && a.bytes === b.bytes && a.sha256 === b.sha256
}

async function copyOne(
  { first, second }: { first: Store; second: Store },
  receipt: Receipt,
  bucket: string,
  previous: StoredReceipt | undefined,
  stop: AbortSignal,
): Promise<StoredReceipt> {
  const began = second.clock.now()
  const { key, bytes, sha256 } = receipt.object
  const { body } = await openObject(first, { bucket: receipt.bucket, key }, stop)
  const hash = createHash('sha256')
  async function* content(): AsyncGenerator<Buffer> {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      hash.update(chunk)
      yield chunk
    }
  }
  const { etag } = await uploadStream(second, {
    bucket,
    key,
    content: content(),
    bytes,
    metadata: { sha256 },
    onProgress: progress(`second copy of ${key}`, bytes),
    stop,
  })
  const found = hash.digest('hex')
  if (found !== sha256) {
    await deleteKeys(second, bucket, [key])
    throw new Failure(
      'verification',
      `${receipt.bucket}/${key} was read with SHA-256 ${found}, its receipt says ${sha256}: it was not copied. Next: restore from an older copy if you must, and run the backup`,
    )
  }
  const kind = receiptKinds.find(({ kind }) => kind === receipt.kind)
  if (!kind) throw new Failure('environment', `no kind of system has receipts of ${receipt.kind}`)
  const { schema: _, kind: __, previous: ___, ...draft } = receipt
  return await writeReceipt(
    second,
    kind,
    {
      ...draft,
      bucket,
      object: { ...receipt.object, etag },
      start: began.toISOString(),
      end: second.clock.now().toISOString(),
    },
    previous ?? null,
  )
}
