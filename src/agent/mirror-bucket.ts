import { setTimeout as sleep } from 'node:timers/promises'
import { CopyObjectCommand } from '@aws-sdk/client-s3'
import packageFile from '../../package.json' with { type: 'json' }
import { type Environment, openStore, type Store } from '../store/client.ts'
import { listObjects } from '../store/list.ts'
import { clearMarks, markStarted, readReceipts, type StoredReceipt, writeReceipt } from '../store/receipt.ts'
import { deleteKeys } from '../store/retention.ts'
import { abortUploads } from '../store/upload.ts'
import type { ReplicateSettings } from './environment.ts'
import { type Destination, type Known, storeFile } from './file-upload.ts'
import { lock } from './lock.ts'
import { log, progress, sized } from './log.ts'
import { lineOf, Manifest, type ManifestEntry, manifestPrefix, readManifest, writeManifest } from './manifest.ts'
import { inWalkOrder, keyOf } from './names.ts'
import { Failure, type Result } from './outcome.ts'
import { checkSize, checkSource, type TreeSize } from './source-check.ts'
import { type Skipped, type TreeEntry, walk } from './tree.ts'

/** Where a media system's copy goes, and how. */
export type BucketMirror = Omit<ReplicateSettings, 'target'> & { bucket: string; prefix: string }

/** Objects that are no copies of files: receipts, manifests and what was deleted. */
export const OWN_FOLDERS = ['.receipts/', '.manifests/', '.trash/']
const TRASH = '.trash/'

/**
 * Bring a tree to its bucket by manifest: one walk against the manifest of the last receipt tells what changed, and
 * only that is sent. Nothing is asked of the bucket for what did not change.
 */
export async function mirrorToBucket(settings: BucketMirror, env: Environment, stop: AbortSignal): Promise<Result> {
  const { bucket, system, source } = settings
  checkSource(source, settings)
  const letGo = await lock(source, system)
  try {
    const start = new Date()
    const store = openStore(env, { connections: settings.concurrency + 2 })
    const { receipts, problems, unfinished } = await readReceipts(store, { bucket, system, newest: 1 })
    for (const problem of problems) log(`not a receipt: ${problem}`)
    const last = receipts[0]
    const manifest = last ? await readManifest(store, bucket, last.receipt.object) : new Manifest(Buffer.alloc(0))
    const plan = compare(source, manifest, settings.mirror)
    for (const { path, why } of plan.skipped) log(`left out ${keyOf(path)}: ${why}`)

    // Without a receipt, or after a run that did not end, the bucket holds things that no manifest tells of.
    const listed = !last || unfinished.length > 0 ? await list(store, settings) : undefined
    const copy = last ? plan.before : listed && { files: listed.size, bytes: sum(listed) }
    checkSize(source, plan.now, copy && copy.files > 0 ? copy : undefined, settings)
    if (unfinished.length > 0) {
      log(`${unfinished.length} run(s) before this one did not end: what they sent is checked and taken over`)
      const aborted = await abortUploads(store, { bucket, prefix: settings.prefix })
      if (aborted > 0) log(`aborted ${aborted} uploads that they left`)
    }
    const gone = settings.mirror ? keysToRemove(plan, listed, settings.prefix) : []
    log(`${plan.now.files} files, ${sized(plan.now.bytes)}: ${plan.changed.length} changed, ${gone.length} gone`)

    const changes = plan.changed.length > 0 || gone.length > 0 || plan.linesChanged
    let object = last?.receipt.object
    const done = { sent: 0, sentBytes: 0, adopted: 0, vanished: 0, trashed: 0 }
    if (changes || !object) {
      const mark = await markStarted(store, { bucket, system, start })
      unfinished.push(mark)
      const trash = `${TRASH}${start.toISOString()}/`
      const destination: Destination = { store, bucket, prefix: settings.prefix, pace: pacer(settings.bandwidth) }
      const entries = await send(plan, destination, settings, listed, trash, done, stop)
      done.trashed += await remove(store, settings, gone, trash)
      const written = await writeManifest(store, { bucket, system, start }, textOf(plan, manifest, entries))
      object = { key: written.key, bytes: written.bytes, sha256: written.sha256, etag: written.etag }
    }
    const written = await writeReceipt(store, receiptOf(settings, plan, last, start, object, done), last ?? null)
    if (unfinished.length > 0) await clearMarks(store, bucket, unfinished)
    if (changes) await expire(store, settings, start, object.key)
    return {
      system,
      bucket,
      files: plan.now.files,
      bytes: plan.now.bytes,
      ...done,
      removed: gone.length,
      receipt: written.key,
      requests: store.requests(),
      seconds: (Date.now() - start.getTime()) / 1000,
    }
  } finally {
    await letGo()
  }
}

/** What the new manifest is made of: lines of the old one, entries as they are, or files that must first be sent. */
type Piece =
  | { from: number; to: number }
  | { entry: ManifestEntry }
  | { file: TreeEntry; before?: ManifestEntry & { from: number; to: number } }

