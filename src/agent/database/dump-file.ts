import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, existsSync } from 'node:fs'
import { mkdir, rm, stat, statfs } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { pipeline as joined, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { type Environment, openStore, type Store } from '../../store/client.ts'
import { fromFuture, isFromFuture } from '../../store/clock.ts'
import { listObjects } from '../../store/list.ts'
import { openObject } from '../../store/object.ts'
import type { ReceiptData } from '../../store/receipt.ts'
import { readReceipts, systemsIn } from '../../store/receipt.ts'
import { receiptsOf, vouchesFor } from '../../store/retention.ts'
import type { Copy } from '../run/copies.ts'
import { contentName, decrypted, isEncrypted } from '../run/encryption.ts'
import { log, progress, sized } from '../run/log.ts'
import { Failure } from '../run/outcome.ts'
import { type DumpFacts, readDump } from './dump-facts.ts'
import { type DatabaseRestoreSettings, TIERS } from './settings.ts'
import { BackupVolume, takenAt } from './volume.ts'

/** What a receipt, in the bucket or on the volume, records about a dump. */
export type Vouched = Pick<ReceiptData, 'object' | 'counts' | 'versions'>

/** A dump that could be restored. */
export interface DumpCopy extends Copy {
  vouched: Vouched | undefined
  /**
   * Make it a local file.
   * @returns its path, and a function that removes it again
   */
  fetch(): Promise<{ path: string; remove: () => Promise<void> }>
}

/**
 * The copies on the backup volume or in the bucket, made by the agent or by the old images; if a system is named,
 * without those of other systems.
 */
export async function copiesOf(
  settings: DatabaseRestoreSettings,
  env: Environment,
): Promise<{ copies: DumpCopy[]; place: string; now: Date }> {
  // A caller that does not name a system, such as the old recovery image's environment, may restore any.
  const named = env.BACKUP_SYSTEM !== undefined
  if (settings.bucket) {
    const { bucket, path } = settings.bucket
    const place = `the bucket ${[bucket, path].filter(Boolean).join('/')}`
    const store = openStore(env)
    const copies = await inBucket(store, settings, bucket, path)
    return {
      copies: named ? await withoutOthers(store, bucket, settings.system, copies) : copies,
      place,
      now: store.clock.now(),
    }
  }
  const root = settings.volume ?? ''
  if (!existsSync(root)) throw new Failure('volume', `the backup volume ${root} is missing: mount it`)
  const volume = new BackupVolume(root, settings.system)
  const copies: DumpCopy[] = []
  for (const tier of TIERS) {
    for (const { name, path, taken, bytes, receipt, fromFuture: ahead } of await volume.copies(tier)) {
      if (ahead) continue
      if (receipt === undefined && named && (await volume.ownerOf(tier, name)) !== undefined) continue
      copies.push({
        name: `${tier}/${name}`,
        taken,
        bytes,
        verified: receipt !== undefined,
        vouched: receipt,
        fetch: async () => ({ path, remove: async () => {} }),
      })
    }
  }
  return { copies, place: `the volume ${root}`, now: new Date() }
}

async function inBucket(
  store: Store,
  settings: DatabaseRestoreSettings,
  bucket: string,
  path: string,
): Promise<DumpCopy[]> {
  const { receipts, problems } = await readReceipts(store, { bucket, system: settings.system })
  for (const problem of problems) log(problem)
  const copies: DumpCopy[] = []
  for await (const object of listObjects(store, { bucket, ...(path ? { prefix: `${path}/` } : {}) })) {
    const taken = takenAt(basename(object.key))
    if (!taken) continue
    if (isFromFuture(taken, object.modified)) {
      log(fromFuture(`${bucket}/${object.key}`, taken, object.modified))
      continue
    }
    const stored = receipts.find(({ receipt }) => receipt.object.key === object.key)
    // A receipt that does not match its copy is worse than none: the copy has changed since it was verified.
    if (stored && !vouchesFor([stored], object)) {
      log(`${bucket}/${object.key} does not match its receipt: ignored`)
      continue
    }
    copies.push({
      name: object.key,
      taken,
      bytes: object.bytes,
      verified: stored !== undefined,
      vouched: stored?.receipt,
      fetch: () => download(store, settings.work, bucket, object),
    })
  }
  return copies
}

/** Leave out copies that other systems' receipts name. */
async function withoutOthers(
  store: Store,
  bucket: string,
  system: string,
  copies: readonly DumpCopy[],
): Promise<DumpCopy[]> {
  const unknown = copies.filter(({ verified }) => !verified)
  if (unknown.length === 0) return [...copies]
  const keys = new Set<string>()
  for (const other of await systemsIn(store, bucket)) {
    if (other === system) continue
    const { receipts } = await receiptsOf(store, { bucket, system: other, takenAt }, unknown)
    for (const { receipt } of receipts) keys.add(receipt.object.key)
  }
  return copies.filter(({ name, verified }) => verified || !keys.has(name))
}

async function download(store: Store, work: string, bucket: string, object: { key: string; bytes: number }) {
  try {
    await mkdir(work, { recursive: true })
  } catch (error) {
    throw new Failure('volume', `${work} cannot be used (${(error as Error).message}): mount a volume there`)
  }
  const { bavail, bsize } = await statfs(work)
  if (object.bytes > bavail * bsize) {
    throw new Failure(
      'volume',
      `${work} has room for ${sized(bavail * bsize)}, the copy has ${sized(object.bytes)}: nothing was changed. Mount a larger volume there`,
    )
  }
  const path = join(work, `.restoring-${basename(object.key)}`)
  const told = progress(`download of ${object.key}`, object.bytes)
  let done = 0
  const { body } = await openObject(store, { bucket, key: object.key })
  const count = new Transform({
    transform(chunk: Buffer, _encoding, next) {
      done += chunk.length
      told(done)
      next(null, chunk)
    },
  })
  try {
    await pipeline(body, count, createWriteStream(path, { mode: 0o600 }))
  } catch (error) {
    await rm(path, { force: true })
    throw error
  }
  return { path, remove: () => rm(path, { force: true }) }
}

/** Decompresses a dump as its name says. */
export function unpackerFor(name: string): Transform {
  return contentName(name).endsWith('.zst') ? createZstdDecompress() : createGunzip()
}

/**
 * The SQL in a dump file, decrypted and decompressed as its name says.
 *
 * @param identity the private age keys, if it is encrypted
 */
export function sqlOf(
  path: string,
  identity: string | undefined,
  tap?: (chunk: Buffer) => void,
): AsyncIterable<Buffer> {
  const file = createReadStream(path, { highWaterMark: 1024 * 1024 })
  async function* content(): AsyncGenerator<Buffer> {
    for await (const chunk of file) {
      tap?.(chunk)
      yield chunk
    }
  }
  const compressed = isEncrypted(path) ? decrypted(basename(path), content(), identity) : content()
  // Whoever reads the SQL gets the errors.
  return joined(compressed, unpackerFor(path), () => {})
}

/**
 * Read the whole file and check its SHA-256 against the receipt, its compression, all of its SQL and its end marker.
 *
 * @param identity the private age keys, if it is encrypted
 * @throws Failure restore with the reason
 */
export async function checkDump(path: string, copy: DumpCopy, identity: string | undefined): Promise<DumpFacts> {
  const told = progress(`check of ${copy.name}`)
  const hash = createHash('sha256')
  const damaged = (why: string, cause?: unknown): Failure =>
    new Failure(
      'restore',
      `the copy ${copy.name} cannot be restored: ${why}. Nothing was changed; take another copy (FROM_BACKUP=NONE lists them)`,
      { cause },
    )
  const { size } = await stat(path)
  if (size !== copy.bytes) throw damaged(`it has ${size} bytes instead of ${copy.bytes}`)
  let facts: DumpFacts
  try {
    facts = await readDump(
      sqlOf(path, identity, chunk => hash.update(chunk)),
      told,
    )
  } catch (error) {
    if (error instanceof Failure) throw error
    throw damaged((error as Error).message, error)
  }
  const sha256 = hash.digest('hex')
  if (copy.vouched && sha256 !== copy.vouched.object.sha256) {
    throw damaged(`its SHA-256 is ${sha256}, its receipt says ${copy.vouched.object.sha256}`)
  }
  if (!facts.complete) throw damaged('its end marker ("dump complete") is missing: it is truncated')
  return facts
}
