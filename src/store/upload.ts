import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import {
  AbortMultipartUploadCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import type { Store } from './client.ts'
import { bareEtag, decodeKey } from './list.ts'

const MIB = 1024 * 1024
// Memory during an upload: two parts in flight and one being filled.
const PART_BYTES = 8 * MIB
const PARTS_AT_ONCE = 2
// S3 accepts 10,000 parts; larger files get larger parts.
const MOST_PARTS = 9_000

/** An object that was verified in the bucket after it was written. */
export interface VerifiedObject {
  bucket: string
  key: string
  bytes: number
  /** SHA-256 of the content, in hex. */
  sha256: string
  /** The ETag returned by the bucket, without quotes. */
  etag: string
}

/** The bucket does not hold what was sent. */
export class VerificationFailed extends Error {
  constructor(bucket: string, key: string, findings: string[]) {
    super(`the bucket ${bucket} does not hold what was sent as ${key}: ${findings.join('; ')}`)
    this.name = 'VerificationFailed'
  }
}

export interface UploadRequest {
  bucket: string
  key: string
  /** Path of the file. It must not change during the upload. */
  file: string
  /** The content's SHA-256 in hex, if known; otherwise the file is read once more. */
  sha256?: string
  /** Called with the bytes sent so far. */
  onProgress?: (sent: number) => void
  /** Cancels the upload and aborts its parts. */
  stop?: AbortSignal
}

/**
 * Upload a file and return once the bucket has confirmed that it holds the same bytes: size, ETag, and the SHA-256
 * stored in the object's metadata. An interrupted multipart upload is aborted.
 *
 * @throws VerificationFailed if the bucket's answer differs, or the file does not match `sha256`
 */
export async function uploadVerified(store: Store, request: UploadRequest): Promise<VerifiedObject> {
  const { bucket, key, file, onProgress, stop } = request
  const { size } = await stat(file)
  const sha256 = request.sha256 ?? (await sha256OfFile(file))
  const read = createHash('sha256')
  async function* content(): AsyncGenerator<Buffer> {
    for await (const chunk of createReadStream(file, { highWaterMark: MIB })) {
      read.update(chunk)
      yield chunk
    }
  }
  const { etag } = await uploadStream(store, {
    bucket,
    key,
    content: content(),
    bytes: size,
    metadata: { sha256 },
    ...(onProgress ? { onProgress } : {}),
    ...(stop ? { stop } : {}),
  })
  const readSha256 = read.digest('hex')
  if (readSha256 !== sha256) {
    throw new VerificationFailed(bucket, key, [`${file} was read back with SHA-256 ${readSha256}, not ${sha256}`])
  }
  return { bucket, key, bytes: size, sha256, etag }
}

/**
 * Upload a content, in parts if it is large, and return once the bucket has confirmed that it holds the same bytes and
 * metadata. An interrupted multipart upload is aborted.
 *
 * @param request.bytes the expected size of the content, which determines the size of the parts
 * @throws VerificationFailed if the bucket's answer differs
 */
export async function uploadStream(
  store: Store,
  request: {
    bucket: string
    key: string
    content: AsyncIterable<Buffer>
    bytes: number
    metadata: Record<string, string>
    onProgress?: (sent: number) => void
    stop?: AbortSignal
  },
): Promise<{ md5: string; etag: string }> {
  const { bucket, key, content, metadata, stop } = request
  const partSize = partBytesFor(request.bytes)
  const hash = new EtagHash(partSize)
  let bytes = 0
  async function* hashed(): AsyncGenerator<Buffer> {
    for await (const chunk of content) {
      stop?.throwIfAborted()
      hash.update(chunk)
      bytes += chunk.length
      yield chunk
    }
  }
  const upload = new Upload({
    client: store.s3,
    params: {
      Bucket: bucket,
      Key: key,
      Body: Readable.from(hashed(), { objectMode: false, highWaterMark: MIB }),
      Metadata: metadata,
    },
    partSize,
    queueSize: PARTS_AT_ONCE,
    leavePartsOnError: false,
  })
  upload.on('httpUploadProgress', progress => request.onProgress?.(progress.loaded ?? 0))
  const abort = (): void => void upload.abort()
  stop?.addEventListener('abort', abort)
  try {
    stop?.throwIfAborted()
    await upload.done()
  } finally {
    stop?.removeEventListener('abort', abort)
  }
  const [md5, multipart] = hash.both()
  const etag = await verifyObject(store, { bucket, key, bytes, metadata, etags: [md5, multipart] })
  return { md5, etag }
}

/**
 * Store a small text or byte string with one request, and check the returned ETag against its MD5.
 *
 * @throws VerificationFailed
 */
export async function putVerified(
  store: Store,
  request: { bucket: string; key: string; body: string | Uint8Array; contentType?: string },
): Promise<VerifiedObject> {
  const body = Buffer.from(request.body)
  const md5 = createHash('md5').update(body)
  const md5Hex = md5.copy().digest('hex')
  const answer = await store.s3.send(
    new PutObjectCommand({
      Bucket: request.bucket,
      Key: request.key,
      Body: body,
      ContentMD5: md5.digest('base64'),
      ...(request.contentType ? { ContentType: request.contentType } : {}),
    }),
  )
  const etag = bareEtag(answer.ETag)
  if (etag !== md5Hex) throw new VerificationFailed(request.bucket, request.key, [`ETag ${etag}, MD5 sent ${md5Hex}`])
  const sha256 = createHash('sha256').update(body).digest('hex')
  return { bucket: request.bucket, key: request.key, bytes: body.length, sha256, etag }
}

/**
 * Query what the bucket holds, and compare. radosgw's answer to the last request of a multipart upload has no ETag.
 *
 * @param expected.etags the valid ETags for the content
 * @returns the object's ETag
 * @throws VerificationFailed with every difference
 */
export async function verifyObject(
  store: Store,
  expected: {
    bucket: string
    key: string
    bytes: number
    metadata: Record<string, string>
    etags: readonly string[]
  },
): Promise<string> {
  const { bucket, key, bytes, metadata, etags } = expected
  const head = await store.s3.send(new HeadObjectCommand({ Bucket: bucket, Key: key }))
  const etag = bareEtag(head.ETag)
  const findings: string[] = []
  if (head.ContentLength !== bytes) findings.push(`${head.ContentLength} bytes, sent ${bytes}`)
  if (!etags.includes(etag)) findings.push(`ETag ${etag}, expected ${etags.join(' or ')}`)
  for (const [name, value] of Object.entries(metadata)) {
    const held = head.Metadata?.[name]
    if (held !== value) findings.push(`metadata ${name}: ${held ?? 'missing'}, sent ${value}`)
  }
  if (findings.length > 0) throw new VerificationFailed(bucket, key, findings)
  return etag
}

/**
 * Abort the multipart uploads below a prefix that a killed run left. The caller must hold the lock that excludes other
 * runs.
 *
 * @returns how many were aborted
 */
export async function abortUploads(store: Store, where: { bucket: string; prefix: string }): Promise<number> {
  let aborted = 0
  let keyMarker: string | undefined
  let uploadMarker: string | undefined
  do {
    const page = await store.s3.send(
      new ListMultipartUploadsCommand({
        Bucket: where.bucket,
        Prefix: where.prefix,
        EncodingType: 'url',
        ...(keyMarker ? { KeyMarker: keyMarker } : {}),
        ...(uploadMarker ? { UploadIdMarker: uploadMarker } : {}),
      }),
    )
    for (const upload of page.Uploads ?? []) {
      await store.s3.send(
        new AbortMultipartUploadCommand({
          Bucket: where.bucket,
          Key: decodeKey(upload.Key ?? ''),
          UploadId: upload.UploadId,
        }),
      )
      aborted += 1
    }
    keyMarker = page.IsTruncated ? decodeKey(page.NextKeyMarker ?? '') : undefined
    uploadMarker = page.IsTruncated ? page.NextUploadIdMarker : undefined
  } while (keyMarker)
  return aborted
}

/** Bytes in a part of a multipart upload of `size` bytes. */
export function partBytesFor(size: number): number {
  return Math.max(PART_BYTES, Math.ceil(size / MOST_PARTS / MIB) * MIB)
}

// rclone's default part size.
const RCLONE_PART_BYTES = 5 * MIB

/** Bytes in a part of the upload that produced an ETag, if it was the agent's or rclone's; undefined for others. */
export function partBytesOf(size: number, etag: string): number | undefined {
  const parts = Number(etag.split('-')[1] ?? 1)
  return [partBytesFor(size), RCLONE_PART_BYTES].find(bytes => Math.max(1, Math.ceil(size / bytes)) === parts)
}

/** Computes, in one pass, the ETags that S3 assigns to a content sent whole or in parts of `partBytes`. */
export class EtagHash {
  readonly #partBytes: number
  readonly #whole = createHash('md5')
  #part = createHash('md5')
  #inPart = 0
  readonly #parts: Buffer[] = []

  constructor(partBytes: number) {
    this.#partBytes = partBytes
  }

  update(chunk: Uint8Array): void {
    this.#whole.update(chunk)
    let rest = chunk
    while (rest.length > 0) {
      const taken = rest.subarray(0, this.#partBytes - this.#inPart)
      this.#part.update(taken)
      this.#inPart += taken.length
      rest = rest.subarray(taken.length)
      if (this.#inPart === this.#partBytes) this.#endPart()
    }
  }

  #endPart(): void {
    this.#parts.push(this.#part.digest())
    this.#part = createHash('md5')
    this.#inPart = 0
  }

  /** The content's MD5 and the multipart ETag, in this order. Call it once, at the end. */
  both(): [whole: string, multipart: string] {
    if (this.#inPart > 0 || this.#parts.length === 0) this.#endPart()
    const multipart = createHash('md5').update(Buffer.concat(this.#parts)).digest('hex')
    return [this.#whole.digest('hex'), `${multipart}-${this.#parts.length}`]
  }
}

/** The SHA-256 of a file's content, in hex. */
export async function sha256OfFile(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file, { highWaterMark: MIB })) hash.update(chunk)
  return hash.digest('hex')
}
