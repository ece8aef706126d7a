import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { gunzipSync, gzip } from 'node:zlib'
import type { Store } from '../../store/client.ts'
import { MANIFESTS } from '../../store/folders.ts'
import { readObject } from '../../store/object.ts'
import { putVerified, type VerifiedObject } from '../../store/upload.ts'
import { Failure } from '../run/outcome.ts'
import { keyOf, rawOf } from './names.ts'
import type { TreeEntry } from './tree.ts'

// A manifest is gzipped JSON lines, readable by `gunzip | jq`: one line an entry, in walk order.
//   ["f", path, bytes, mtime µs, ctime µs, inode, mode, uid, gid, md5, etag]   a file; etag only if it is not the MD5
//   ["f", …, md5, etag, bytes, md5, to]   an encrypted file: of its object, and a mark of its recipients
//   ["d", path, mtime µs, mode, uid, gid]                                      a folder
//   ["l", path, mtime µs, uid, gid, target]                                    a symbolic link
// Paths and targets are in the form of keys (names.ts).

/** A file of a manifest: what the tree shows, and what the bucket holds of it. */
export interface ManifestEntry extends TreeEntry {
  md5?: string
  /** Of its object: the MD5 if it was sent in one request. */
  etag?: string
  /** If its object is encrypted: what the object holds, while `bytes` and `md5` are of the file. */
  sealed?: Sealed
}

/** An encrypted object: its size, the MD5 of what it holds, and to whom it is encrypted. */
export interface Sealed {
  bytes: number
  md5: string
  /** @see recipientsMark */
  to: string
}

/** How many bytes the object of a file has, and their MD5. */
export function objectOf({ bytes, md5, sealed }: ManifestEntry): { bytes: number; md5: string | undefined } {
  return sealed ?? { bytes, md5 }
}

/** Format an entry as a line. */
export function lineOf(entry: ManifestEntry): string {
  const { path, bytes, mtime, ctime, inode, mode, uid, gid, md5, etag, sealed } = entry
  const key = keyOf(path)
  if (entry.type === 'folder') return JSON.stringify(['d', key, mtime, mode, uid, gid])
  if (entry.type === 'link') return JSON.stringify(['l', key, mtime, uid, gid, keyOf(entry.target ?? '')])
  const fields = ['f', key, bytes, mtime, ctime, inode, mode, uid, gid, md5]
  if (sealed) return JSON.stringify([...fields, etag, sealed.bytes, sealed.md5, sealed.to])
  return JSON.stringify(etag && etag !== md5 ? [...fields, etag] : fields)
}

/** @throws Error if the line is not one of a manifest */
export function entryOf(line: string): ManifestEntry {
  const fields = JSON.parse(line)
  const none = { bytes: 0, ctime: 0, inode: 0, mode: 0o777 }
  switch (fields[0]) {
    case 'f': {
      const [, key, bytes, mtime, ctime, inode, mode, uid, gid, md5, etag = md5, ...stored] = fields
      const [size, hash, to] = stored
      const sealed = to === undefined ? {} : { sealed: { bytes: size, md5: hash, to } }
      return { type: 'file', path: rawOf(key), bytes, mtime, ctime, inode, mode, uid, gid, md5, etag, ...sealed }
    }
    case 'd': {
      const [, key, mtime, mode, uid, gid] = fields
      return { ...none, type: 'folder', path: rawOf(key), mtime, mode, uid, gid }
    }
    case 'l': {
      const [, key, mtime, uid, gid, target] = fields
      return { ...none, type: 'link', path: rawOf(key), mtime, uid, gid, target: rawOf(target) }
    }
    default:
      throw new Error(`not a line of a manifest: ${line.slice(0, 80)}`)
  }
}

/** The folder of a system's manifests, with its slash. */
export function manifestPrefix(system: string): string {
  return `${MANIFESTS}${system}/`
}

/** Store a manifest. Compression level 1: a fifth larger than level 6, in a third of the time. */
export async function writeManifest(
  store: Store,
  where: { bucket: string; system: string; start: Date },
  text: Buffer,
): Promise<VerifiedObject> {
  return await putVerified(store, {
    bucket: where.bucket,
    key: `${manifestPrefix(where.system)}${where.start.toISOString()}.jsonl.gz`,
    body: await promisify(gzip)(text, { level: 1 }),
    contentType: 'application/gzip',
  })
}

/**
 * Read a manifest that a receipt vouches for.
 *
 * @throws Failure verification if it does not match the receipt
 */
export async function readManifest(
  store: Store,
  bucket: string,
  object: { key: string; sha256: string },
): Promise<Manifest> {
  const body = await readObject(store, bucket, object.key)
  const sha256 = createHash('sha256').update(body).digest('hex')
  if (sha256 !== object.sha256) {
    throw new Failure(
      'verification',
      `${bucket}/${object.key} has SHA-256 ${sha256}, its receipt says ${object.sha256}`,
    )
  }
  return new Manifest(unpacked(body))
}

/** Unpacked into one buffer of the right size, which is in the last four bytes of the gzip format. */
function unpacked(body: Buffer): Buffer {
  const size = body.length >= 4 ? body.readUInt32LE(body.length - 4) : 0
  return gunzipSync(body, { chunkSize: Math.max(64, size + 1) })
}

/** A manifest held in memory as text: entries are parsed one at a time, since those of a large tree would not fit. */
export class Manifest {
  readonly #text: Buffer

  constructor(text: Buffer) {
    this.#text = text
  }

  get isEmpty(): boolean {
    return this.#text.length === 0
  }

  /** The entries in order, each with the offsets of its line. */
  *entries(): Generator<ManifestEntry & { from: number; to: number }> {
    let from = 0
    while (from < this.#text.length) {
      const end = this.#text.indexOf(0x0a, from)
      const to = end < 0 ? this.#text.length : end + 1
      yield { ...entryOf(this.#text.toString('utf8', from, end < 0 ? to : end)), from, to }
      from = to
    }
  }

  /** The text of some lines. */
  slice(from: number, to: number): Buffer {
    return this.#text.subarray(from, to)
  }
}
