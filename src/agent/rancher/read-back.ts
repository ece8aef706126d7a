import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { isEncrypted } from '../run/encryption.ts'
import { type ReadBack, type ReadBackRequest, readBackObject } from '../run/read-back.ts'
import type { rancherReceipts } from './receipt.ts'

/** Read an archive back: its hash, and its compression to the end, unless it is encrypted: no verification has the key. */
export async function readBackArchive(request: ReadBackRequest<typeof rancherReceipts>): Promise<ReadBack> {
  if (isEncrypted(request.receipt.object.key)) return await readBackObject(request)
  return await readBackObject(request, async content => {
    for await (const _ of Readable.from(content).compose(createGunzip()));
  })
}
