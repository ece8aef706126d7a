import { createHash } from 'node:crypto'
import { createReadStream, type Stats, statSync } from 'node:fs'
import { Readable } from 'node:stream'
import { HeadObjectCommand } from '@aws-sdk/client-s3'
import { statusOf } from '../../store/call.ts'
import type { Store } from '../../store/client.ts'
import { ownFolders, TRASH } from '../../store/folders.ts'
import { bareEtag, listObjects } from '../../store/list.ts'
import { openObject } from '../../store/object.ts'
import { inParallel } from '../../store/parallel.ts'
import { EtagHash, partBytesOf } from '../../store/upload.ts'
import { decrypted } from '../run/encryption.ts'
import { BY_HASH, objectKey, trashName } from './bucket-layout.ts'
import { type ManifestEntry, objectOf } from './manifest.ts'
import { bytesOf, keyOf, rawOf } from './names.ts'
import { isGone } from './tree.ts'

/** Where the content of files comes from. */
export interface Content {
  /** For messages. */
  place: string
  /**
   * Look for the content of every file, before anything is changed.
   *
   * @returns what is missing or wrong, a sentence each
   */
  check(files: readonly ManifestEntry[]): Promise<string[]>
  /** Open a file's content. Call it only for checked files. */
  open(file: ManifestEntry): Promise<Opened>
}

/** A readable content, with its modification time (µs) if the place stores one beside it. */
export interface Opened {
  body: Readable
  mtime?: number
}

// A LIST returns a thousand objects, a HEAD one: above this many files a LIST of all is cheaper.
const ASK_ONE_BY_ONE = 500

/** Contents in a bucket, by manifest: at the file's key, or in the trash if that object was replaced or deleted. */
export class BucketContent implements Content {
  readonly place: string
  readonly #store: Store
  readonly #bucket: string
  readonly #prefix: string
  readonly #concurrency: number
  readonly #identity: string | undefined
  readonly #inTrash = new Map<string, string>()

  /** @param where.identity the private age keys that open encrypted objects, if there are any */
  constructor(
    store: Store,
    where: { bucket: string; prefix: string; concurrency: number; identity?: string | undefined },
  ) {
    this.#store = store
    this.#bucket = where.bucket
    this.#prefix = where.prefix
    this.#concurrency = where.concurrency
    this.#identity = where.identity
    this.place = `the bucket ${where.bucket}`
  }

  async check(files: readonly ManifestEntry[]): Promise<string[]> {
    const held = files.length > ASK_ONE_BY_ONE ? await this.#list() : await this.#head(files)
    const elsewhere = files.filter(file => !holds(held.get(this.#key(file)), file))
    if (elsewhere.length === 0) return []
    const trash = await this.#trash(new Set(elsewhere.map(file => this.#key(file))))
    const problems: string[] = []
    for (const file of elsewhere) {
      const key = this.#key(file)
      const found = trash.get(key)?.find(object => holds(object, file))
      if (found) this.#inTrash.set(key, found.key)
      else {
        const there = held.get(key)
        problems.push(
          there
            ? `${this.#bucket}/${key} has ${there.bytes} bytes with ETag ${there.etag}, the manifest says ${objectOf(file).bytes} bytes with ${file.etag}`
            : `${this.#bucket}/${key} is missing, and not in the trash`,
        )
      }
    }
    return problems
  }

  async open(file: ManifestEntry): Promise<Opened> {
    const opened = await this.raw(file)
    if (!file.sealed) {
      if (opened.sealed) throw new Error('it is encrypted, and opens by its manifest only')
      return opened
    }
    const content = decrypted(this.#key(file), opened.body as AsyncIterable<Buffer>, this.#identity)
    return { ...opened, body: Readable.from(content, { objectMode: false }) }
  }

  /** Open what a file's object holds; for an encrypted one, as it is. */
  async raw(file: ManifestEntry): Promise<Opened & { sealed: boolean }> {
    const key = this.#key(file)
    const { body, metadata } = await openObject(this.#store, {
      bucket: this.#bucket,
      key: this.#inTrash.get(key) ?? key,
    })
    const seconds = Number(metadata.mtime)
    const known = metadata.mtime !== undefined && Number.isFinite(seconds)
    const sealed = metadata.sealed !== undefined
    return { body, sealed, ...(known && { mtime: Math.round(seconds * 1e6) }) }
  }

  #key(file: ManifestEntry): string {
    return objectKey(this.#prefix, file.path)
  }

  async #list(): Promise<Map<string, Held>> {
    const held = new Map<string, Held>()
    for await (const object of listObjects(this.#store, { bucket: this.#bucket, prefix: this.#prefix })) {
      held.set(object.key, object)
    }
    return held
  }

  async #head(files: readonly ManifestEntry[]): Promise<Map<string, Held>> {
    const held = new Map<string, Held>()
    await inParallel(files, this.#concurrency, async file => {
      const key = this.#key(file)
      try {
        const head = await this.#store.s3.send(new HeadObjectCommand({ Bucket: this.#bucket, Key: key }))
        held.set(key, { key, bytes: head.ContentLength ?? 0, etag: bareEtag(head.ETag) })
      } catch (error) {
        if (statusOf(error) !== 404) throw error
      }
    })
    return held
  }

  /** Every object of the trash that once had one of these keys, oldest first. */
  async #trash(keys: ReadonlySet<string>): Promise<Map<string, Held[]>> {
    const found = new Map<string, Held[]>()
    const byName = new Map([...keys].map(key => [trashName(key), key]))
    for await (const object of listObjects(this.#store, { bucket: this.#bucket, prefix: TRASH })) {
      const key = byName.get(object.key.slice(object.key.indexOf('/', TRASH.length) + 1))
      if (key !== undefined) found.set(key, [...(found.get(key) ?? []), object])
    }
    return found
  }
}

interface Held {
  key: string
  bytes: number
  etag: string
}

// A copy within the store may have joined the parts of a multipart upload: its ETag is then the plain MD5.
function holds(object: Held | undefined, file: ManifestEntry): boolean {
  const { bytes, md5 } = objectOf(file)
  return object?.bytes === bytes && (object.etag === file.etag || object.etag === md5)
}

/** Contents in another tree, as rsync copies it. */
export class ReplicaContent implements Content {
  readonly place: string
  readonly #root: string

