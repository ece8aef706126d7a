import { setTimeout as sleep } from 'node:timers/promises'
import { HeadObjectCommand } from '@aws-sdk/client-s3'
import { type Environment, openStore, type Store } from '../../store/client.ts'
import { copyWithin } from '../../store/copy.ts'
import { ownFolders, TRASH } from '../../store/folders.ts'
import { bareEtag, deleteEach, deleteKeys, listObjects } from '../../store/list.ts'
import { inParallel } from '../../store/parallel.ts'
import { renewLocks } from '../../store/protection.ts'
import {
  clearMarks,
  expireReceipts,
  markStarted,
  type Receipt,
  readReceipts,
  type StoredReceipt,
  writeReceipt,
} from '../../store/receipt.ts'
import { abortUploads } from '../../store/upload.ts'
import { tellDifference } from '../run/clock.ts'
import { ageVersion, encryptionDetails, recipientsMark } from '../run/encryption.ts'
import { lock } from '../run/lock.ts'
import { log, progress, sized } from '../run/log.ts'
import { asFailure, Failure, type Result } from '../run/outcome.ts'
import { keepPrivate } from '../run/private.ts'
import { requireProtection } from '../run/protection.ts'
import { agentVersions } from '../run/versions.ts'
import { objectKey, trashName } from './bucket-layout.ts'
import { type Destination, type Known, storeFile } from './file-upload.ts'
import {
  lineOf,
  Manifest,
  type ManifestEntry,
  manifestPrefix,
  objectOf,
  readManifest,
  writeManifest,
} from './manifest.ts'
import { inWalkOrder, keyOf, shown } from './names.ts'
import { mediaReceipts } from './receipt.ts'
import type { ReplicateSettings } from './settings.ts'
import { checkSize, checkSource, type TreeSize } from './source-check.ts'
import { type Skipped, sameTime, type TreeEntry, walk } from './tree.ts'

/** Where a media system's copy goes, and how. */
export type BucketMirror = Omit<ReplicateSettings, 'target'> & { bucket: string; prefix: string }

type Details = Receipt<typeof mediaReceipts>['details']

/** What a run did, as reported in its receipt and its result. */
interface Done {
  sent: number
  sentBytes: number
  /** Files whose object already held their content. */
  adopted: number
  /** Files that disappeared after the walk. */
  vanished: number
  /** Objects moved to the trash before they were replaced or deleted. */
  trashed: number
  removed: number
}

/**
 * Copy a tree to its bucket by manifest: one walk, compared with the manifest of the last receipt, shows what changed,
 * and only that is sent. The bucket is not queried for unchanged files, except by the audit and if its state is
 * uncertain (no receipt yet, or a killed run): then one LIST shows what it really holds.
 */
