import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { statusOf } from './call.ts'
import type { Store } from './client.ts'
import { bareEtag } from './list.ts'
import { inParallel } from './parallel.ts'
import { partBytesFor, partBytesOf, VerificationFailed } from './upload.ts'

// S3's limit for a copy in one request; a gateway may be configured to less.
const WHOLE_BYTES = 5 * 1024 ** 3
const PARTS_AT_ONCE = 4
// The answers of S3 and radosgw if an object is too large to copy in one request.
const TOO_LARGE = new Set(['EntityTooLarge', 'InvalidRequest', 'InvalidArgument'])

/**
 * Copy an object within its bucket, in parts if it is too large for one request.
 *
 * @param request.version which version of it; left out: the current one
 * @param request.object what is known of it
 * @returns false if there is no such object
 * @throws VerificationFailed if a copy in parts differs from the object
 */
export async function copyWithin(
  store: Store,
  request: { bucket: string; from: string; version?: string; to: string; object: { bytes: number; etag: string } },
): Promise<boolean> {
  const { bucket, from, version, to, object } = request
  // Slashes stay; every other byte that is special in a header is escaped.
  const path = `${bucket}/${from}`.split('/').map(encodeURIComponent).join('/')
  const source = version === undefined ? path : `${path}?versionId=${encodeURIComponent(version)}`
  try {
    if (object.bytes <= WHOLE_BYTES) {
      const copied = await store.s3.send(new CopyObjectCommand({ Bucket: bucket, Key: to, CopySource: source }))
      // Some stores give the copy of an object that was sent in parts the ETag of one that was not.
      if (version === undefined || bareEtag(copied.CopyObjectResult?.ETag) === object.etag) return true
    }
  } catch (error) {
    const { name } = error as Error
    if (name === 'NoSuchKey' || name === 'NoSuchVersion') return false
    if (!TOO_LARGE.has(name) || object.bytes <= partBytesFor(object.bytes)) throw error
  }
  return await copyByParts(store, { bucket, from, source, to, ...(version !== undefined && { version }) })
}

async function copyByParts(
  store: Store,
  request: { bucket: string; from: string; version?: string; source: string; to: string },
): Promise<boolean> {
  const { bucket, from, version: VersionId, source, to } = request
  const whole = { Bucket: bucket, Key: from, ...(VersionId !== undefined && { VersionId }) }
  const there = await store.s3.send(new HeadObjectCommand(whole)).catch(error => {
    if (statusOf(error) === 404) return undefined
    throw error
  })
  if (!there) return false
  const bytes = there.ContentLength ?? 0
  const etag = bareEtag(there.ETag)
  // The same parts as in the original upload: then the copy has the same ETag.
  const partBytes = partBytesOf(bytes, etag) ?? partBytesFor(bytes)
  const target = { Bucket: bucket, Key: to }
  const begun = await store.s3.send(
    new CreateMultipartUploadCommand({
      ...target,
      ...(there.Metadata ? { Metadata: there.Metadata } : {}),
      ...(there.ContentType ? { ContentType: there.ContentType } : {}),
    }),
  )
  const upload = { ...target, UploadId: begun.UploadId }
  try {
    const numbers = Array.from({ length: Math.ceil(bytes / partBytes) }, (_, index) => index + 1)
    const Parts = await inParallel(numbers, PARTS_AT_ONCE, async (PartNumber): Promise<CompletedPart> => {
      const first = (PartNumber - 1) * partBytes
      const CopySourceRange = `bytes=${first}-${Math.min(first + partBytes, bytes) - 1}`
      const part = await store.s3.send(
        new UploadPartCopyCommand({ ...upload, PartNumber, CopySource: source, CopySourceRange }),
      )
      return { PartNumber, ETag: part.CopyPartResult?.ETag }
    })
    await store.s3.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }))
  } catch (error) {
    await store.s3.send(new AbortMultipartUploadCommand(upload)).catch(() => {})
    throw error
  }
  const copy = await store.s3.send(new HeadObjectCommand(target))
  const copied = bareEtag(copy.ETag)
  const differs = copied !== etag && partBytesOf(bytes, etag) !== undefined && etag.includes('-')
  if (copy.ContentLength !== bytes || differs) {
    throw new VerificationFailed(bucket, to, [`${copy.ContentLength} bytes, ETag ${copied}, not ${bytes} and ${etag}`])
  }
  return true
}
