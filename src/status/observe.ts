import { createHash } from 'node:crypto'
import type { System } from '../kinds/index.ts'
import { kindOf } from '../kinds/index.ts'
import type { ListedCopy, Observed } from '../store/assess.ts'
import type { Store } from '../store/client.ts'
import { isFromFuture } from '../store/clock.ts'
import { type ListedObject, listObjects, readObject } from '../store/list.ts'
import { openTo } from '../store/openness.ts'
import { inParallel } from '../store/parallel.ts'
import {
  chainProblems,
  drillSystem,
  GUARDED,
  HISTORY_DAYS,
  readReceipt,
  receiptPrefix,
  type StoredReceipt,
  UNFINISHED,
} from '../store/receipt.ts'
import { setAside } from '../store/set-aside.ts'
import { Memory } from './memory.ts'

const DAY_MS = 86_400_000
// The size of one LIST answer. With fewer known receipts, all are listed; with more, only those of the period for which
// the agent keeps every receipt.
const PAGE = 1000
// Receipts of one system that are read in parallel.
const READS = 8

/** What was read of a system. */
export interface Observation extends Observed {
  /** Every known receipt, including those that have expired in the bucket; newest first. */
  history(): StoredReceipt[]
  drillHistory(): StoredReceipt[]
}

/**
 * Read what a bucket holds of a system: one LIST of its receipts, one of its drills' receipts, one of its copies,
 * one GET for each new receipt, and what everybody may do with the bucket (`openTo`).
 *
 * @param folder of cached receipts
 */
export async function observe(store: Store, system: System, folder: string, now: Date): Promise<Observation> {
  const { bucket, name } = system
  const [copies, runs, drills, { open }] = await Promise.all([
    listCopies(store, system),
    readFolder(store, { bucket, system: name }, folder, now),
    readFolder(store, { bucket, system: drillSystem(name) }, folder, now),
    openTo(store, bucket),
  ])
  const oldest = copies.reduce((least, { taken }) => Math.min(least, taken.getTime()), now.getTime())
  const tree =
    kindOf(system).copies(system).plainFiles && runs.memory.size === 0 ? await listTree(store, bucket) : undefined
  const receipts = runs.receipts(new Date(oldest - DAY_MS))
  const future = new Set(runs.fromFuture.map(({ sha256 }) => sha256))
  // Checked only if a receipt is missing: an operator may have set it aside.
  const missed = runs.removed.length > 0 || chainProblems(receipts, future).length > 0
  const aside = missed ? await setAside(store, bucket, receiptPrefix(name)) : []
  return {
    receipts,
    drills: drills.receipts(now),
    objects: copies,
    unfinished: runs.unfinished,
    guarded: runs.guarded,
    unreadable: [...runs.unreadable, ...drills.unreadable],
    fromFuture: [...runs.fromFuture, ...drills.fromFuture],
    removed: runs.removed.filter(({ key }) => !aside.some(moved => moved.endsWith(key))),
    setAside: await Promise.all(aside.map(key => hashOf(store, bucket, key))),
    open,
    ...(tree && { tree }),
    history: () => runs.receipts(new Date(0)),
    drillHistory: () => drills.receipts(new Date(0)),
  }
}

async function hashOf(store: Store, bucket: string, key: string): Promise<string> {
  return createHash('sha256')
    .update(await readObject(store, bucket, key))
    .digest('hex')
}

async function listCopies(store: Store, system: System): Promise<ListedCopy[]> {
  const { prefix, pattern } = kindOf(system).copies(system).objects
  const copies: ListedCopy[] = []
  for await (const object of listObjects(store, { bucket: system.bucket, prefix })) {
    const time = pattern.exec(object.key)?.[1]
    if (time) copies.push({ ...object, taken: new Date(time.replace(/T(\d\d)-(\d\d)-(\d\d)/, 'T$1:$2:$3')) })
  }
  return copies
}

/**
 * The first page of a bucket without its hidden folders: enough to show that there are files, and roughly from when.
 */
async function listTree(store: Store, bucket: string): Promise<Observed['tree']> {
  let objects = 0
  let newest: Date | undefined
  for await (const object of listObjects(store, { bucket, startAfter: '/' })) {
    objects += 1
    if (!newest || object.modified > newest) newest = object.modified
    if (objects === PAGE) break
  }
  return { objects, more: objects === PAGE, ...(newest && { newest }) }
}

/** Update the cache of a folder of receipts. */
async function readFolder(store: Store, of: { bucket: string; system: string }, folder: string, now: Date) {
  const prefix = receiptPrefix(of.system)
  const memory = await Memory.open(folder, [store.endpoint, of.bucket, prefix])
  const horizon = `${prefix}${new Date(now.getTime() - HISTORY_DAYS * DAY_MS).toISOString()}`
  const from = memory.size < PAGE ? prefix : horizon
  const listed: ListedObject[] = []
  const unfinished: string[] = []
  const guarded: string[] = []
  for await (const object of listObjects(store, { bucket: of.bucket, prefix, startAfter: from })) {
    if (object.key.endsWith('.json')) listed.push(object)
    else if (object.key.endsWith(UNFINISHED)) unfinished.push(object.key)
    else if (object.key.endsWith(GUARDED)) guarded.push(object.key)
  }
  const unreadable: string[] = []
  const fromFuture: { message: string; since: Date; sha256: string }[] = []
  await inParallel(
    listed.filter(({ key, etag }) => !memory.has(key, etag)),
    READS,
    async ({ key, etag, modified }) => {
      const read = await readReceipt(store, of.bucket, key)
      memory.forget(key)
      if (typeof read === 'string') return void unreadable.push(read)
      const { start, end, taken } = read.receipt
      const claimed = new Date(Math.max(...[start, end, taken].map(text => Date.parse(text))))
      if (!isFromFuture(claimed, modified)) return memory.add(read, etag)
      const message = `${of.bucket}/${key} is dated ${claimed.toISOString()}, but was written at ${modified.toISOString()}`
      fromFuture.push({ message, since: modified, sha256: read.sha256 })
    },
  )
  await memory.save()
  const present = new Set(listed.map(({ key }) => key))
  const gone = [...memory.keys()]
    .filter(key => key > horizon && !present.has(key))
    .sort()
    .reverse()
  const isGone = new Set(gone)
  return {
    memory,
    unfinished,
    guarded,
    unreadable,
    fromFuture,
    removed: gone.flatMap(key => memory.get(key) ?? []),
    /** The listed receipts, and the cached ones of runs since `since`; newest first. */
    receipts: (since: Date): StoredReceipt[] => {
      const least = `${prefix}${since.toISOString()}`
      return [...memory.keys()]
        .filter(key => !isGone.has(key) && (present.has(key) || key >= least))
        .sort()
        .reverse()
        .flatMap(key => memory.get(key) ?? [])
    },
  }
}