  constructor(root: string) {
    this.#root = root
    this.place = `the replica ${root}`
  }

  async check(files: readonly ManifestEntry[]): Promise<string[]> {
    const problems: string[] = []
    for (const file of files) {
      let stats: Stats | undefined
      try {
        stats = statSync(this.#path(file))
      } catch (error) {
        if (!isGone(error)) throw error
      }
      if (stats?.size !== file.bytes) problems.push(`${this.#root}/${keyOf(file.path)} changed while it was read`)
    }
    return problems
  }

  async open(file: ManifestEntry): Promise<Opened> {
    return { body: createReadStream(this.#path(file), { highWaterMark: 1024 * 1024 }) }
  }

  #path(file: ManifestEntry): Buffer {
    return bytesOf(`${this.#root}/${file.path}`)
  }
}

/** An attribute that the copy does not record: it is left unchanged. Not a valid time or user number. */
export const UNKNOWN = Number.NEGATIVE_INFINITY

/**
 * The files of a bucket without a manifest, as the old images filled it: only names and bytes are known, and rclone's
 * modification time once a file is read.
 *
 * @returns the files, and the keys that are skipped because only a manifest has their path
 */
export async function objectsAsFiles(
  store: Store,
  bucket: string,
): Promise<{ files: ManifestEntry[]; unnamed: string[] }> {
  const files: ManifestEntry[] = []
  const unnamed: string[] = []
  for await (const { key, bytes, etag } of listObjects(store, { bucket })) {
    // An empty object whose key ends in a slash is a folder marker that some tools create.
    if (ownFolders.some(folder => key.startsWith(folder)) || (key.endsWith('/') && bytes === 0)) continue
    if (key.startsWith(BY_HASH)) {
      unnamed.push(key)
      continue
    }
    const path = rawOf(key)
    files.push({
      type: 'file',
      // A key that rclone would not produce from any name is used unchanged.
      path: keyOf(path) === key ? path : Buffer.from(key, 'utf8').toString('latin1'),
      bytes,
      etag,
      ...(etag.includes('-') ? {} : { md5: etag }),
      mtime: UNKNOWN,
      ctime: UNKNOWN,
      inode: UNKNOWN,
      mode: UNKNOWN,
      uid: UNKNOWN,
      gid: UNKNOWN,
    })
  }
  return { files, unnamed }
}

/** Hashes a content as it passes, and checks at its end that it is what the copy has of this file. */
export class ContentCheck {
  readonly #file: ManifestEntry
  readonly #hash: EtagHash
  readonly #partsKnown: boolean
  #bytes = 0

  constructor(file: ManifestEntry) {
    this.#file = file
    const partBytes = partBytesOf(file.bytes, file.etag ?? '')
    this.#partsKnown = partBytes !== undefined
    this.#hash = new EtagHash(partBytes ?? Math.max(1, file.bytes))
  }

  update(chunk: Buffer): void {
    this.#bytes += chunk.length
    this.#hash.update(chunk)
  }

  /** @returns what is wrong, as a sentence; empty if the content is right */
  problem(): string {
    const { bytes, md5, etag } = this.#file
    if (this.#bytes !== bytes) return `it has ${this.#bytes} bytes, the copy's list says ${bytes}`
    const [whole, multipart] = this.#hash.both()
    if (md5 !== undefined) return whole === md5 ? '' : `its MD5 is ${whole}, the copy's list says ${md5}`
    // Parts of a size that neither the agent nor rclone uses: only the size can be compared.
    if (etag === undefined || !this.#partsKnown) return ''
    return multipart === etag ? '' : `its ETag is ${multipart}, the bucket says ${etag}`
  }
}

/** The MD5 of a file, in hex. */
export async function md5OfFile(path: Buffer): Promise<string> {
  const hash = createHash('md5')
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) hash.update(chunk)
  return hash.digest('hex')
}