export async function mirrorToBucket(settings: BucketMirror, env: Environment, stop: AbortSignal): Promise<Result> {
  const { bucket, system, source } = settings
  checkSource(source, settings)
  const letGo = await lockSource(source, system)
  try {
    const store = openStore(env, { connections: settings.concurrency + 2 })
    const { last, unfinished, future } = await lastReceipt(store, settings)
    tellDifference(store.clock, 'the bucket store')
    await requireProtection(store, bucket)
    const start = store.clock.now()
    const used = last?.receipt.details.override
    const rules = { ...settings, override: settings.override === used ? undefined : settings.override }
    const manifest = last ? await readManifest(store, bucket, last.receipt.object) : new Manifest(Buffer.alloc(0))

    // A run whose receipt does not count has changed the bucket nevertheless.
    const untrusted = !last || unfinished.length > 0 || future.length > 0
    const audit = untrusted || isAuditDue(last, settings.auditDays, start)
    if (audit) await keepPrivate(store, bucket, { objects: untrusted })
    const listed = audit ? await listFiles(store, settings) : undefined
    const repair = untrusted || settings.auditRepair
    const plan = compare(settings, manifest, listed, repair)
    const failed = new Map<string, unknown>()
    for (const { path, why, unreadable } of plan.skipped) {
      log(`left out ${shown(path)}: ${why}`)
      if (unreadable) failed.set(path, new Failure('copy', `cannot be read: ${why}`))
    }
    const copy = last ? plan.before : listed && { files: listed.size, bytes: sum(listed) }
    checkSize(source, plan.now, copy && copy.files > 0 ? copy : undefined, rules)

    if (unfinished.length > 0) {
      log('an earlier run was killed: what it sent is compared with the tree, and kept if it matches')
      const aborted = await abortUploads(store, { bucket, prefix: settings.prefix })
      if (aborted > 0) log(`aborted ${aborted} uploads that it left`)
    }
    tellDifferences(plan, bucket, repair)
    log(
      `${plan.now.files} files, ${sized(plan.now.bytes)}: ${plan.changed.length} to check or send, ${plan.gone.length} gone`,
    )

    const done: Done = { sent: 0, sentBytes: 0, adopted: 0, vanished: 0, trashed: 0, removed: 0 }
    const changes = plan.changed.length > 0 || plan.gone.length > 0 || plan.linesChanged
    let object = last?.receipt.object
    if (changes || !object) {
      unfinished.push(await markStarted(store, { bucket, system, start }))
      const trash = `${TRASH}${start.toISOString()}/`
      const run: Run = { store, settings, trash, done, failed, stop }
      const entries = await send(plan, listed, run)
      await remove(plan.gone, run)
      const text = textOf(plan, manifest, entries, failed)
      if (failed.size > 0 && text.length === 0) throw notCopied(failed, 'Nothing was copied')
      const written = await writeManifest(store, { bucket, system, start }, text)
      object = { key: written.key, bytes: written.bytes, sha256: written.sha256, etag: written.etag }
    }
    const gone = new Set(plan.gone.map(({ key }) => key))
    const auditOf: Details['audit'] = audit
      ? {
          at: start.toISOString(),
          objects: listed?.size ?? 0,
          differences: plan.differences.length,
          repaired: repair,
        }
      : last?.receipt.details.audit
    const written = await writeReceipt(
      store,
      mediaReceipts,
      {
        system,
        start: start.toISOString(),
        end: store.clock.now().toISOString(),
        bucket,
        object,
        bytes: plan.now.bytes,
        versions: { ...agentVersions(), ...(await ageVersion(settings.recipients)) },
        counts: {
          files: plan.now.files,
          ...plan.counts,
          ...(failed.size > 0 ? { missing: failed.size } : {}),
        },
        details: {
          prefix: settings.prefix,
          ...encryptionDetails(settings.recipients),
          ...done,
          ...(auditOf ? { audit: auditOf } : {}),
          ...(settings.override ? { override: settings.override } : {}),
          ...(failed.size > 0 ? { missing: missingOf(failed) } : {}),
        },
      },
      last ?? null,
    )
    await clearMarks(store, bucket, unfinished)
    if (listed) await renewLocks(store, bucket, [...[...listed.keys()].filter(key => !gone.has(key)), object.key])
    if (changes || audit) {
      await expire(store, settings, start, object.key)
      // The newest manifest, just written, is the state of the tree.
      await expireReceipts(store, { bucket, system, now: start, serves: () => false })
    }
    if (failed.size > 0) {
      throw notCopied(failed, 'Everything else was copied, and the receipt says what the copy lacks')
    }
    if (plan.differences.length > 0 && !repair) {
      throw new Failure(
        'audit',
        `${plan.differences.length} objects of ${bucket} do not match the manifest, the first: ${plan.differences.slice(0, 5).join(', ')}. ` +
          'The changes in the tree were copied nevertheless. Run once with BACKUP_AUDIT_REPAIR=yes to send them again',
      )
    }
    return {
      system,
      bucket,
      files: plan.now.files,
      bytes: plan.now.bytes,
      ...done,
      receipt: written.key,
      requests: store.requests(),
      seconds: (store.clock.now().getTime() - start.getTime()) / 1000,
    }
  } finally {
    await letGo()
  }
}

/**
 * Lock the source, which may be mounted read-only; if its filesystem does not support such locks, log that and
 * continue.
 */
async function lockSource(source: string, system: string): Promise<() => Promise<void>> {
  try {
    return await lock(source, system)
  } catch (error) {
    if (!(error instanceof Failure) || error.kind !== 'volume') throw error
    log(`${error.message}; only the CronJob's concurrencyPolicy prevents two runs at once`)
    return async () => {}
  }
}

/**
 * The newest receipt of this prefix (a week old if there is a folder for each weekday), and the marks of killed runs.
 */
