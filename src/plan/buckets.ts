import { GetBucketLifecycleConfigurationCommand, HeadBucketCommand } from '@aws-sdk/client-s3'
import type { Config } from '../config/index.ts'
import { contentOf, readLock } from '../images/lock.ts'
import type { System } from '../kinds/index.ts'
import type { CredentialInputs } from '../launch/credentials.ts'
import { secondCredentials, secondOf, storeCredential, storeEnvironment } from '../launch/stores.ts'
import { leftovers } from '../store/bucket-state.ts'
import { statusOf } from '../store/call.ts'
import { openStore, type Store } from '../store/client.ts'
import { openTo } from '../store/openness.ts'
import { movedPast, moveOn } from '../store/postgres-client.ts'
import { unprotected, weaknesses } from '../store/protection.ts'
import { readReceipts } from '../store/receipt.ts'
import type { Comparison, Difference } from './difference.ts'

/**
 * Each system's bucket, that of its second copy included: whether it is there, private by its ACL and towards somebody without a key, free of uploads
 * that were never finished, whether its lifecycle would remove such, and whether it protects its copies. Changes nothing.
 */
export async function compareWithBuckets(config: Config, credentials: CredentialInputs): Promise<Comparison> {
  const seconds = (config.otherStores ?? []).map(({ name }) => secondOf(config, name))
  const parts = await Promise.all([
    ...config.systems.map(system => compareBucket(config, system, credentials)),
    ...seconds.flatMap(second =>
      second.systems.map(system => compareBucket(second, system, secondCredentials(credentials))),
    ),
  ])
  return {
    differences: parts.flatMap(part => part.differences),
    compared: parts.reduce((sum, part) => sum + part.compared, 0),
    unreachable: parts.flatMap(part => part.unreachable),
  }
}

async function compareBucket(config: Config, system: System, credentials: CredentialInputs): Promise<Comparison> {
  const credential = storeCredential(system)
  const away = (why: string, next: string): Comparison => ({
    differences: [],
    compared: 0,
    unreachable: [{ what: `bucket ${system.bucket}`, why, next }],
  })
  const environment = storeEnvironment(config, system, credentials)
  if (!environment)
    return away(`the credential \`${credential}\` is missing`, 'add it to the file that --credentials names')
  const store = openStore(environment)
  const found = (sign: Difference['sign'], note: string): Difference => ({
    sign,
    where: 'bucket',
    kind: 'bucket',
    name: system.bucket,
    fields: [],
    note,
  })
  try {
    await store.s3.send(new HeadBucketCommand({ Bucket: system.bucket }))
  } catch (error) {
    const status = statusOf(error)
    if (status === 404) {
      return {
        differences: [found('+', `does not exist; ${system.name} needs it`)],
        compared: 1,
        unreachable: [],
      }
    }
    return away(
      status ? `answers ${status}` : messageOf(error),
      `check the credential \`${credential}\` and the network`,
    )
  }
  const notes = await Promise.all([
    openTo(store, system.bucket).then(({ open, notChecked }) => [
      ...open,
      ...notChecked.map(why => `whether it is private was not checked: ${why}`),
    ]),
    leftovers(store, system.bucket, store.clock.now()),
    lifecycle(store, system.bucket),
    protection(store, system.bucket),
    clientBehind(store, system),
  ])
  return { differences: notes.flat().map(note => found('~', note)), compared: 1, unreachable: [] }
}

/** What the bucket lacks that `protect` demands, or what the system's own key may do against it. */
async function protection(store: Store, bucket: string): Promise<string[]> {
  const lacking = await unprotected(store, bucket)
  const found = lacking.length > 0 ? lacking : await weaknesses(store, bucket)
  return found.map(note => `${note}; docs/buckets.md says how to set it up`)
}

async function lifecycle(store: Store, bucket: string): Promise<string[]> {
  try {
    const { Rules = [] } = await store.s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket: bucket }))
    const aborts = Rules.some(rule => rule.Status === 'Enabled' && rule.AbortIncompleteMultipartUpload)
    if (aborts) return []
  } catch (error) {
    if (statusOf(error) !== 404) return [`its lifecycle cannot be read: ${messageOf(error)}`]
  }
  return ['its lifecycle has no rule that aborts unfinished uploads']
}

/** Whether the PostgreSQL server of the newest copy has moved past the client of the images that are built today. */
async function clientBehind(store: Store, { bucket, name }: System): Promise<string[]> {
  const { receipts } = await readReceipts(store, { bucket, system: name, newest: 1 })
  const receipt = receipts[0]?.receipt
  if (receipt?.kind !== 'database' || receipt.versions.server === undefined) return []
  const why = movedPast(receipt.versions.server, contentOf('agent', readLock()).postgres)
  return why === undefined ? [] : [`${why} of ${name}; ${moveOn}`]
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
