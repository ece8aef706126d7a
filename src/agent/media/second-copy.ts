import { createHash } from 'node:crypto'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import { copyWithin } from '../../store/copy.ts'
import { TRASH } from '../../store/folders.ts'
import { bareEtag, deleteKeys } from '../../store/list.ts'
import { openObject } from '../../store/object.ts'
import { inParallel } from '../../store/parallel.ts'
import { renewLocks } from '../../store/protection.ts'
import { clearMarks, expireReceipts, markStarted, writeReceipt } from '../../store/receipt.ts'
import { partBytesFor, uploadStream } from '../../store/upload.ts'
import { log, progress, sized } from '../run/log.ts'
import { asFailure, Failure, type Result } from '../run/outcome.ts'
import type { SecondCopyRequest } from '../run/second-store.ts'
import { agentVersions } from '../run/versions.ts'
import { objectKey, trashName } from './bucket-layout.ts'
import type { Known } from './file-upload.ts'
import { lineOf, Manifest, type ManifestEntry, objectOf, readManifest, writeManifest } from './manifest.ts'
import { expire, listFiles } from './mirror-bucket.ts'
import { inWalkOrder, keyOf, shown } from './names.ts'
import { mediaReceipts } from './receipt.ts'

type Request = SecondCopyRequest<typeof mediaReceipts>

// How many files that were not copied a receipt and a message name.
const NAMED = 20

/**
 * Make a bucket of a second store hold the state of a tree that a receipt of the first vouches for. Files that the second
 * store already holds, by its own manifest and a LIST, are not copied again.
 */
export async function secondCopyOfMedia(request: Request): Promise<Result> {
  const { first, second, bucket, receipt, last, start, stop } = request
  const { system } = receipt
  const { prefix } = receipt.details
  const manifest = await readManifest(first, receipt.bucket, receipt.object)
  const before = last ? await readManifest(second, bucket, last.receipt.object) : new Manifest(Buffer.alloc(0))
  const held = await listFiles(second, { bucket, prefix })
  const { lines, wanted } = compare(manifest, before, held, prefix)
  const bytes = wanted.reduce((sum, { entry }) => sum + entry.bytes, 0)
  log(`second copy of ${receipt.object.key}: ${wanted.length} files to copy, ${sized(bytes)}`)
  const marks = [await markStarted(second, { bucket, system, start })]
  const trash = `${TRASH}${start.toISOString()}/`
  const failed = new Map<string, Failure>()
  const tell = progress('second copy', bytes)
  let passed = 0
  await inParallel(wanted, request.concurrency, async ({ entry, key, line }) => {
    stop.throwIfAborted()
    try {
      const old = held.get(key)
      if (old) await copyWithin(second, { bucket, from: key, to: trash + trashName(key), object: old })
      lines[line] = lineOf({ ...entry, etag: await send(request, key, entry) })
    } catch (error) {
      if (stop.aborted) throw error
      const failure = asFailure(error)
      // Neither store answers for any other file.
      if (failure.kind === 'unreachable') throw failure
      failed.set(entry.path, failure)
      log(`not copied: ${shown(entry.path)}: ${failure.message}`)
    }
    passed += entry.bytes
    tell(passed)
  })
  const removed = await remove(request, manifest, held, trash)
  const text = Buffer.from(lines.flatMap(line => (line === undefined ? [] : [`${line}\n`])).join(''))
  const object = await writeManifest(second, { bucket, system, start }, text)
  const missing = [...failed].slice(0, NAMED).map(([path, { message: why }]) => ({ path: keyOf(path), why }))
  const { missing: _, ...counts } = receipt.counts
  const lacking = failed.size + (receipt.counts.missing ?? 0)
  const written = await writeReceipt(
    second,
    mediaReceipts,
    {
      system,
      start: start.toISOString(),
      end: second.clock.now().toISOString(),
      taken: receipt.taken,
      bucket,
      object: { key: object.key, bytes: object.bytes, sha256: object.sha256, etag: object.etag },
      bytes: receipt.bytes,
      versions: agentVersions(),
      counts: { ...counts, ...(lacking > 0 ? { missing: lacking } : {}) },
      details: {
        prefix,
        sent: wanted.length - failed.size,
        sentBytes: bytes,
        removed,
        ...(missing.length > 0 ? { missing } : {}),
      },
    },
    last ?? null,
  )
  await clearMarks(second, bucket, marks)
  await renewLocks(second, bucket, keysOf(new Manifest(text), prefix))
  await expire(second, { bucket, system, trashDays: request.trashDays }, start, object.key)
  await expireReceipts(second, { bucket, system, now: start, serves: () => false })
  if (failed.size > 0) {
    const named = missing.slice(0, 5).map(({ path, why }) => `${JSON.stringify(path)} (${why})`)
    throw new Failure(
      'copy',
      `${failed.size} files were not copied to the second store: ${named.join(', ')}. Everything else was, and the receipt says what the copy lacks`,
    )
  }
  return { system, bucket, copied: wanted.length, bytes, removed, newest: receipt.taken, receipt: written.key }
}

