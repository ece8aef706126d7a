import { DeleteObjectCommand, DeleteObjectsCommand, paginateListObjectsV2 } from '@aws-sdk/client-s3'
import { describeCall } from './call.ts'
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
 * The objects below a prefix in key order, one LIST request a thousand. Keys are requested URL-encoded, because XML
 * cannot hold the control characters that file names may contain.
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

/** Decode a key from a URL-encoded answer. */
export function decodeKey(encoded: string): string {
  return decodeURIComponent(encoded.replaceAll('+', '%20'))
}

/** An ETag without its quotes. */
export function bareEtag(etag: string | undefined): string {
  return (etag ?? '').replaceAll('"', '')
}

/** Delete objects, a thousand a request. @throws Error naming the first that could not be deleted */
export async function deleteKeys(store: Store, bucket: string, keys: readonly string[]): Promise<void> {
  const failed = await deleteEach(store, bucket, keys)
  for (const error of failed.values()) throw error
}

/** Delete objects, a thousand a request. @returns the keys of those that cannot be deleted, with the error of each */
export async function deleteEach(store: Store, bucket: string, keys: readonly string[]): Promise<Map<string, unknown>> {
  const failed = new Map<string, unknown>()
  const inXml = keys.filter(key => !NOT_IN_XML.test(key))
  for (let at = 0; at < inXml.length; at += 1000) {
    const batch = inXml.slice(at, at + 1000)
    const Delete = { Objects: batch.map(Key => ({ Key })), Quiet: true }
    const answer = await store.s3.send(new DeleteObjectsCommand({ Bucket: bucket, Delete })).catch(error => {
      for (const key of batch) failed.set(key, error)
    })
    for (const { Key = '', Code = 'UnknownError', Message } of answer?.Errors ?? []) {
      const error = Object.assign(new Error(Message ?? ''), { name: Code, $metadata: answer?.$metadata })
      describeCall(error, { operation: 'DeleteObjects', bucket, key: Key })
      failed.set(Key, error)
    }
  }
  // The list of a request is XML, which cannot contain these.
  for (const Key of keys.filter(key => NOT_IN_XML.test(key))) {
    await store.s3.send(new DeleteObjectCommand({ Bucket: bucket, Key })).catch(error => failed.set(Key, error))
  }
  return failed
}

// In addition to what XML 1.0 forbids, line breaks and tabs: a parser may change them.
const NOT_IN_XML = /[^\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u
