import { createHash } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { readObject } from '../../store/list.ts'
import { sha256OfFile } from '../../store/upload.ts'
import type { Drilled, DrillRequest } from '../run/drill-receipt.ts'
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
  const identity = variables.required('BACKUP_KIT_IDENTITY', "the drills' private key of age")
  variables.check()
  const file = join(folder, 'kit')
  await writeFile(file, await readObject(store, receipt.bucket, receipt.object.key))
  const sha256 = await sha256OfFile(file)
  if (sha256 !== receipt.object.sha256) {
    throw new Failure('drill', `${receipt.object.key} has SHA-256 ${sha256}, its receipt says ${receipt.object.sha256}`)
  }
  const text = await openKit(file, identity, folder)
  const { contentSha256 } = receipt.details
  const found = createHash('sha256').update(text).digest('hex')
  if (contentSha256 !== undefined && found !== contentSha256) {
    throw new Failure('drill', `the kit's content has SHA-256 ${found}, its receipt says ${contentSha256}`)
  }
  const counts = countKit(text)
  for (const [what, count] of Object.entries(counts)) {
    if (receipt.counts[what] === count) continue
    throw new Failure('drill', `the kit holds ${count} ${what}, its receipt says ${receipt.counts[what]}`)
  }
  return { counts, details: {} }
}

/** @throws Failure drill if the key does not open it */
async function openKit(file: string, identity: string, folder: string): Promise<string> {
  const key = join(folder, 'identity')
  await writeFile(key, `${identity.trim()}\n`, { mode: 0o600 })
  const { stdout, stderr, failed } = await execa('age', ['--decrypt', '--identity', key, file], { reject: false })
  await rm(key)
  if (failed) throw new Failure('drill', `the kit does not open with the drills' key: ${stderr}`)
  return stdout
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