/** A file to copy, and the place of its line in the new manifest. */
interface Wanted {
  entry: ManifestEntry
  key: string
  line: number
}

/** The lines of the new manifest, without those of files that must be copied first. */
function compare(manifest: Manifest, before: Manifest, held: ReadonlyMap<string, Known>, prefix: string) {
  const lines: (string | undefined)[] = []
  const wanted: Wanted[] = []
  const old = before.entries()
  let next = old.next()
  for (const { from: _, to: __, ...entry } of manifest.entries()) {
    while (!next.done && inWalkOrder(next.value.path, entry.path) < 0) next = old.next()
    const there = !next.done && next.value.path === entry.path ? next.value : undefined
    if (entry.type !== 'file') {
      lines.push(lineOf(entry))
      continue
    }
    const key = objectKey(prefix, entry.path)
    const object = held.get(key)
    const isHeld =
      there?.type === 'file' &&
      objectOf(entry).md5 !== undefined &&
      objectOf(there).md5 === objectOf(entry).md5 &&
      object?.etag === there.etag &&
      object?.bytes === objectOf(entry).bytes
    if (isHeld) lines.push(lineOf({ ...entry, ...(there.etag !== undefined && { etag: there.etag }) }))
    else wanted.push({ entry, key, line: lines.push(undefined) - 1 })
  }
  return { lines, wanted }
}

/**
 * Copy one file's object.
 *
 * @returns its ETag in the second store
 * @throws Failure verification if the first store does not hold what the manifest says
 */
async function send({ first, second, bucket, receipt, stop }: Request, key: string, entry: ManifestEntry) {
  const { body, bytes, etag: found, metadata } = await openObject(first, { bucket: receipt.bucket, key }, stop)
  const object = objectOf(entry)
  if (found !== entry.etag || bytes !== object.bytes) {
    throw new Failure('verification', `${receipt.bucket}/${key} is not what the manifest says`)
  }
  const { md5, etag } =
    bytes <= partBytesFor(bytes)
      ? await sendWhole({ second, bucket, stop }, key, body, metadata)
      : await uploadStream(second, { bucket, key, content: body, bytes, metadata, stop })
  if (object.md5 !== undefined && md5 !== object.md5) {
    await deleteKeys(second, bucket, [key])
    throw new Failure(
      'verification',
      `${receipt.bucket}/${key} was read with MD5 ${md5}, the manifest says ${object.md5}`,
    )
  }
  return etag
}

/** Send a small object with one request. */
async function sendWhole(
  { second, bucket, stop }: Pick<Request, 'second' | 'bucket' | 'stop'>,
  key: string,
  content: AsyncIterable<Buffer>,
  Metadata: Readonly<Record<string, string>>,
): Promise<{ md5: string; etag: string }> {
  const chunks: Buffer[] = []
  for await (const chunk of content) chunks.push(chunk)
  const body = Buffer.concat(chunks)
  const md5 = createHash('md5').update(body).digest('hex')
  const put = new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, Metadata })
  const etag = bareEtag((await second.s3.send(put, { abortSignal: stop })).ETag)
  if (etag !== md5) {
    throw new Failure(
      'verification',
      `${bucket}/${key}: the second store answered with ETag ${etag}, sent was MD5 ${md5}`,
    )
  }
  return { md5, etag }
}

function* keysOf(manifest: Manifest, prefix: string): Generator<string> {
  for (const { type, path } of manifest.entries()) if (type === 'file') yield objectKey(prefix, path)
}

/** Move to the trash what no file of the tree has any more. @returns how many */
async function remove(
  { second, bucket, concurrency, stop, receipt }: Request,
  manifest: Manifest,
  held: ReadonlyMap<string, Known>,
  trash: string,
): Promise<number> {
  const gone = new Map(held)
  for (const key of keysOf(manifest, receipt.details.prefix)) gone.delete(key)
  await inParallel(gone, concurrency, async ([key, object]) => {
    stop.throwIfAborted()
    await copyWithin(second, { bucket, from: key, to: trash + trashName(key), object })
  })
  await deleteKeys(second, bucket, [...gone.keys()])
  return gone.size
}
