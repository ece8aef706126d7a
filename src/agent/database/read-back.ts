import { pipeline } from 'node:stream/promises'
import { isEncrypted } from '../run/encryption.ts'
import { progress } from '../run/log.ts'
import { type ReadBack, type ReadBackRequest, readBackObject } from '../run/read-back.ts'
import { readDump } from './dump-facts.ts'
import { unpackerFor } from './dump-file.ts'
import type { databaseReceipts } from './receipt.ts'

/**
 * Read a dump back: its hash, its compression, all of its SQL, and the marker at its end. Of an encrypted dump it is the
 * hash only, because no verification has the key.
 */
export async function readBackDump(request: ReadBackRequest<typeof databaseReceipts>): Promise<ReadBack> {
  if (isEncrypted(request.receipt.object.key)) return await readBackObject(request)
  return await readBackObject(request, async content => {
    const { key } = request.receipt.object
    await pipeline(content, unpackerFor(key), async sql => {
      const { complete } = await readDump(sql, progress(`read back ${key}`))
      if (!complete) throw new Error('its end marker ("dump complete") is missing: it is truncated')
    })
  })
}
