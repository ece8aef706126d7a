import { createHash } from 'node:crypto'
import type { CommandModule } from 'yargs'
import { assess, type FindingId, type ListedCopy } from '../store/assess.ts'
import { leftovers } from '../store/bucket-state.ts'
import { checkReceipts } from '../store/check-receipt.ts'
import { type Environment, openStore, type Store } from '../store/client.ts'
import { listObjects } from '../store/list.ts'
import { readObject } from '../store/object.ts'
import { openTo } from '../store/openness.ts'
import { unprotected, weaknesses } from '../store/protection.ts'
import { drillSystem, readReceipts, receiptPrefix, type StoredReceipt } from '../store/receipt.ts'
import { setAside } from '../store/set-aside.ts'
import { receiptKinds } from './kinds.ts'
import { type CheckedCopies, readCopiesBack } from './read-back.ts'
import { drillReceipts } from './run/drill-receipt.ts'
import { namedPlace, Variables } from './run/environment.ts'
import { log } from './run/log.ts'
import { conclude, Failure, type Result } from './run/outcome.ts'

export const command: CommandModule = {
  command: 'verify',
  describe: 'Check that every copy is in the bucket and intact, the newest new enough, and the bucket private',
  builder: yargs =>
    yargs
      .option('deep', { type: 'boolean', default: false, describe: 'Also read copies back, as with BACKUP_DEEP=yes' })
      .example('BACKUP_SYSTEM=… S3_BUCKET_NAME=… BACKUP_MAXIMUM_AGE_H=26 $0 verify', 'the receipts and their objects')
      .example(
        'BACKUP_SYSTEM=… S3_BUCKET_NAME=… BACKUP_DEEP_BYTES=20G $0 verify --deep',
        'reads 20 GiB of the copies, those first that were never read or longest ago',
      ),
  handler: ({ deep }) => {
    // A verification is not a backup: the check that waits for backups must not hear of it.
    const env = {
      ...process.env,
      BACKUP_HEARTBEAT_URL: undefined,
      ...(deep === true && { BACKUP_DEEP: 'yes' }),
    }
    return conclude('verify', env, stop => verify(env, stop))
  },
}

const HOUR_MS = 3_600_000
// What a check reads at most if it is not told: 20 minutes at 10 MB/s.
const DEEP_BYTES = 10 * 1024 ** 3

// Findings that do not mean a bad copy, or that resolve themselves: they are logged, and the run succeeds.
const TOLD_ONLY: ReadonlySet<FindingId> = new Set([
  'client-behind',
  'grown',
  'leftovers',
  'slower',
  'longer-outage',
  'run-unfinished',
  'too-few-copies',
])
// Findings about the clock alone.
const STALE: ReadonlySet<FindingId> = new Set(['no-copy', 'overdue', 'drill-overdue'])

/**
 * Judge a system's copies by its receipts, one LIST of its copies and the store's clock, and its bucket by what others
 * may do with it. The objects' own times are ignored. If asked to, read copies back, and write a receipt for each.
 *
 * @throws Failure stale, or verification, with every finding
 */
export async function verify(env: Environment, stop = new AbortController().signal): Promise<Result> {
  const variables = new Variables(env)
  const system = variables.required('BACKUP_SYSTEM', 'the system whose copies are verified')
  const { bucket } = namedPlace(env)
  if (!bucket)
    variables.problem('neither S3_BUCKET_NAME nor USE_RCLONE_BUCKET_AND_PATH is set: the bucket of the copies')
  const oldest = variables.count('BACKUP_MAXIMUM_AGE_H', 26, 1)
  const oldestDrill = variables.count('BACKUP_DRILL_MAXIMUM_AGE_H', 0)
  const keep = variables.count('BACKUP_COUNT', 1, 1)
  const deep = variables.yes('BACKUP_DEEP', false)
  const budget = variables.rate('BACKUP_DEEP_BYTES') ?? DEEP_BYTES
  variables.check()
  const store = openStore(env)
  const { receipts, problems, future, unfinished, guarded } = await readReceipts(store, {
    bucket,
    system,
    kinds: receiptKinds,
  })
  const proofs = await readReceipts(store, {
    bucket,
    system: drillSystem(system),
    kinds: [drillReceipts, checkReceipts],
  })
  const leftOut = await hashesOf(store, bucket, [...future, ...(await setAside(store, bucket, receiptPrefix(system)))])
  const { open, notChecked } = await openTo(store, bucket)
  for (const why of notChecked) log(`not checked whether ${bucket} is private: ${why}`)
  const expected = {
    system,
    bucket,
    keeps: { copies: keep },
    writesReceipts: true,
    endsWithinMs: oldest * HOUR_MS,
    dueBy: (taken: Date) => new Date(taken.getTime() + oldest * HOUR_MS),
    ...(oldestDrill > 0 && { drillDueBy: (last: Date) => new Date(last.getTime() + oldestDrill * HOUR_MS) }),
  }
  const observed = {
    receipts,
    drills: proofs.receipts,
    objects: await copiesOf(store, bucket, receipts),
    unfinished,
    guarded,
    unreadable: [...problems, ...proofs.problems],
    fromFuture: [],
    removed: [],
    setAside: [...leftOut],
    open,
    unprotected: await answerOf(protectionOf(store, bucket)),
    leftovers: await answerOf(leftovers(store, bucket, store.clock.now())),
  }
  let assessment = assess(expected, observed, store.clock.now())
  let read: CheckedCopies = { checks: [], bytes: 0 }
  if (deep) {
    read = await readCopiesBack(store, { system, good: assessment.good, earlier: proofs.receipts, budget, stop })
    assessment = assess(expected, { ...observed, drills: [...read.checks, ...proofs.receipts] }, store.clock.now())
  }
  const { findings, good, lastDrill } = assessment
  for (const { message, next } of findings) log(`${message}: ${next}`)
  const failed = findings.filter(({ id }) => !TOLD_ONLY.has(id))
  if (failed.length > 0) {
    const kind = failed.every(({ id }) => STALE.has(id)) ? 'stale' : 'verification'
    throw new Failure(kind, failed.map(({ message, next }) => `${message}: ${next}`).join('; '))
  }
  return {
    system,
    bucket,
    copies: good.length,
    newest: good[0]?.taken ?? null,
    object: good[0]?.key ?? null,
    drilled: lastDrill?.receipt.end ?? null,
    ...(deep && { readBack: read.checks.length, bytes: read.bytes }),
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

/** What was found by these questions about the bucket. A key that may not ask is no finding. */
async function answerOf(...questions: readonly Promise<string[]>[]): Promise<string[]> {
  const answers = await Promise.allSettled(questions)
  return answers.flatMap(answer => {
    if (answer.status === 'fulfilled') return answer.value
    log(`not checked: ${answer.reason instanceof Error ? answer.reason.message : String(answer.reason)}`)
    return []
  })
}

/** Whether the bucket protects its copies as the config demands. */
async function protectionOf(store: Store, bucket: string): Promise<string[]> {
  const lacking = await unprotected(store, bucket)
  return lacking.length > 0 ? lacking : await weaknesses(store, bucket)
}

async function hashesOf(store: Store, bucket: string, keys: readonly string[]): Promise<Set<string>> {
  const hashes = new Set<string>()
  for (const key of keys) {
    const body = await readObject(store, bucket, key)
    hashes.add(createHash('sha256').update(body).digest('hex'))
  }
  return hashes
}
