import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { readObject } from '../../store/object.ts'
import { sha256OfFile } from '../../store/upload.ts'
import type { Drilled, DrillRequest } from '../run/drill-receipt.ts'
import { decrypted } from '../run/encryption.ts'
import { Variables } from '../run/environment.ts'
import { Failure } from '../run/outcome.ts'
import type { kitReceipts } from './receipt.ts'

/**
 * Open the kit with the drill key, and count its content.
 *
 * @throws Failure drill if the kit cannot be opened or does not match its receipt
 */
export async function drillKit({ receipt, store, env, folder }: DrillRequest<typeof kitReceipts>): Promise<Drilled> {
  const variables = new Variables(env)
  const identity = variables.required('BACKUP_IDENTITY', "the drills' private key of age")
  variables.check()
  const file = join(folder, 'kit')
  await writeFile(file, await readObject(store, receipt.bucket, receipt.object.key))
  const sha256 = await sha256OfFile(file)
  if (sha256 !== receipt.object.sha256) {
    throw new Failure('drill', `${receipt.object.key} has SHA-256 ${sha256}, its receipt says ${receipt.object.sha256}`)
  }
  const content = await openKit(receipt.object.key, file, identity)
  const { contentSha256 } = receipt.details
  const found = createHash('sha256').update(content).digest('hex')
  if (contentSha256 !== undefined && found !== contentSha256) {
    throw new Failure('drill', `the kit's content has SHA-256 ${found}, its receipt says ${contentSha256}`)
  }
  const counts = countKit(content)
  for (const [what, count] of Object.entries(counts)) {
    if (receipt.counts[what] === count) continue
    throw new Failure('drill', `the kit holds ${count} ${what}, its receipt says ${receipt.counts[what]}`)
  }
  return { counts, details: {} }
}

/** @throws Failure drill if the key does not open it */
async function openKit(name: string, file: string, identity: string): Promise<string> {
  try {
    return await text(decrypted(name, createReadStream(file), identity))
  } catch (error) {
    throw new Failure('drill', (error as Error).message, { cause: error })
  }
}

function countKit(text: string): Record<string, number> {
  try {
    const { items } = JSON.parse(text) as { items: { kind: string; data: Record<string, string> }[] }
    const secrets = items.filter(item => item.kind === 'Secret')
    return { secrets: secrets.length, keys: secrets.reduce((sum, { data }) => sum + Object.keys(data).length, 0) }
  } catch (error) {
    throw new Failure('drill', `the kit opens, but it is not a kit: ${(error as Error).message}`)
  }
}
