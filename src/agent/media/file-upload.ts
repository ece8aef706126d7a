import { createHash } from 'node:crypto'
import type { BigIntStats } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import type { Store } from '../../store/client.ts'
import { bareEtag } from '../../store/list.ts'
import { EtagHash, partBytesOf, uploadStream } from '../../store/upload.ts'
import { encrypted, encryptedSize } from '../run/encryption.ts'
import { Failure } from '../run/outcome.ts'
import { objectKey } from './bucket-layout.ts'
import type { ManifestEntry, Sealed } from './manifest.ts'
import { bytesOf, keyOf } from './names.ts'
import { isGone, microseconds, type TreeEntry } from './tree.ts'

const MIB = 1024 * 1024
// Up to this size a file is one PUT from memory; larger ones are sent in parts of this size.
const WHOLE_BYTES = 8 * MIB
// How often a file is read again if it changes while being read.
const READS = 3

/** The result of one file. */
export type Stored = { became: 'stored' | 'adopted'; entry: ManifestEntry } | { became: 'vanished' }

/** Where files go, and what is already known to be there. */
export interface Destination {
  store: Store
  bucket: string
  prefix: string
  /** Public age keys that objects are encrypted to, and the mark of them; empty: they are not encrypted. */
  recipients: readonly string[]
  to: string
  /** Called before that many bytes are sent; waits to limit the rate. */
  pace: (bytes: number) => Promise<void>
  stop: AbortSignal
}

/** An object that may already hold a file's content. */
export interface Known {
  bytes: number
  etag: string
  /** Of what it holds, if that is a file as it is. */
  md5?: string
  /** The file that it holds encrypted. */
  content?: SealedContent
}

/** A file and the encrypted object that holds it. */
interface SealedContent {
  bytes: number
  md5: string
  sealed: Sealed
}

// Metadata of an encrypted object, for the run after a killed one: the file's size and MD5 (unknown before a large file
// was read), and the mark of its recipients.
const SEALED = 'sealed'

/** The file that a known object holds, if it is encrypted to the same recipients. */
async function contentOf(
  { store, bucket, to }: Destination,
  key: string,
  known: Known,
): Promise<SealedContent | undefined> {
  if (known.content) return known.content.sealed.to === to ? known.content : undefined
  // A file as it is.
  if (known.md5 !== undefined) return undefined
  const head = await store.s3.send(new HeadObjectCommand({ Bucket: bucket, Key: key }))
  const [bytes = '', md5 = '', mark] = (head.Metadata?.[SEALED] ?? '').split(' ')
  // The object's own MD5 is its ETag if it was sent in one request.
  if (mark !== to || bareEtag(head.ETag) !== known.etag || known.etag.includes('-')) return undefined
  return { bytes: Number(bytes), md5, sealed: { bytes: known.bytes, md5: known.etag, to } }
}

/**
 * Upload one file of the tree, verified by the returned ETag. If an object of the same size is known, the file is
 * hashed first, and nothing is sent if the object already holds that content.
 *
 * @param beforeReplacing called before a known object is overwritten
 * @throws Failure copy if the file cannot be read; verification
 */
export async function storeFile(
  destination: Destination,
  source: string,
  file: TreeEntry,
  known: Known | undefined,
  beforeReplacing: () => Promise<void>,
): Promise<Stored> {
  let handle: FileHandle
  try {
    handle = await open(bytesOf(`${source}/${file.path}`), 'r')
  } catch (error) {
    if (isGone(error)) return { became: 'vanished' }
    throw new Failure('copy', `cannot read ${keyOf(file.path)}: ${(error as Error).message}`)
  }
  try {
    let replaced = known === undefined
    for (let read = 1; ; read += 1) {
      const before = await handle.stat({ bigint: true })
      const content = await readFile(handle, Number(before.size))
      const seals = destination.recipients.length > 0
      if (known && seals) {
        const held = await contentOf(destination, objectKey(destination.prefix, file.path), known)
        const isHeld = held?.bytes === content.bytes && held.md5 === (await content.md5())
        if (held && isHeld && same(before, await handle.stat({ bigint: true }))) {
          return { became: 'adopted', entry: { ...entryOf(file, before, held.md5, known.etag), sealed: held.sealed } }
        }
      }
      if (known && !seals && !known.content && known.bytes === content.bytes) {
        const held = await content.isHeldBy(known)
        if (held && same(before, await handle.stat({ bigint: true }))) {
          return { became: 'adopted', entry: entryOf(file, before, held.md5, known.etag) }
        }
      }
      if (!replaced) {
        await beforeReplacing()
        replaced = true
      }
      const key = objectKey(destination.prefix, file.path)
      const { md5, etag, sealed } = seals
        ? await sendSealed(destination, key, content, before)
        : { ...(await content.send(destination, key, before)), sealed: undefined }
      const entry = { ...entryOf(file, before, md5, etag), ...(sealed && { sealed }) }
      const after = await handle.stat({ bigint: true })
      if (same(before, after)) return { became: 'stored', entry }
      if (read === READS) {
        // It is written to constantly. What was read is kept; without a ctime the next run will read it again.
        return { became: 'stored', entry: { ...entry, ctime: 0 } }
      }
    }
  } finally {
    await handle.close()
  }
}

