import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { GetObjectCommand } from '@aws-sdk/client-s3'
import { describeCall } from './call.ts'
import type { Store } from './client.ts'
import { bareEtag } from './list.ts'

// How often a reading is resumed without a byte in between, and the first wait, which doubles.
const RESUMES = 5
const WAIT_MS = 100

/** An object of the bucket that is being read. */
export interface OpenObject {
  readonly bytes: number
  readonly etag: string
  /** As the upload set it; names in lower case. */
  readonly metadata: Readonly<Record<string, string>>
  /**
   * Its content, once. If the connection is cut, the rest is asked for from there; it fails if the object was replaced
   * meanwhile, or if the connection is cut again and again.
   */
  readonly body: Readable
}

/** Open an object for reading. The SDK repeats a request, but not the reading of its answer. */
export async function openObject(
  store: Store,
  { bucket, key }: { bucket: string; key: string },
  stop?: AbortSignal,
): Promise<OpenObject> {
  const options = stop && { abortSignal: stop }
  const ask = { Bucket: bucket, Key: key }
  const first = await store.s3.send(new GetObjectCommand(ask), options)
  const bytes = first.ContentLength ?? 0
  let answer = first
  async function* content(): AsyncGenerator<Uint8Array> {
    let read = 0
    for (let cuts = 0; ; ) {
      try {
        for await (const chunk of answer.Body as AsyncIterable<Uint8Array>) {
          read += chunk.length
          cuts = 0
          yield chunk
        }
        if (read < bytes) throw new Error(`got ${read} of ${bytes} bytes`)
        return
      } catch (error) {
        stop?.throwIfAborted()
        cuts += 1
        if (cuts > RESUMES || read >= bytes) {
          describeCall(error, { operation: 'GetObject', bucket, key })
          throw error
        }
        await sleep(WAIT_MS * 2 ** (cuts - 1), undefined, stop && { signal: stop })
        const rest = { ...ask, Range: `bytes=${read}-`, IfMatch: first.ETag }
        answer = await store.s3.send(new GetObjectCommand(rest), options)
      }
    }
  }
  const body = Readable.from(content(), { objectMode: false })
  // Of a body that nobody has begun to read, the generator has nothing to clean up.
  body.once('close', () => (answer.Body as Readable).destroy())
  return { bytes, etag: bareEtag(first.ETag), metadata: first.Metadata ?? {}, body }
}

/** The content of an object that fits in memory. */
export async function readObject(store: Store, bucket: string, key: string): Promise<Buffer> {
  const { body, bytes } = await openObject(store, { bucket, key })
  const content = Buffer.allocUnsafe(bytes)
  let read = 0
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    content.set(chunk, read)
    read += chunk.length
  }
  return content
}
