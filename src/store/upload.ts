import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Transform } from 'node:stream'
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
// What is held in memory while a file goes up: three parts in flight and one being filled.
const PART_BYTES = 8 * MIB
const PARTS_AT_ONCE = 3
// S3 takes 10,000 parts; larger files get larger parts.
const MOST_PARTS = 9_000

/** A copy that the bucket has been asked about after it was written. */
export interface VerifiedObject {
  bucket: string
  key: string
  bytes: number
  /** Of the content, in hex. */
  sha256: string
  /** What the bucket says it holds, without quotes. */
  etag: string
}

/** The bucket holds something else than what was sent. */
export class VerificationFailed extends Error {
  constructor(bucket: string, key: string, findings: string[]) {
    super(`the bucket ${bucket} does not hold what was sent as ${key}: ${findings.join('; ')}`)
    this.name = 'VerificationFailed'
  }
}

export interface UploadRequest {
  bucket: string
  key: string
  /** Path of the file. It must not change while it is sent. */
  file: string
  /** The content's SHA-256 in hex, where it is known; else the file is read once more for it. */
  sha256?: string
  /** Called with the bytes sent so far. */
  onProgress?: (sent: number) => void
  /** Gives the upload up, and aborts its parts, when it fires. */
  stop?: AbortSignal
}

/**
 * Upload a file and return once the bucket says that it holds the same bytes: size, ETag (MD5, or the
 * multipart form of it, worked out here from what was read) and the SHA-256 kept in the object's metadata.
 * An interrupted multipart upload is aborted.
 *
 * @throws VerificationFailed when the bucket's answer differs, or the file is not what `sha256` says
 */
export async function uploadVerified(store: Store, request: UploadRequest): Promise<VerifiedObject> {
  const { bucket, key, file } = request
  const { size } = await stat(file)
  const sha256 = request.sha256 ?? (await sha256OfFile(file))
  const partBytes = partBytesFor(size)
  const expected = new EtagHash(partBytes)
  const read = createHash('sha256')
  const tap = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      expected.update(chunk)
      read.update(chunk)
      done(null, chunk)
    },
  })
  const source = createReadStream(file, { highWaterMark: MIB / 4 })
  source.on('error', error => tap.destroy(error))
  const upload = new Upload({
    client: store.s3,
    params: { Bucket: bucket, Key: key, Body: source.pipe(tap), Metadata: { sha256 } },
    partSize: partBytes,
    queueSize: PARTS_AT_ONCE,
    leavePartsOnError: false,
  })
  if (request.onProgress) {
    const report = request.onProgress
    upload.on('httpUploadProgress', progress => report(progress.loaded ?? 0))
  }
  const abort = (): void => void upload.abort()
  request.stop?.addEventListener('abort', abort)
  try {
    request.stop?.throwIfAborted()
    await upload.done()
  } finally {
    request.stop?.removeEventListener('abort', abort)
    source.destroy()
  }
  const readSha256 = read.digest('hex')
  if (readSha256 !== sha256) {
    throw new VerificationFailed(bucket, key, [`${file} was read back with SHA-256 ${readSha256}, not ${sha256}`])
  }
  return await verifyObject(store, { bucket, key, bytes: size, sha256, etags: expected.both() })
}

/**
 * Store a small text or byte string whole, and check the ETag of the bucket's answer against its MD5: one request.
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
 * Ask the bucket what it holds and compare. `etags` are the forms that are right for the content.
 *
 * @throws VerificationFailed with every difference
 */
export async function verifyObject(
  store: Store,
  expected: { bucket: string; key: string; bytes: number; sha256: string; etags: readonly string[] },
): Promise<VerifiedObject> {
  const { bucket, key, bytes, sha256 } = expected
  const head = await store.s3.send(new HeadObjectCommand({ Bucket: bucket, Key: key }))
  const etag = bareEtag(head.ETag)
  const findings: string[] = []
  if (head.ContentLength !== bytes) findings.push(`${head.ContentLength} bytes, sent ${bytes}`)
  if (!expected.etags.includes(etag)) findings.push(`ETag ${etag}, expected ${expected.etags.join(' or ')}`)
  if (head.Metadata?.sha256 !== sha256) findings.push(`SHA-256 ${head.Metadata?.sha256 ?? 'missing'}, sent ${sha256}`)
  if (findings.length > 0) throw new VerificationFailed(bucket, key, findings)
  return { bucket, key, bytes, sha256, etag }
}

/**
 * Abort the multipart uploads below a prefix that a killed run left. Call it only while holding the lock
 * that keeps other runs out.
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

/** Works out, in one pass, the ETags that S3 gives to a content sent whole or in parts of `partBytes`. */
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

  /** The content's MD5 and the multipart ETag, in this order. To be called once, at the end. */
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