async function lastReceipt(
  store: Store,
  settings: BucketMirror,
): Promise<{ last: StoredReceipt<typeof mediaReceipts> | undefined; unfinished: string[]; future: string[] }> {
  const { bucket, system, prefix } = settings
  const { receipts, problems, unfinished, future } = await readReceipts(store, {
    bucket,
    system,
    kinds: [mediaReceipts],
    newest: prefix ? 14 : 1,
  })
  for (const problem of problems) log(problem)
  return { last: receipts.find(({ receipt }) => receipt.details.prefix === prefix), unfinished, future }
}

function isAuditDue(last: StoredReceipt<typeof mediaReceipts>, days: number, now: Date): boolean {
  const { audit } = last.receipt.details
  // After an audit with findings, the next run audits again, until there are none.
  if (!audit || (audit.differences > 0 && !audit.repaired)) return true
  // Half a day less, or a daily run would find it due a day late.
  return now.getTime() - new Date(audit.at).getTime() >= (days - 0.5) * 86_400_000
}

function tellDifferences(plan: Plan, bucket: string, repair: boolean): void {
  for (const difference of plan.differences.slice(0, 20))
    log(`${bucket}: ${difference}${repair ? ', to be repaired' : ''}`)
  if (plan.differences.length > 20) log(`… and ${plan.differences.length - 20} more`)
}

/** The sources of the new manifest: lines of the old one, finished entries, or files that must be sent first. */
type OldEntry = ManifestEntry & { from: number; to: number }
type Piece =
  | { from: number; to: number }
  | { entry: ManifestEntry }
  | { file: TreeEntry; before?: OldEntry }
  | { gone: Gone }

/** An object that no longer belongs to any file of the tree. */
interface Gone {
  key: string
  bytes: number
  etag: string
  /** Its line, which stays in the manifest if the object cannot be removed; missing if that line must not stay. */
  line?: OldEntry
}

interface Plan {
  pieces: Piece[]
  changed: Extract<Piece, { file: TreeEntry }>[]
  gone: Gone[]
  /** A folder or link is new, changed or gone. */
  linesChanged: boolean
  now: TreeSize
  before: TreeSize
  counts: { folders: number; links: number }
  skipped: Skipped[]
  /** Differences between the bucket and the last manifest. */
  differences: string[]
}

/**
 * Walk the tree and its last manifest in parallel; both are in the same order.
 *
 * @param listed what the bucket really holds, if it was listed
 * @param repair send what the bucket lacks or holds differently from the manifest, and remove what it should not hold
 */
