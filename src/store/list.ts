import { DeleteObjectCommand, DeleteObjectsCommand, GetObjectCommand, paginateListObjectsV2 } from '@aws-sdk/client-s3'
import type { Store } from './client.ts'

/** An object as a listing of its bucket shows it. */
export interface ListedObject {
  key: string
  bytes: number
  /** Without quotes: the content's MD5, or for a multipart upload `<MD5 of the parts' MD5s>-<parts>`. */
  etag: string
  modified: Date
}

/**
 * The objects below a prefix in the order of their keys, one LIST request a thousand. Keys are requested
 * URL-encoded, because XML cannot hold the control characters that file names may.
 */
export async function* listObjects(
  store: Store,
  where: { bucket: string; prefix?: string; startAfter?: string },
): AsyncGenerator<ListedObject> {
  const pages = paginateListObjectsV2(
    { client: store.s3 },
    {
      Bucket: where.bucket,
      EncodingType: 'url',
      ...(where.prefix ? { Prefix: where.prefix } : {}),
      ...(where.startAfter ? { StartAfter: where.startAfter } : {}),
    },
  )
  for await (const page of pages) {
    for (const object of page.Contents ?? []) {
      yield {
        key: decodeKey(object.Key ?? ''),
        bytes: object.Size ?? 0,
        etag: bareEtag(object.ETag),
        modified: object.LastModified ?? new Date(0),
      }
    }
  }
}

/** A key from a URL-encoded answer. */
export function decodeKey(encoded: string): string {
  return decodeURIComponent(encoded.replaceAll('+', '%20'))
}

/** An ETag without its quotes. */
export function bareEtag(etag: string | undefined): string {
  return (etag ?? '').replaceAll('"', '')
}

/** The content of an object that fits in memory. */
export async function readObject(store: Store, bucket: string, key: string): Promise<Buffer> {
  const answer = await store.s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }))
  const content = Buffer.allocUnsafe(answer.ContentLength ?? 0)
  let bytes = 0
  for await (const chunk of answer.Body as AsyncIterable<Uint8Array>) {
    content.set(chunk, bytes)
    bytes += chunk.length
  }
  if (bytes !== content.length) throw new Error(`${bucket}/${key}: got ${bytes} of ${content.length} bytes`)
  return content
}

/** Delete objects, a thousand a request. @throws Error naming the first that could not be deleted */
export async function deleteKeys(store: Store, bucket: string, keys: readonly string[]): Promise<void> {
  const [unspeakable, rest] = [keys.filter(hasControlCharacter), keys.filter(key => !hasControlCharacter(key))]
  // The list of a request is XML, which cannot name them.
  for (const Key of unspeakable) await store.s3.send(new DeleteObjectCommand({ Bucket: bucket, Key }))
  for (let at = 0; at < rest.length; at += 1000) {
    const batch = rest.slice(at, at + 1000)
    const answer = await store.s3.send(
      new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: batch.map(Key => ({ Key })), Quiet: true } }),
    )
    const [failed] = answer.Errors ?? []
    if (failed) throw new Error(`could not delete ${bucket}/${failed.Key}: ${failed.Code} ${failed.Message ?? ''}`)
  }
}

function hasControlCharacter(key: string): boolean {
  for (let at = 0; at < key.length; at += 1) if (key.charCodeAt(at) < 0x20) return true
  return false
}
