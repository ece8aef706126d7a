import {
  chmodSync,
  existsSync,
  lchownSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { type Environment, openStore } from '../../store/client.ts'
import { inParallel } from '../../store/parallel.ts'
import { readReceipts } from '../../store/receipt.ts'
import { choose, copyOf, list } from '../run/copies.ts'
import { requireKey } from '../run/encryption.ts'
import { lock } from '../run/lock.ts'
import { duration, log, progress, sized } from '../run/log.ts'
import { Failure, isOfVolume, type Result } from '../run/outcome.ts'
import { checkRoom } from '../run/room.ts'
import { BucketContent, type Content, ContentCheck, objectsAsFiles, ReplicaContent, UNKNOWN } from './content.ts'
import { type ManifestEntry, readManifest } from './manifest.ts'
import { bytesOf, keyOf, shown } from './names.ts'
import { leftovers, makeOwnFolder, type OwnFolder, removeOwnFolder } from './own-folder.ts'
import { mediaReceipts } from './receipt.ts'
import {
  attributesMatch,
  impossible,
  isIn,
  type MediaPlan,
  planMedia,
  type Step,
  select,
  withFolders,
} from './restore-plan.ts'
import type { MediaRestoreSettings } from './settings.ts'
import { isMountPoint } from './source-check.ts'
import { type Skipped, walk, withExactTime } from './tree.ts'

/** The tree that a copy holds, and where the contents of its files are. */
interface Source {
  name: string
  taken: string
  entries: ManifestEntry[]
  content: Content
  /** What the copy holds and cannot be restored, a sentence each. */
  lacking: string[]
}

/**
 * Restore a tree from a copy: names, contents, owners, modes, times, links and empty folders. Only differences are
 * fetched; files that the copy does not have stay.
 */
export async function restoreMedia(
  settings: MediaRestoreSettings,
  env: Environment,
  stop: AbortSignal,
): Promise<Result> {
  const began = Date.now()
  const source = await find(settings, env)
  if ('listed' in source) return source.listed
  checkTarget(settings)
  const letGo = await lock(settings.target, settings.system)
  try {
    log(`copy ${source.name}, taken ${source.taken}: ${source.entries.length} entries`)
    const { selected: all, above, missing } = select(source.entries, settings.paths)
    if (missing.length > 0) {
      throw new Failure('restore', `the copy of ${source.taken} has no ${missing.join(', ')}: nothing was changed`)
    }
    const unable = impossible(all)
    const selected = all.filter(entry => !unable.has(entry))
    const lacking = [
      ...source.lacking,
      ...[...unable].filter(isOfCopy).map(([{ path }, why]) => `${shown(path)}: ${why}`),
    ]
    const { part } = settings
    const drawn = part ? selected.filter(entry => entry.type !== 'file' || isIn(part, entry.path)) : selected
    const plan = await planMedia(settings.target, drawn, above, settings.concurrency)
    tell(plan)
    const old = leftovers(settings.target)
    for (const path of old) log(`${settings.dryRun ? 'would remove' : 'removing'} ${path}, left by a killed restore`)
    const problems = [...lacking, ...(await source.content.check(plan.fetch))]
    for (const problem of problems) log(`cannot be restored: ${problem}`)
    if (problems.length > 0 && !settings.goOn) {
      throw new Failure(
        'restore',
        `${problems.length} of ${plan.fetch.length + lacking.length} files cannot be restored from ${source.content.place}, the first: ${problems[0]}. Nothing was changed; restore from another copy, or the rest of this one with DO_NOT_STOP_ON_ERROR=yes`,
      )
    }
    // Restored files are beside those they replace until all are verified, so there must be room for both.
    await checkRoom([{ place: settings.target, bytes: plan.bytes, what: 'what is restored' }])
    const result: Result = {
      system: settings.system,
      copy: source.name,
      taken: source.taken,
      same: plan.same,
      make: count(plan, 'make'),
      replace: count(plan, 'replace'),
      attributes: count(plan, 'attributes'),
      bytes: plan.bytes,
    }
    if (settings.dryRun) return { ...result, dryRun: true }
    for (const path of old) rmSync(path, { recursive: true, force: true })
    const { failed, folder } = await apply(plan, source, settings, stop)
    const differences = compare(settings.target, plan, failed)
    if (failed.size > 0 || differences.length > 0 || lacking.length > 0) {
      const [first = differences[0] ?? lacking[0]] = failed.values()
      removeOwnFolder(folder, true)
      throw new Failure(
        'restore',
        `${failed.size + lacking.length} files were not restored, ${differences.length} entries do not match the copy, the first: ${first}. ${whatWasBefore(settings.target, folder)}`,
      )
    }
    removeOwnFolder(folder, settings.keepBefore)
    const kept = existsSync(folder.before)
    const seconds = (Date.now() - began) / 1000
    log(`restored ${sized(plan.bytes)} in ${duration(seconds)}`)
    return { ...result, ...(kept && { before: folder.before }), seconds }
  } finally {
    await letGo()
  }
}

// The folders above the objects of a bucket are derived, not recorded.
function isOfCopy([{ type, mode }]: [ManifestEntry, string]): boolean {
  return type === 'file' || mode !== UNKNOWN
}

async function find(settings: MediaRestoreSettings, env: Environment): Promise<Source | { listed: Result }> {
  const { from, system, wanted, concurrency } = settings
  if ('replica' in from) {
    if (wanted.which === 'time') {
      throw new Failure('environment', 'FROM_BACKUP is a time: the replica holds only the latest copy')
    }
    if (wanted.which === 'list') return { listed: { system, place: from.replica, copies: 1 } }
    if (settings.mounted && !isMountPoint(from.replica)) {
      throw new Failure('volume', `the replica ${from.replica} is not mounted`)
    }
    const lacking: string[] = []
    const skipped = ({ path, why, unreadable }: Skipped): void => {
      log(`left out ${shown(path)}: ${why}`)
      if (unreadable) lacking.push(`${shown(path)}: ${why}`)
    }
    const entries = [...walk(from.replica, skipped)].map(entry =>
      withExactTime(entry, bytesOf(`${from.replica}/${entry.path}`)),
    )
    if (entries.length === 0) throw new Failure('restore', `the replica ${from.replica} is empty: nothing was changed`)
    return { name: from.replica, taken: 'now', entries, content: new ReplicaContent(from.replica), lacking }
  }
  const { bucket } = from
  const store = openStore(env, { connections: concurrency + 2 })
  if (from.what === 'objects') {
    const { files, unnamed } = await objectsAsFiles(store, bucket)
    if (files.length === 0) throw new Failure('restore', `the bucket ${bucket} is empty: nothing was changed`)
    if (wanted.which === 'list') return { listed: { system, place: bucket, copies: 1, files: files.length } }
    const content = new BucketContent(store, { bucket, prefix: '', concurrency })
    return {
      name: bucket,
      taken: 'at various times',
      entries: withFolders(files),
      content,
      lacking: unnamed.map(key => `${bucket}/${key}: its path is in the manifest only`),
    }
  }
  const { receipts, problems } = await readReceipts(store, { bucket, system, kinds: [mediaReceipts] })
  for (const problem of problems) log(problem)
  const copies = receipts.map(stored => ({ ...copyOf(stored), stored }))
  const place = `the bucket ${bucket}`
  if (wanted.which === 'list') return { listed: list(copies, place) }
  if (copies.length === 0) {
    throw new Failure(
      'restore',
      `there is no receipt of ${system} in ${place}: nothing was changed. If the old images filled the bucket, restore its objects with RESTORE_FROM=objects`,
    )
  }
  const { stored } = choose(copies, wanted, place)
  const { receipt } = stored
  const manifest = await readManifest(store, bucket, receipt.object).catch(error => {
    if ((error as Error).name !== 'NoSuchKey') throw error
    throw new Failure(
      'restore',
      `${bucket}/${receipt.object.key}, the manifest of ${receipt.taken}, no longer exists: manifests are deleted with the trash. Nothing was changed; take a later copy (FROM_BACKUP=NONE lists them)`,
    )
  })
  const { prefix } = receipt.details
  const entries = [...manifest.entries()]
  if (entries.some(({ sealed }) => sealed)) requireKey(`the copy of ${receipt.taken}`, settings.identity)
  return {
    name: receipt.object.key,
    taken: receipt.taken,
    entries,
    content: new BucketContent(store, { bucket, prefix, concurrency, identity: settings.identity }),
    lacking: [],
  }
}

function checkTarget({ target, mounted }: MediaRestoreSettings): void {
  if (!existsSync(target)) throw new Failure('volume', `the target ${target} is missing: mount it`)
  if (mounted && !isMountPoint(target)) {
    throw new Failure('volume', `the target ${target} is not mounted: what is restored would be lost with the pod`)
  }
}

const TOLD = 50

function tell(plan: MediaPlan): void {
  const words = { make: 'make      ', replace: 'replace   ', attributes: 'attributes' }
  for (const { entry, action } of plan.steps.slice(0, TOLD)) {
    log(`  ${words[action]} ${shown(entry.path)}${entry.type === 'file' ? '' : ` (${entry.type})`}`)
  }
  if (plan.steps.length > TOLD) log(`  and ${plan.steps.length - TOLD} more`)
  log(
    `${plan.same} match the copy; ${count(plan, 'make')} to make, ${count(plan, 'replace')} to replace, ${count(plan, 'attributes')} only need owner, mode or time; ${sized(plan.bytes)} to fetch`,
  )
}

function count(plan: MediaPlan, action: Step['action']): number {
  return plan.steps.filter(step => step.action === action).length
}

/**
 * Carry out a plan.
 * @returns the files that could not be restored, with the reason, and the folder used
 */
async function apply(
  plan: MediaPlan,
  source: Source,
  settings: MediaRestoreSettings,
  stop: AbortSignal,
): Promise<{ failed: Map<ManifestEntry, string>; folder: OwnFolder }> {
  const { target } = settings
  const folder = makeOwnFolder(target, new Date())
  const { unfinished, before } = folder
  const failed = new Map<ManifestEntry, string>()
  try {
    const aside = (entry: ManifestEntry) => moveAside(target, before, entry.path)
    for (const { entry, action } of plan.steps) {
      if (entry.type !== 'folder') continue
      if (action === 'replace') aside(entry)
      // The final mode may not allow writing into the folder, so it is set last.
      if (action !== 'attributes') mkdirSync(bytesOf(`${target}/${entry.path}`), { mode: 0o755 })
    }
    const replaced = new Set(plan.steps.filter(step => step.action === 'replace').map(step => step.entry))
    const told = progress(`restore from ${source.content.place}`, plan.bytes)
    let done = 0
    let number = 0
    await inParallel(plan.fetch, settings.concurrency, async entry => {
      stop.throwIfAborted()
      number += 1
      const partial = join(unfinished, String(number))
      try {
        const mtime = await fetch(source.content, entry, partial)
        setAttributes(partial, mtime === undefined || entry.mtime !== UNKNOWN ? entry : { ...entry, mtime })
        if (replaced.has(entry)) aside(entry)
        await rename(partial, bytesOf(`${target}/${entry.path}`))
      } catch (error) {
        await rm(partial, { force: true })
        if (!settings.goOn || isOfVolume(error)) {
          throw new Failure(
            'restore',
            `${keyOf(entry.path)} could not be restored: ${(error as Error).message}. ${whatWasBefore(target, folder)}`,
            { cause: error },
          )
        }
        failed.set(entry, `${keyOf(entry.path)}: ${(error as Error).message}`)
        log(`cannot be restored: ${failed.get(entry)}`)
      }
      done += entry.bytes
      told(done)
    })
    for (const { entry, action } of plan.steps) {
      const path = bytesOf(`${target}/${entry.path}`)
      if (entry.type === 'link') {
        if (action === 'replace') aside(entry)
        if (action !== 'attributes') symlinkSync(bytesOf(entry.target ?? ''), path)
        setAttributes(path, entry)
      } else if (entry.type === 'file' && action === 'attributes') setAttributes(path, entry)
    }
  } catch (error) {
    removeOwnFolder(folder, true)
    throw error
  }
  // Creating entries changes a folder's time, so the innermost folders come first.
  for (const { entry } of [...plan.steps].reverse()) {
    if (entry.type === 'folder') setAttributes(bytesOf(`${target}/${entry.path}`), entry)
  }
  await execa('sync', ['--file-system', target])
  return { failed, folder }
}

/**
 * Fetch one file's content into a temporary file, checked against the copy's list.
 * @returns the time stored beside the content, if any
 */
async function fetch(content: Content, entry: ManifestEntry, file: string): Promise<number | undefined> {
  const { body, mtime } = await content.open(entry)
  const check = new ContentCheck(entry)
  const out = await open(file, 'wx', 0o600)
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      check.update(chunk)
      await out.writeFile(chunk)
    }
  } finally {
    await out.close()
  }
  const problem = check.problem()
  if (problem) throw new Error(`what ${content.place} holds is damaged: ${problem}`)
  return mtime
}