function compare(
  settings: BucketMirror,
  manifest: Manifest,
  listed: Map<string, Known> | undefined,
  repair: boolean,
): Plan {
  const { source, mirror, prefix, recipients } = settings
  const to = recipients.length > 0 ? recipientsMark(recipients) : undefined
  const plan: Plan = {
    pieces: [],
    changed: [],
    gone: [],
    linesChanged: false,
    now: { files: 0, bytes: 0 },
    before: { files: 0, bytes: 0 },
    counts: { folders: 0, links: 0 },
    skipped: [],
    differences: [],
  }
  const unknown = new Set(listed?.keys())
  const keep = (from: number, to: number): void => {
    const last = plan.pieces.at(-1)
    if (last && 'to' in last && last.to === from) last.to = to
    else plan.pieces.push({ from, to })
  }
  const remove = (old: OldEntry, swapped: boolean): void => {
    const key = objectKey(prefix, old.path)
    // A killed run may have removed it.
    if (old.type !== 'file' || (listed && !listed.has(key))) {
      plan.linesChanged = true
      return
    }
    const gone: Gone = { key, bytes: objectOf(old).bytes, etag: old.etag ?? '', ...(swapped ? {} : { line: old }) }
    plan.gone.push(gone)
    plan.pieces.push({ gone })
  }
  const unreadable = new Set<string>()
  // The last entry of the walk that is not a folder: it replaced whatever the manifest has below it.
  let other: string | undefined
  const passed = (old: OldEntry): void => {
    unknown.delete(objectKey(prefix, old.path))
    if (isAtOrBelow(unreadable, old.path)) {
      if (old.type === 'file') add(plan.now, old)
      keep(old.from, old.to)
    } else if (other !== undefined && old.path.startsWith(`${other}/`)) remove(old, true)
    else if (mirror) remove(old, false)
    else keep(old.from, old.to)
  }
  const isHeld = (key: string, old: OldEntry): boolean => {
    const object = listed?.get(key)
    const { bytes } = objectOf(old)
    if (!listed || (object?.bytes === bytes && object.etag === old.etag)) return true
    plan.differences.push(
      object
        ? `${key} has ${object.bytes} bytes and ETag ${object.etag}, not ${bytes} and ${old.etag}`
        : `${key} is missing`,
    )
    return !repair
  }
  const old = manifest.entries()
  let next = old.next()
  const following = (): OldEntry => {
    const entry = next.value as OldEntry
    if (entry.type === 'file') add(plan.before, entry)
    next = old.next()
    return entry
  }
  const skipped = (what: Skipped): void => {
    plan.skipped.push(what)
    if (what.unreadable) unreadable.add(what.path)
  }
  for (const entry of walk(source, skipped)) {
    while (!next.done && inWalkOrder(next.value.path, entry.path) < 0) passed(following())
    const before = !next.done && next.value.path === entry.path ? following() : undefined
    if (entry.type !== 'file') {
      plan.counts[entry.type === 'folder' ? 'folders' : 'links'] += 1
      if (entry.type === 'link') other = entry.path
      if (before?.type === 'file') {
        unknown.delete(objectKey(prefix, before.path))
        remove(before, true)
      }
      if (before && unchanged(entry, before)) keep(before.from, before.to)
      else {
        plan.linesChanged = true
        plan.pieces.push({ entry })
      }
      continue
    }
    add(plan.now, entry)
    other = entry.path
    const key = objectKey(prefix, entry.path)
    unknown.delete(key)
    if (before && unchanged(entry, before) && before.sealed?.to === to && isHeld(key, before))
      keep(before.from, before.to)
    else {
      const piece = { file: entry, ...(before?.type === 'file' ? { before } : {}) }
      plan.pieces.push(piece)
      plan.changed.push(piece)
    }
  }
  while (!next.done) passed(following())
  // Objects in neither the tree nor the manifest: left by a killed run, or from before manifests.
  for (const key of unknown) {
    if (manifest.isEmpty === false) plan.differences.push(`${key} is in the bucket, and in no manifest`)
    if (mirror && repair) plan.gone.push({ key, bytes: 0, etag: '', ...listed?.get(key) })
  }
  return plan
}

/** Whether a path, or a folder above it, is in a set. */
function isAtOrBelow(paths: ReadonlySet<string>, path: string): boolean {
  if (paths.size === 0) return false
  for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1)) {
    if (paths.has(path.slice(0, end))) return true
  }
  return false
}

function add(size: TreeSize, entry: TreeEntry): void {
  size.files += 1
  size.bytes += entry.bytes
}

function unchanged(now: TreeEntry, before: ManifestEntry): boolean {
  if (now.type !== before.type) return false
  if (now.type === 'file') {
    const { bytes, mtime, ctime, inode } = before
    return now.bytes === bytes && now.inode === inode && sameTime(now.mtime, mtime) && sameTime(now.ctime, ctime)
  }
  return lineOf(now) === lineOf(before)
}

/** Every object that is the copy of a file, by its key: one LIST a thousand. */
export async function listFiles(
  store: Store,
  { bucket, prefix }: Pick<BucketMirror, 'bucket' | 'prefix'>,
): Promise<Map<string, Known>> {
  const objects = new Map<string, Known>()
  let startAfter: string | undefined
  for (let whole = false; !whole; ) {
    whole = true
    for await (const { key, bytes, etag } of listObjects(store, {
      bucket,
      prefix,
      ...(startAfter ? { startAfter } : {}),
    })) {
      const own = ownFolders.find(folder => key.startsWith(folder))
      if (own) {
        // Continue after the folder: a full trash is as large as the tree.
        startAfter = `${own}\u{10ffff}`
        whole = false
        break
      }
      objects.set(key, { bytes, etag })
    }
  }
  return objects
}

function sum(objects: Map<string, Known>): number {
  let bytes = 0
  for (const object of objects.values()) bytes += object.bytes
  return bytes
}

/** State shared by the steps of one run. */
interface Run {
  store: Store
  settings: BucketMirror
  /** The prefix for replaced and deleted objects. */
  trash: string
  done: Done
  /** Raw paths, or keys, that could not be copied or removed, with the error of each. */
  failed: Map<string, unknown>
  stop: AbortSignal
}

