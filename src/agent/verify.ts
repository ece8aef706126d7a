import { createHash } from 'node:crypto'
import type { CommandModule } from 'yargs'
import { assess, type FindingId, type ListedCopy } from '../store/assess.ts'
import { leftovers, openToAll, publicAcl } from '../store/bucket-state.ts'
import { type Environment, openStore, type Store } from '../store/client.ts'
import { listObjects, readObject } from '../store/list.ts'
import { drillSystem, readReceipts, receiptPrefix, type StoredReceipt } from '../store/receipt.ts'
import { setAside } from '../store/set-aside.ts'
import { receiptKinds } from './kinds.ts'
import { drillReceipts } from './run/drill-receipt.ts'
import { bucketPlace, Variables } from './run/environment.ts'
import { log } from './run/log.ts'
import { conclude, Failure, type Result } from './run/outcome.ts'
import { withSecrets } from './run/secrets.ts'

export const command: CommandModule = {
  command: 'verify',
  describe: 'Check that every copy is in the bucket and intact, the newest new enough, and the bucket private',
  builder: yargs =>
    yargs.example(
      'BACKUP_SYSTEM=… S3_BUCKET_NAME=… BACKUP_MAXIMUM_AGE_H=26 $0 verify',
      'the newest receipt, and the object that it vouches for',
    ),
  handler: () => {
    // A verification is not a backup: the check that waits for backups must not hear of it.
    const env = { ...withSecrets(process.env), BACKUP_HEARTBEAT_URL: undefined }
    return conclude('verify', env, () => verify(env))
  },
}

const HOUR_MS = 3_600_000

// Findings of which the copies are fine, or will be by themselves: they are told, and the run succeeds.
const TOLD_ONLY: ReadonlySet<FindingId> = new Set([
  'client-behind',
  'grown',
  'slower',
  'longer-outage',
  'run-unfinished',
  'too-few-copies',
])
// Findings about the clock alone.
const STALE: ReadonlySet<FindingId> = new Set(['no-copy', 'overdue', 'drill-overdue'])

/**
 * Judge a system's copies by its receipts, one LIST of its copies and the store's clock, and its bucket by what others
 * may do with it. The objects' own times are ignored.
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
  const keep = variables.count('BACKUP_COUNT', 1, 1)
  variables.check()
  const store = openStore(env)
  const { receipts, problems, future, unfinished } = await readReceipts(store, {
    bucket,
    system,
    kinds: receiptKinds,
  })
  const drills =
    oldestDrill > 0
      ? await readReceipts(store, { bucket, system: drillSystem(system), kinds: [drillReceipts], newest: 1 })
      : undefined
  const leftOut = await hashesOf(store, bucket, [...future, ...(await setAside(store, bucket, receiptPrefix(system)))])
  const expected = {
    system,
    bucket,
    keeps: { copies: keep },
    writesReceipts: true,
    endsWithinMs: oldest * HOUR_MS,
    dueBy: (taken: Date) => new Date(taken.getTime() + oldest * HOUR_MS),
    ...(drills && { drillDueBy: (last: Date) => new Date(last.getTime() + oldestDrill * HOUR_MS) }),
  }
  const observed = {
    receipts,
    drills: drills?.receipts ?? [],
    objects: await copiesOf(store, bucket, receipts),
    unfinished,
    unreadable: [...problems, ...(drills?.problems ?? [])],
    fromFuture: [],
    removed: [],
    setAside: [...leftOut],
  }
  const { findings, good, lastDrill } = assess(expected, observed, store.clock.now())
  const open = await openness(store, bucket)
  for (const { message, next } of findings) log(`${message}: ${next}`)
  for (const message of open) log(message)
  const failed = findings.filter(({ id }) => !TOLD_ONLY.has(id))
  if (failed.length + open.length > 0) {
    const kind = open.length === 0 && failed.every(({ id }) => STALE.has(id)) ? 'stale' : 'verification'
    throw new Failure(kind, [...failed.map(({ message, next }) => `${message}: ${next}`), ...open].join('; '))
  }
  return {
    system,
    bucket,
    copies: good.length,
    newest: good[0]?.taken ?? null,
    object: good[0]?.key ?? null,
    drilled: lastDrill?.receipt.end ?? null,
    warnings: findings.map(({ message }) => message),
  }
}

/** The objects that receipts vouch for, by one LIST of what their keys have in common. */
async function copiesOf(store: Store, bucket: string, receipts: readonly StoredReceipt[]): Promise<ListedCopy[]> {
  const taken = new Map(receipts.map(({ receipt }) => [receipt.object.key, new Date(receipt.taken)]))
  const [first = '', ...others] = taken.keys()
  let prefix = first
  for (const key of others) while (!key.startsWith(prefix)) prefix = prefix.slice(0, -1)
  const copies: ListedCopy[] = []
  if (taken.size === 0) return copies
  for await (const object of listObjects(store, { bucket, prefix })) {
    const at = taken.get(object.key)
    if (at) copies.push({ ...object, taken: at })
  }
  return copies
}

/** What others may do with the bucket, and what takes space in it. A key that may not ask is no finding. */
async function openness(store: Store, bucket: string): Promise<string[]> {
  const checks = [publicAcl(store, bucket), openToAll(store.endpoint, bucket), leftovers(store, bucket)]
  const answers = await Promise.allSettled(checks)
  return answers.flatMap(answer => {
    if (answer.status === 'fulfilled') return answer.value.map(problem => `${bucket}: ${problem}`)
    log(`not checked: ${answer.reason instanceof Error ? answer.reason.message : String(answer.reason)}`)
    return []
  })
}

async function hashesOf(store: Store, bucket: string, keys: readonly string[]): Promise<Set<string>> {
  const hashes = new Set<string>()
  for (const key of keys) {
    const body = await readObject(store, bucket, key)
    hashes.add(createHash('sha256').update(body).digest('hex'))
  }
  return hashes
}
