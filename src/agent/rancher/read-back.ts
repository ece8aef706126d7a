import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { type ReadBack, type ReadBackRequest, readBackObject } from '../run/read-back.ts'
import type { rancherReceipts } from './receipt.ts'

/** Read an archive back: its hash, and its compression to the end. */
export async function readBackArchive(request: ReadBackRequest<typeof rancherReceipts>): Promise<ReadBack> {
  return await readBackObject(request, async content => {
    for await (const _ of Readable.from(content).compose(createGunzip()));
  })
}