// Errors that every request would meet, not only this one.
const HOPELESS = new Set(['NoSuchBucket', 'InvalidAccessKeyId', 'SignatureDoesNotMatch', 'RequestTimeTooSkewed'])

/**
 * Send what changed, several files at once. A file that cannot be sent does not stop the others.
 *
 * @returns the manifest entries, by the file they came from
 * @throws the store's error if no file can be sent any more
 */
async function send(
  plan: Plan,
  listed: Map<string, Known> | undefined,
  run: Run,
): Promise<Map<TreeEntry, ManifestEntry>> {
  const { store, settings, done, failed, stop } = run
  const { bucket, prefix } = settings
  const { recipients } = settings
  const destination: Destination = {
    store,
    bucket,
    prefix,
    recipients,
    to: recipientsMark(recipients),
    pace: pacer(settings.bandwidth, stop),
    stop,
  }
  const entries = new Map<TreeEntry, ManifestEntry>()
  const tell = progress(
    'copy',
    plan.changed.reduce((bytes, { file }) => bytes + file.bytes, 0),
  )
  let passed = 0
  let unanswered = 0
  await inParallel(plan.changed, settings.concurrency, async ({ file, before }) => {
    stop.throwIfAborted()
    const key = objectKey(prefix, file.path)
    const found = listed?.get(key)
    const known = !listed || found?.etag === before?.etag ? before && knownOf(before) : found
    let trashed = false
    try {
      const stored = await storeFile(destination, settings.source, file, known, async () => {
        trashed = known !== undefined && (await toTrash(run, key, known))
      })
      if (stored.became === 'vanished') done.vanished += 1
      else {
        entries.set(file, stored.entry)
        done[stored.became === 'adopted' ? 'adopted' : 'sent'] += 1
        if (stored.became === 'stored') done.sentBytes += stored.entry.bytes
      }
      unanswered = 0
    } catch (error) {
      if (stop.aborted || HOPELESS.has((error as Error).name)) throw error
      unanswered = asFailure(error).kind === 'unreachable' ? unanswered + 1 : 0
      // Not a problem of one file: each was retried long enough to outlast the restart of a gateway.
      if (unanswered >= 3 * settings.concurrency) throw error
      failed.set(file.path, error)
      log(`not copied: ${shown(file.path)}: ${asFailure(error).message}`)
      if (trashed && known) await undoTrash(run, key, known)
    }
    passed += file.bytes
    tell(passed)
  })
  for (const { file, before } of plan.changed) {
    if (entries.has(file)) continue
    // The copy keeps its older state, or has nothing.
    plan.now.bytes += (before?.bytes ?? 0) - file.bytes
    if (!before) plan.now.files -= 1
  }
  return entries
}

function knownOf(entry: ManifestEntry): Known {
  const { bytes, md5, sealed } = entry
  const content = sealed && md5 ? { content: { bytes, md5, sealed } } : {}
  return { bytes: objectOf(entry).bytes, etag: entry.etag ?? '', ...(md5 && !sealed ? { md5 } : {}), ...content }
}

/**
 * Copy an object to the trash before it is replaced or deleted.
 * @returns false if it does not exist
 */
async function toTrash({ store, settings, trash, done }: Run, key: string, object: Known): Promise<boolean> {
  const to = trash + trashName(key)
  const copied = await copyWithin(store, { bucket: settings.bucket, from: key, to, object })
  if (copied) done.trashed += 1
  return copied
}

/** Remove the copy from the trash if its object was not replaced after all. */
async function undoTrash({ store, settings, trash, done }: Run, key: string, object: Known): Promise<void> {
  const { bucket } = settings
  try {
    const there = await store.s3.send(new HeadObjectCommand({ Bucket: bucket, Key: key }))
    if (there.ContentLength !== object.bytes || bareEtag(there.ETag) !== object.etag) return
    await deleteKeys(store, bucket, [trash + trashName(key)])
    done.trashed -= 1
  } catch (error) {
    log(`${bucket}/${trash}${shown(key)} stays in the trash: ${(error as Error).message}`)
  }
}