function setAttributes(path: string | Buffer, entry: ManifestEntry): void {
  if (entry.uid !== UNKNOWN) lchownSync(path, entry.uid, entry.gid)
  // After the owner: changing the owner clears the setuid bit.
  if (entry.mode !== UNKNOWN && entry.type !== 'link') chmodSync(path, entry.mode)
  // For a file from a bucket without a manifest, only what rclone stored is known.
  if (entry.mode === UNKNOWN && entry.type === 'file') chmodSync(path, 0o644)
  // As text: Node takes a negative number for the current time.
  const seconds = String(entry.mtime / 1e6)
  if (entry.mtime !== UNKNOWN) lutimesSync(path, seconds, seconds)
}

function moveAside(target: string, before: string, path: string): void {
  const to = `${before}/${path}`
  mkdirSync(bytesOf(to.slice(0, to.lastIndexOf('/'))), { recursive: true, mode: 0o700 })
  renameSync(bytesOf(`${target}/${path}`), bytesOf(to))
}

function whatWasBefore(target: string, { before }: OwnFolder): string {
  return existsSync(before) && readdirSync(before).length > 0
    ? `What was replaced so far is in ${before}: move it back over ${target}, or run the restore again`
    : 'Nothing was replaced: run the restore again'
}

/** Compare the target with the plan again. */
function compare(target: string, plan: MediaPlan, failed: ReadonlyMap<ManifestEntry, string>): string[] {
  const wanted = new Map(plan.steps.filter(step => !failed.has(step.entry)).map(({ entry }) => [entry.path, entry]))
  const differences: string[] = []
  for (const there of walk(target, () => {})) {
    const entry = wanted.get(there.path)
    if (!entry) continue
    wanted.delete(there.path)
    const same = there.type === entry.type && there.bytes === entry.bytes && there.target === entry.target
    if (!same || !attributesMatch(there, entry)) differences.push(`${keyOf(there.path)} does not match the copy`)
  }
  return [...differences, ...[...wanted.keys()].map(path => `${keyOf(path)} is missing`)]
}