/** Send a file encrypted: in one request if it is small, otherwise in parts. */
async function sendSealed(
  { store, bucket, recipients, to, pace, stop }: Destination,
  key: string,
  content: Content,
  stats: BigIntStats,
): Promise<{ md5: string; etag: string; sealed: Sealed }> {
  const mtime = rcloneTime(stats.mtimeNs)
  const hash = createHash('md5')
  let stored = 0
  async function* plain(): AsyncGenerator<Buffer> {
    for await (const chunk of content.chunks()) {
      hash.update(chunk)
      yield chunk
    }
  }
  async function* paced(): AsyncGenerator<Buffer> {
    for await (const chunk of encrypted(plain(), recipients)) {
      await pace(chunk.length)
      stored += chunk.length
      yield chunk
    }
  }
  if (content.bytes > WHOLE_BYTES) {
    const bytes = encryptedSize(content.bytes, recipients)
    const metadata = { mtime, [SEALED]: `${content.bytes} - ${to}` }
    const sent = await uploadStream(store, { bucket, key, content: paced(), bytes, metadata, stop })
    return { md5: hash.digest('hex'), etag: sent.etag, sealed: { bytes: stored, md5: sent.md5, to } }
  }
  const pieces: Buffer[] = []
  for await (const piece of paced()) pieces.push(piece)
  const body = Buffer.concat(pieces)
  const md5 = hash.digest('hex')
  const own = createHash('md5').update(body).digest('hex')
  const metadata = { mtime, [SEALED]: `${content.bytes} ${md5} ${to}` }
  const put = new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, Metadata: metadata })
  const etag = bareEtag((await store.s3.send(put, { abortSignal: stop })).ETag)
  if (etag !== own) {
    throw new Failure('verification', `${bucket}/${key}: the bucket returned ETag ${etag}, expected MD5 ${own}`)
  }
  return { md5, etag, sealed: { bytes: body.length, md5: own, to } }
}

function same(a: BigIntStats, b: BigIntStats): boolean {
  return a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs
}

function entryOf(file: TreeEntry, stats: BigIntStats, md5: string, etag: string): ManifestEntry {
  return {
    ...file,
    bytes: Number(stats.size),
    mtime: microseconds(stats.mtimeNs),
    ctime: microseconds(stats.ctimeNs),
    inode: Number(stats.ino),
    md5,
    etag,
  }
}

/**
 * Seconds in the format in which rclone stores them with an object: it restores the time from them, and recognises its
 * own copy by them.
 */
function rcloneTime(ns: bigint): string {
  if (ns < 0n) return `-${rcloneTime(-ns)}`
  const fraction = String(ns % 1_000_000_000n)
    .padStart(9, '0')
    .replace(/0+$/, '')
  return `${ns / 1_000_000_000n}${fraction ? `.${fraction}` : ''}`
}

/** A file's content: in memory if it is small, otherwise read as needed. */
interface Content {
  bytes: number
  chunks(): AsyncIterable<Buffer>
  md5(): Promise<string>
  isHeldBy(known: Known): Promise<{ md5: string } | undefined>
  send(destination: Destination, key: string, stats: BigIntStats): Promise<{ md5: string; etag: string }>
}

async function readFile(handle: FileHandle, size: number): Promise<Content> {
  return size <= WHOLE_BYTES ? await wholeContent(handle, size) : largeContent(handle, size)
}

async function wholeContent(handle: FileHandle, size: number): Promise<Content> {
  const buffer = Buffer.allocUnsafe(size)
  let bytes = 0
  while (bytes < size) {
    const { bytesRead } = await handle.read(buffer, bytes, size - bytes, bytes)
    // It was truncated after its size was read.
    if (bytesRead === 0) break
    bytes += bytesRead
  }
  const body = buffer.subarray(0, bytes)
  const md5 = createHash('md5').update(body).digest('hex')
  return {
    bytes,
    async *chunks() {
      yield body
    },
    md5: async () => md5,
    isHeldBy: async known => (known.md5 === md5 || known.etag === md5 ? { md5 } : undefined),
    send: async ({ store, bucket, pace, stop }, key, stats) => {
      await pace(bytes)
      const answer = await store.s3.send(
        new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, Metadata: { mtime: rcloneTime(stats.mtimeNs) } }),
        { abortSignal: stop },
      )
      const etag = bareEtag(answer.ETag)
      if (etag !== md5) {
        throw new Failure('verification', `${bucket}/${key}: the bucket returned ETag ${etag}, expected MD5 ${md5}`)
      }
      return { md5, etag }
    },
  }
}

function largeContent(handle: FileHandle, size: number): Content {
  return {
    bytes: size,
    chunks: () => chunks(handle),
    async md5() {
      const hash = createHash('md5')
      for await (const chunk of chunks(handle)) hash.update(chunk)
      return hash.digest('hex')
    },
    isHeldBy: async known => {
      const hash = new EtagHash(partBytesOf(size, known.etag) ?? size)
      for await (const chunk of chunks(handle)) hash.update(chunk)
      const [md5, multipart] = hash.both()
      return [md5, multipart].includes(known.etag) || known.md5 === md5 ? { md5 } : undefined
    },
    send: async ({ store, bucket, pace, stop }, key, stats) => {
      async function* paced(): AsyncGenerator<Buffer> {
        for await (const chunk of chunks(handle)) {
          await pace(chunk.length)
          yield chunk
        }
      }
      const metadata = { mtime: rcloneTime(stats.mtimeNs) }
      return await uploadStream(store, { bucket, key, content: paced(), bytes: size, metadata, stop })
    },
  }
}

async function* chunks(handle: FileHandle): AsyncGenerator<Buffer> {
  let at = 0
  for (;;) {
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(MIB), 0, MIB, at)
    if (bytesRead === 0) return
    at += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}
