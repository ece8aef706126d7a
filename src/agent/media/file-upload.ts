import { createHash } from 'node:crypto'
import type { BigIntStats } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import type { Store } from '../../store/client.ts'
import { bareEtag } from '../../store/list.ts'
import { EtagHash, partBytesOf, uploadStream } from '../../store/upload.ts'
import { Failure } from '../run/outcome.ts'
import { objectKey } from './bucket-layout.ts'
import type { ManifestEntry } from './manifest.ts'
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
  /** Called before that many bytes are sent; waits to limit the rate. */
  pace: (bytes: number) => Promise<void>
  stop: AbortSignal
}

/** An object that may already hold a file's content. */
export interface Known {
  bytes: number
  etag: string
  md5?: string
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
      if (known && known.bytes === content.bytes) {
        const held = await content.isHeldBy(known)
        if (held && same(before, await handle.stat({ bigint: true }))) {
          return { became: 'adopted', entry: entryOf(file, before, held.md5, known.etag) }
        }
      }
      if (!replaced) {
        await beforeReplacing()
        replaced = true
      }
      const { md5, etag } = await content.send(destination, objectKey(destination.prefix, file.path), before)
      const after = await handle.stat({ bigint: true })
      if (same(before, after)) return { became: 'stored', entry: entryOf(file, before, md5, etag) }
      if (read === READS) {
        // It is written to constantly. What was read is kept; without a ctime the next run will read it again.
        return { became: 'stored', entry: { ...entryOf(file, before, md5, etag), ctime: 0 } }
      }
    }
  } finally {
    await handle.close()
  }
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