interface Plan {
  pieces: Piece[]
  changed: Extract<Piece, { file: TreeEntry }>[]
  /** Files of the last manifest that the tree no longer has. */
  gone: ManifestEntry[]
  /** A folder or link is new, different or gone. */
  linesChanged: boolean
  now: TreeSize
  before: TreeSize
  counts: { folders: number; links: number }
  skipped: Skipped[]
}

/** Walk the tree along its last manifest; both are in the same order. */
function compare(source: string, manifest: Manifest, mirror: boolean): Plan {
  const plan: Plan = {
    pieces: [],
    changed: [],
    gone: [],
    linesChanged: false,
    now: { files: 0, bytes: 0 },
    before: { files: 0, bytes: 0 },
    counts: { folders: 0, links: 0 },
    skipped: [],
  }
  const old = manifest.entries()
  let before = old.next()
  const keep = (from: number, to: number): void => {
    const last = plan.pieces.at(-1)
    if (last && 'to' in last && last.to === from) last.to = to
    else plan.pieces.push({ from, to })
  }
  const passed = (entry: ManifestEntry & { from: number; to: number }): void => {
    if (!mirror) keep(entry.from, entry.to)
    else if (entry.type === 'file') plan.gone.push(entry)
    else plan.linesChanged = true
  }
  const count = (size: TreeSize, entry: TreeEntry): void => {
    if (entry.type !== 'file') return
    size.files += 1
    size.bytes += entry.bytes
  }
  for (const entry of walk(source, what => plan.skipped.push(what))) {
    if (OWN_FOLDERS.some(folder => entry.path === folder.slice(0, -1))) {
      throw new Failure(
        'source',
        `the source has a folder ${entry.path} of its own, whose name is needed in the bucket: rename it`,
      )
    }
    while (!before.done && inWalkOrder(before.value.path, entry.path) < 0) {
      count(plan.before, before.value)
      passed(before.value)
      before = old.next()
    }
    const twin = !before.done && before.value.path === entry.path ? before.value : undefined
    if (twin) {
      count(plan.before, twin)
      before = old.next()
    }
    count(plan.now, entry)
    if (entry.type === 'folder') plan.counts.folders += 1
    if (entry.type === 'link') plan.counts.links += 1
    if (twin && unchanged(entry, twin)) keep(twin.from, twin.to)
    else if (entry.type !== 'file') {
      if (twin?.type === 'file' && mirror) plan.gone.push(twin)
      plan.linesChanged = true
      plan.pieces.push({ entry })
    } else {
      const piece = { file: entry, ...(twin?.type === 'file' ? { before: twin } : {}) }
      plan.pieces.push(piece)
      plan.changed.push(piece)
    }
  }
  for (; !before.done; before = old.next()) {
    count(plan.before, before.value)
    passed(before.value)
  }
  return plan
}

function unchanged(now: TreeEntry, before: ManifestEntry): boolean {
  if (now.type !== before.type) return false
  if (now.type === 'file') {
    return (
      now.bytes === before.bytes &&
      now.mtime === before.mtime &&
      now.ctime === before.ctime &&
      now.inode === before.inode
    )
  }
  return lineOf(now) === lineOf(before)
}

/** Every object that is a file's copy, by its key. */
async function list(store: Store, settings: BucketMirror): Promise<Map<string, Known>> {
  const objects = new Map<string, Known>()
  for await (const { key, bytes, etag } of listObjects(store, settings)) {
    if (!OWN_FOLDERS.some(folder => key.startsWith(folder))) objects.set(key, { bytes, etag })
  }
  return objects
}

function sum(objects: Map<string, Known>): number {
  let bytes = 0
  for (const object of objects.values()) bytes += object.bytes
  return bytes
}

/** Keys of the bucket that no file of the tree stands for any more. */
function keysToRemove(plan: Plan, listed: Map<string, Known> | undefined, prefix: string): string[] {
  const gone = plan.gone.map(entry => prefix + keyOf(entry.path))
  if (!listed) return gone
  void gone
  return gone.filter(key => listed.has(key))
}

type Done = { sent: number; sentBytes: number; adopted: number; vanished: number; trashed: number }

