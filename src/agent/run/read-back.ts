import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { checkReceipts } from '../../store/check-receipt.ts'
import type { Store } from '../../store/client.ts'
import { openObject } from '../../store/object.ts'
import type { Receipt, ReceiptKind } from '../../store/receipt.ts'

/** A copy to read back. */
export interface ReadBackRequest<K extends ReceiptKind = ReceiptKind> {
  readonly receipt: Receipt<K>
  readonly store: Store
  /** How many bytes may still be read; a copy that is read in parts stops there. */
  readonly budget: number
  /** The last check of this system that read a part. */
  readonly last: Receipt<typeof checkReceipts> | undefined
  readonly stop: AbortSignal
}

/** What was read, and what of it is not what it should be. */
export interface ReadBack {
  readonly bytes: number
  readonly objects: number
  readonly damaged: readonly { readonly key: string; readonly why: string }[]
  /** Of a copy that is read in parts: the last path that was read; empty if it was the last of all. */
  readonly until?: string
}

/**
 * Read the object of a copy once, comparing its size and SHA-256 with the receipt.
 *
 * @param inspect reads the content to its end, and throws an Error that says what is wrong with it
 * @throws Error of the store, if it cannot be read
 */
export async function readBackObject(
  { receipt, store, stop }: Pick<ReadBackRequest, 'store' | 'stop'> & { receipt: Pick<Receipt, 'bucket' | 'object'> },
  inspect: (content: AsyncIterable<Buffer>) => Promise<void> = drain,
): Promise<ReadBack> {
  const { key, bytes: expected, sha256: vouched } = receipt.object
  const hash = createHash('sha256')
  let bytes = 0
  // Of the store or the network: it says nothing about the copy.
  let unread: unknown
  async function* tapped(body: Readable): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of body) {
        hash.update(chunk)
        bytes += chunk.length
        yield chunk
      }
    } catch (error) {
      unread = error
      throw error
    }
  }
  const { body } = await openObject(store, { bucket: receipt.bucket, key }, stop)
  let why: string | undefined
  try {
    await pipeline(tapped(body), inspect, { signal: stop })
  } catch (error) {
    stop.throwIfAborted()
    if (unread) throw unread
    why = `its content is damaged: ${(error as Error).message}`
  }
  const sha256 = hash.digest('hex')
  if (why === undefined && (bytes !== expected || sha256 !== vouched)) {
    why = `it has ${bytes} bytes with SHA-256 ${sha256}, its receipt says ${expected} bytes with ${vouched}`
  }
  return { bytes, objects: 1, damaged: why === undefined ? [] : [{ key, why }] }
}

async function drain(content: AsyncIterable<Buffer>): Promise<void> {
  for await (const _ of content);
}