/** Move objects to the trash. What cannot be moved stays. */
async function remove(objects: readonly Gone[], run: Run): Promise<void> {
  const { store, settings, done, failed, stop } = run
  const refused = (object: Gone, error: unknown): void => {
    failed.set(object.line?.path ?? object.key, error)
    log(`not removed: ${shown(object.key)}: ${asFailure(error).message}`)
  }
  const moved = new Map<string, Gone>()
  await inParallel(objects, settings.concurrency, async object => {
    stop.throwIfAborted()
    try {
      if (await toTrash(run, object.key, object)) moved.set(object.key, object)
    } catch (error) {
      if (stop.aborted || HOPELESS.has((error as Error).name)) throw error
      refused(object, error)
    }
  })
  const left = await deleteEach(store, settings.bucket, [...moved.keys()])
  for (const [key, error] of left) {
    const object = moved.get(key)
    if (!object) continue
    refused(object, error)
    await undoTrash(run, key, object)
  }
  done.removed += objects.length - failedOf(objects, failed)
}

function failedOf(objects: readonly Gone[], failed: ReadonlyMap<string, unknown>): number {
  return objects.filter(({ key, line }) => failed.has(line?.path ?? key)).length
}

// How many failed paths a receipt lists at most.
const NAMED = 20

function missingOf(failed: ReadonlyMap<string, unknown>): { path: string; why: string }[] {
  return [...failed].slice(0, NAMED).map(([path, error]) => ({ path: keyOf(path), why: asFailure(error).message }))
}

/** The failure of a run that could not copy everything: its kind is that of the errors, if they all agree. */
function notCopied(failed: ReadonlyMap<string, unknown>, end: string): Failure {
  const kinds = new Set([...failed.values()].map(error => asFailure(error).kind))
  const [kind = 'copy'] = kinds
  const named = missingOf(failed)
    .slice(0, 5)
    .map(({ path, why }) => `${JSON.stringify(path)} (${why})`)
  return new Failure(
    kinds.size === 1 && kind !== 'unexpected' ? kind : 'copy',
    `${failed.size} files were not copied or removed: ${named.join(', ')}${failed.size > named.length ? ', …' : ''}. ${end}`,
  )
}

/** Write the new manifest. */
function textOf(
  plan: Plan,
  manifest: Manifest,
  entries: Map<TreeEntry, ManifestEntry>,
  failed: ReadonlyMap<string, unknown>,
): Buffer {
  const parts: Buffer[] = []
  const old = ({ from, to }: OldEntry) => parts.push(manifest.slice(from, to))
  for (const piece of plan.pieces) {
    if ('to' in piece) parts.push(manifest.slice(piece.from, piece.to))
    else if ('gone' in piece) {
      const { line } = piece.gone
      if (line && failed.has(line.path)) old(line)
    } else {
      const entry = 'entry' in piece ? piece.entry : entries.get(piece.file)
      if (entry) parts.push(Buffer.from(`${lineOf(entry)}\n`))
      // It was deleted after the walk, or could not be sent: its object still exists, and the next run checks again.
      else if ('file' in piece && piece.before) old(piece.before)
    }
  }
  return Buffer.concat(parts)
}

/**
 * Remove objects from the trash that have been there long enough, and manifests of that age: one LIST each if there is
 * nothing to remove.
 */
export async function expire(
  store: Store,
  settings: Pick<BucketMirror, 'bucket' | 'system' | 'trashDays'>,
  now: Date,
  current: string,
): Promise<void> {
  const oldest = new Date(now.getTime() - settings.trashDays * 86_400_000).toISOString()
  for (const folder of [TRASH, manifestPrefix(settings.system)]) {
    const keys: string[] = []
    for await (const { key } of listObjects(store, { bucket: settings.bucket, prefix: folder })) {
      // Keys begin with a time and are listed in order.
      if (key.slice(folder.length) >= oldest) break
      if (key !== current) keys.push(key)
    }
    await deleteKeys(store, settings.bucket, keys)
    if (keys.length > 0) log(`removed ${keys.length} expired objects from ${folder}`)
  }
}

/** Waits so that at most `rate` bytes a second are sent. */
function pacer(rate: number | undefined, signal: AbortSignal): (bytes: number) => Promise<void> {
  if (!rate) return async () => {}
  let free = Date.now()
  return async bytes => {
    const now = Date.now()
    free = Math.max(free, now) + (bytes / rate) * 1000
    if (free - now > 50) await sleep(free - now, undefined, { signal })
  }
}
