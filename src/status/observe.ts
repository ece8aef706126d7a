import { createHash } from 'node:crypto'
import type { System } from '../kinds/index.ts'
import { kindOf } from '../kinds/index.ts'
import type { ListedCopy, Observed } from '../store/assess.ts'
import type { Store } from '../store/client.ts'
import { isFromFuture } from '../store/clock.ts'
import { RECEIPTS } from '../store/folders.ts'
import { type ListedObject, listObjects } from '../store/list.ts'
import { readObject } from '../store/object.ts'
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
import { opennessOf } from './openness.ts'

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
  /** Requests without a key, which the store does not count. */
  readonly withoutKey: number
}

/**
 * Read what a bucket holds of a system: one LIST of its receipts and its drills' receipts, one of its copies, one request
 * without a key, and one GET for each new receipt.
 *
 * @param folder of cached receipts
 */
export async function observe(store: Store, system: System, folder: string, now: Date): Promise<Observation> {
  const { bucket, name } = system
  const [copies, [runs, drills], { open, withoutKey }] = await Promise.all([
    listCopies(store, system),
    readFolders(store, system, folder, now),
    opennessOf(store, bucket, folder, now),
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
    withoutKey,
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

/** A folder of receipts: those that are known, and after which key it is listed. */
interface Folder {
  readonly prefix: string
  readonly memory: Memory
  readonly horizon: string
  readonly from: string
}

/** Update the caches of the receipts of a system and of its drills. */
async function readFolders(store: Store, { bucket, name }: System, folder: string, now: Date) {
  const [runs, drills] = [await openFolder(name), await openFolder(drillSystem(name))]
  const listed = await listFolders(store, bucket, [runs, drills])
  return await Promise.all([readFolder(store, bucket, runs, listed), readFolder(store, bucket, drills, listed)])

  async function openFolder(of: string): Promise<Folder> {
    const prefix = receiptPrefix(of)
    const memory = await Memory.open(folder, [store.endpoint, bucket, prefix])
    const horizon = `${prefix}${new Date(now.getTime() - HISTORY_DAYS * DAY_MS).toISOString()}`
    return { prefix, memory, horizon, from: memory.size < PAGE ? prefix : horizon }
  }
}

/** The objects of folders of receipts, which usually fit into one answer. Whole answers of old receipts are left out. */
async function listFolders(store: Store, bucket: string, folders: readonly Folder[]): Promise<ListedObject[]> {
  const order = [...folders].sort((a, b) => (a.prefix < b.prefix ? -1 : 1))
  const listed: ListedObject[] = []
  for (let after = order[0]?.from; after !== undefined; ) {
    let next: string | undefined
    let count = 0
    for await (const object of listObjects(store, { bucket, prefix: RECEIPTS, startAfter: after })) {
      const { key } = object
      listed.push(object)
      count += 1
      if (count % PAGE !== 0 || order.some(({ prefix, from }) => key.startsWith(prefix) && key > from)) continue
      next = order.find(({ from }) => from > key)?.from
      break
    }
    after = next
  }
  return listed
}

/** Update the cache of a folder of receipts. */
async function readFolder(
  store: Store,
  bucket: string,
  { prefix, memory, horizon, from }: Folder,
  all: readonly ListedObject[],
) {
  const listed: ListedObject[] = []
  const unfinished: string[] = []
  const guarded: string[] = []
  for (const object of all.filter(({ key }) => key.startsWith(prefix) && key > from)) {
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
      const read = await readReceipt(store, bucket, key)
      memory.forget(key)
      if (typeof read === 'string') return void unreadable.push(read)
      const { start, end, taken } = read.receipt
      const claimed = new Date(Math.max(...[start, end, taken].map(text => Date.parse(text))))
      if (!isFromFuture(claimed, modified)) return memory.add(read, etag)
      const message = `${bucket}/${key} is dated ${claimed.toISOString()}, but was written at ${modified.toISOString()}`
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