/** Send what changed, several files at once. @returns the manifest's entries, by the file they came from */
async function send(
  plan: Plan,
  destination: Destination,
  settings: BucketMirror,
  listed: Map<string, Known> | undefined,
  trash: string,
  done: Done,
  stop: AbortSignal,
): Promise<Map<TreeEntry, ManifestEntry>> {
  const entries = new Map<TreeEntry, ManifestEntry>()
  const total = plan.changed.reduce((bytes, { file }) => bytes + file.bytes, 0)
  const tell = progress('copy', total)
  let passed = 0
  await inParallel(plan.changed, settings.concurrency, async ({ file, before }) => {
    stop.throwIfAborted()
    const key = destination.prefix + keyOf(file.path)
    const known = listed
      ? listed.get(key)
      : before && { bytes: before.bytes, etag: before.etag ?? '', ...(before.md5 ? { md5: before.md5 } : {}) }
    const stored = await storeFile(destination, settings.source, file, known, async () => {
      done.trashed += (await toTrash(destination.store, settings.bucket, key, trash)) ? 1 : 0
    })
    if (stored.became === 'vanished') done.vanished += 1
    else {
      entries.set(file, stored.entry)
      if (stored.became === 'adopted') done.adopted += 1
      else {
        done.sent += 1
        done.sentBytes += stored.entry.bytes
      }
    }
    passed += file.bytes
    tell(passed)
  })
  return entries
}

/** Work on items, so many at once; the first failure ends it once those under way are through. */
async function inParallel<T>(items: readonly T[], workers: number, work: (item: T) => Promise<void>): Promise<void> {
  let next = 0
  let failed: unknown
  const worker = async (): Promise<void> => {
    while (next < items.length && failed === undefined) {
      const item = items[next] as T
      next += 1
      try {
        await work(item)
      } catch (error) {
        failed ??= error
      }
    }
  }
  await Promise.all(Array.from({ length: workers }, worker))
  if (failed !== undefined) throw failed
}

/** Keep an object for a while before it is replaced or deleted. @returns false when it was not there */
async function toTrash(store: Store, bucket: string, key: string, trash: string): Promise<boolean> {
  try {
    // A slash stays; every other byte that has a meaning in a header is escaped.
    const source = `${bucket}/${key}`.split('/').map(encodeURIComponent).join('/')
    await store.s3.send(new CopyObjectCommand({ Bucket: bucket, Key: trash + key, CopySource: source }))
    return true
  } catch (error) {
    if ((error as Error).name === 'NoSuchKey') return false
    throw error
  }
}

async function remove(store: Store, settings: BucketMirror, keys: string[], trash: string): Promise<number> {
  let trashed = 0
  await inParallel(keys, settings.concurrency, async key => {
    if (await toTrash(store, settings.bucket, key, trash)) trashed += 1
  })
  await deleteKeys(store, settings.bucket, keys)
  return trashed
}

/** The new manifest. */
function textOf(plan: Plan, manifest: Manifest, entries: Map<TreeEntry, ManifestEntry>): Buffer {
  const parts: Buffer[] = []
  for (const piece of plan.pieces) {
    if ('to' in piece) parts.push(manifest.slice(piece.from, piece.to))
    else {
      const entry = 'entry' in piece ? piece.entry : entries.get(piece.file)
      if (entry) parts.push(Buffer.from(`${lineOf(entry)}\n`))
      // It vanished after the walk: its object is still there, and the next run removes both.
      else if ('file' in piece && piece.before) parts.push(manifest.slice(piece.before.from, piece.before.to))
    }
  }
  return Buffer.concat(parts)
}

function receiptOf(
  settings: BucketMirror,
  plan: Plan,
  last: StoredReceipt | undefined,
  start: Date,
  object: StoredReceipt['receipt']['object'],
  done: Done,
) {
  const auditedAt = last?.receipt.details.auditedAt ?? start.toISOString()
  return {
    system: settings.system,
    kind: 'media',
    start: start.toISOString(),
    end: new Date().toISOString(),
    bucket: settings.bucket,
    object,
    bytes: plan.now.bytes,
    versions: { agent: packageFile.version },
    counts: { files: plan.now.files, ...plan.counts },
    details: {
      prefix: settings.prefix,
      ...done,
      auditedAt,
      ...(settings.override ? { override: settings.override } : {}),
    },
  }
}

/** Remove what has been in the trash for long enough, and manifests of that age: one LIST each where there is none. */
async function expire(store: Store, settings: BucketMirror, now: Date, current: string): Promise<void> {
  const oldest = new Date(now.getTime() - settings.trashDays * 86_400_000).toISOString()
  for (const folder of [TRASH, manifestPrefix(settings.system)]) {
    const keys: string[] = []
    for await (const { key } of listObjects(store, { bucket: settings.bucket, prefix: folder })) {
      // Keys begin with a time and come in order.
      if (key.slice(folder.length) >= oldest) break
      if (key !== current) keys.push(key)
    }
    await deleteKeys(store, settings.bucket, keys)
    if (keys.length > 0) log(`removed ${keys.length} expired objects from ${folder}`)
  }
}

/** Holds back so that no more than `rate` bytes a second go out. */
function pacer(rate: number | undefined): (bytes: number) => Promise<void> {
  if (!rate) return async () => {}
  let free = Date.now()
  return async bytes => {
    const now = Date.now()
    free = Math.max(free, now) + (bytes / rate) * 1000
    if (free - now > 50) await sleep(free - now)
  }
}
