import { createHash } from 'node:crypto'
import { HeadObjectCommand } from '@aws-sdk/client-s3'
import type { CommandModule } from 'yargs'
import { type Environment, openStore, type Store } from '../store/client.ts'
import { bareEtag, readObject } from '../store/list.ts'
import { chainProblems, drillSystem, newestCopy, type Receipt, readReceipts, receiptPrefix } from '../store/receipt.ts'
import { setAside } from '../store/set-aside.ts'
import { bucketPlace, Variables } from './run/environment.ts'
import { log } from './run/log.ts'
import { conclude, Failure, type Result } from './run/outcome.ts'
import { withSecrets } from './run/secrets.ts'

export const command: CommandModule = {
  command: 'verify',
  describe: 'Check that the newest copy is in the bucket, intact and new enough',
  builder: yargs =>
    yargs.example(
      'BACKUP_SYSTEM=… S3_BUCKET_NAME=… BACKUP_MAXIMUM_AGE_H=26 $0 verify',
      'the newest receipt, and the object that it vouches for',
    ),
  handler: () => {
    const env = withSecrets(process.env)
    return conclude('verify', env, () => verify(env))
  },
}

const HOUR_MS = 3_600_000

/**
 * Compare a system's receipts with its bucket and the clock. The objects' own times are ignored.
 *
 * @throws Failure stale, or verification, with every finding
 */
export async function verify(env: Environment): Promise<Result> {
  const variables = new Variables(env)
  const system = variables.required('BACKUP_SYSTEM', 'the system whose copies are verified')
  const place = env.S3_BUCKET_NAME || env.USE_RCLONE_BUCKET_AND_PATH || ''
  const { bucket } = bucketPlace(place)
  if (!bucket)
    variables.problem('neither S3_BUCKET_NAME nor USE_RCLONE_BUCKET_AND_PATH is set: the bucket of the copies')
  const oldest = variables.count('BACKUP_MAXIMUM_AGE_H', 26, 1)
  const oldestDrill = variables.count('BACKUP_DRILL_MAXIMUM_AGE_H', 0)
  variables.check()
  const store = openStore(env)
  const { receipts, problems, future, unfinished } = await readReceipts(store, { bucket, system })
  const leftOut = await hashesOf(store, bucket, [...future, ...(await setAside(store, bucket, receiptPrefix(system)))])
  const stale: string[] = []
  const broken = [...problems, ...chainProblems(receipts, leftOut)]
  const now = store.clock.now().getTime()
  const newest = newestCopy(receipts)?.receipt
  if (!newest) stale.push(`no backup of ${system} has a receipt in ${bucket}: run the backup`)
  else {
    const hours = (now - Date.parse(newest.taken)) / HOUR_MS
    if (hours > oldest)
      stale.push(
        `the newest copy of ${system} is ${Math.floor(hours)} h old, the limit is ${oldest} h: find out why the backup does not run, and run it`,
      )
    broken.push(...(await objectProblems(store, newest)))
    if (newest.counts.missing) {
      broken.push(
        `the newest copy of ${system} lacks ${newest.counts.missing} files: its run failed and names them; correct that, and run the backup`,
      )
    }
  }
  let drilled: string | null = null
  if (oldestDrill > 0) {
    const drills = await readReceipts(store, { bucket, system: drillSystem(system), newest: 1 })
    broken.push(...drills.problems)
    drilled = drills.receipts[0]?.receipt.end ?? null
    const hours = drilled === null ? Number.POSITIVE_INFINITY : (now - Date.parse(drilled)) / HOUR_MS
    if (hours > oldestDrill) {
      stale.push(
        drilled === null
          ? `${system} never had a drill: run it`
          : `the last drill of ${system} was ${Math.floor(hours)} h ago, the limit is ${oldestDrill} h: run it`,
      )
    }
  }
  for (const mark of unfinished) log(`a run was killed: ${mark}`)
  const findings = [...broken, ...stale]
  for (const finding of findings) log(finding)
  if (findings.length > 0) {
    throw new Failure(broken.length > 0 ? 'verification' : 'stale', findings.join('; '))
  }
  return {
    system,
    bucket,
    copies: receipts.length,
    newest: newest?.taken ?? null,
    object: newest?.object.key ?? null,
    drilled,
  }
}

async function objectProblems(store: Store, { bucket, object }: Receipt): Promise<string[]> {
  try {
    const head = await store.s3.send(new HeadObjectCommand({ Bucket: bucket, Key: object.key }))
    const etag = bareEtag(head.ETag)
    if (head.ContentLength === object.bytes && etag === object.etag) return []
    return [
      `${bucket}/${object.key} has ${head.ContentLength} bytes with ETag ${etag}, its receipt says ${object.bytes} bytes with ${object.etag}`,
    ]
  } catch (error) {
    if ((error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode !== 404) throw error
    return [`${bucket}/${object.key} is missing, although it has a receipt`]
  }
}

async function hashesOf(store: Store, bucket: string, keys: readonly string[]): Promise<Set<string>> {
  const hashes = new Set<string>()
  for (const key of keys) {
    const body = await readObject(store, bucket, key)
    hashes.add(createHash('sha256').update(body).digest('hex'))
  }
  return hashes
}
