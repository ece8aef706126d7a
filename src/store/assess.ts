import { checkReceipts } from './check-receipt.ts'
import { CLOCK_TOLERANCE_MS } from './clock.ts'
import type { ListedObject } from './list.ts'
import { movedPast, moveOn } from './postgres-client.ts'
import { chainProblems, type Receipt, type StoredReceipt } from './receipt.ts'

/** What the config requires of a system's copies. */
export interface Expected {
  readonly system: string
  readonly bucket: string
  readonly keeps: { readonly copies: number } | { readonly days: number }
  /** The moment at which the copy after one taken at `taken` is due. */
  dueBy(taken: Date): Date
  /** The moment at which the drill after one that ended at `last` is due; missing for a system without drills. */
  drillDueBy?(last: Date): Date
  /** How long a run may take, milliseconds. */
  readonly endsWithinMs: number
  /** The maximum age, in milliseconds, of the newest copy, if the config promises one. */
  readonly loseAtMostMs?: number
  /** The moment to which a restore must be able to go back, if the config promises one. */
  restorableAt?(now: Date): Date
  /** Whether the image that makes the copies writes receipts. */
  readonly writesReceipts: boolean
}

/** What a bucket holds of a system. */
export interface Observed {
  /** Newest first. */
  readonly receipts: readonly StoredReceipt[]
  /** The receipts of its drills and of the checks that read copies back, newest first. */
  readonly drills: readonly StoredReceipt[]
  /** Objects with the name of a copy. */
  readonly objects: readonly ListedCopy[]
  /** Keys of the marks left by killed runs. */
  readonly unfinished: readonly string[]
  /** Keys of the marks of guards that were armed and not disarmed. */
  readonly guarded?: readonly string[]
  /** What others may do with the bucket, a sentence each; missing if it was not asked. */
  readonly open?: readonly string[]
  /** How the bucket protects its copies less than the config demands, a sentence each; missing if it was not asked. */
  readonly unprotected?: readonly string[]
  /** What takes space in the bucket and belongs to nothing, a sentence each; missing if it was not asked. */
  readonly leftovers?: readonly string[]
  /** Objects among the receipts that are not receipts, a message each. */
  readonly unreadable: readonly string[]
  /** Receipts that claim to be newer than the time at which the store received them. */
  readonly fromFuture: readonly { readonly message: string; readonly since: Date; readonly sha256?: string }[]
  /** Known receipts that should still exist, newest first. */
  readonly removed: readonly StoredReceipt[]
  /** Hashes of receipts that an operator set aside. */
  readonly setAside?: readonly string[]
  /** A tree of plain files without a manifest, as written by the old replicator. */
  readonly tree?: { readonly objects: number; readonly more: boolean; readonly newest?: Date }
}

/** An object with the name of a copy. */
export interface ListedCopy extends ListedObject {
  /** From its name. */
  readonly taken: Date
}

/** A copy that can be restored. */
export interface Copy {
  readonly taken: Date
  readonly key: string
  readonly bytes: number
  /** Missing for a copy without a receipt. */
  readonly receipt?: StoredReceipt
  /** The earliest moment whose data it holds, if the data did not change for a while. */
  readonly from?: Date
}

/** Every way in which copies can be wrong, worst first: what it means, and what to do. */
export const findingKinds = {
  'no-answer': {
    severity: 'critical',
    title: 'The bucket does not answer',
    next: 'check the store, the network and the credential; nothing is known of the copies until it answers',
  },
  'no-copy': {
    severity: 'critical',
    title: 'There is no good copy',
    next: 'run the backup, and read the log of the last run',
  },
  'newest-copy-lost': {
    severity: 'critical',
    title: 'The newest copy is missing or was changed',
    next: 'find out who changed the bucket, then run the backup',
  },
  damaged: {
    severity: 'critical',
    title: 'A copy was read back, and is not what was stored',
    next: 'restore from another copy if you must now; ask the operators of the store about the object, and run the backup',
  },
  'not-private': {
    severity: 'critical',
    title: 'Others may read or write the bucket',
    next: 'run the backup with the agent image, which makes the bucket and its objects private; what was in it may be known to others',
  },
  unprotected: {
    severity: 'critical',
    title: "Whoever has the agent's key can delete the copies",
    next: 'set the bucket up as docs/buckets.md says',
  },
  'guard-acted': {
    severity: 'critical',
    title: 'The guard had to act',
    next: 'read the logs of the guard and of the last run on the host, then launch the backup once with "Run despite the guard\'s last intervention?"',
  },
  incomplete: {
    severity: 'critical',
    title: 'The newest copy lacks files',
    next: 'read the log of its run, which names them; correct the cause and run the backup',
  },
  overdue: {
    severity: 'critical',
    title: 'The newest good copy is too old',
    next: 'read the log of the last run and find out why the schedule made no copy, then run the backup',
  },
  'promise-broken': {
    severity: 'critical',
    title: 'A promise of the config is not kept',
    next: 'run the backup if the newest copy is too old; raise `keep` if the oldest is too young',
  },
  'from-the-future': {
    severity: 'critical',
    title: 'A receipt is dated in the future',
    next: 'correct the clock that the backup ran under; the copy does not count until its receipt is set aside',
  },
  'receipt-invalid': {
    severity: 'critical',
    title: 'A receipt is unreadable, misplaced or contradicts another',
    next: 'find out who wrote it; the agent never changes a receipt',
  },
  'chain-broken': {
    severity: 'critical',
    title: 'A receipt was changed or removed',
    next: 'find out who changed the bucket, and check the copies with `verify`',
  },
  'copy-lost': {
    severity: 'warning',
    title: 'An older copy is missing or was changed',
    next: 'find out who changed the bucket; newer copies are not affected',
  },
  shrunk: {
    severity: 'warning',
    title: 'The copy is much smaller than those before',
    next: 'check whether the data was really deleted; if not, restore from a copy before the change',
  },
  'too-few-copies': {
    severity: 'warning',
    title: 'Fewer copies are kept than promised',
    next: 'find out what removes copies; no action is needed if `keep` was raised recently',
  },
  'client-behind': {
    severity: 'warning',
    title: 'The database server is newer than the client that dumps it',
    next: moveOn,
  },
  'drill-overdue': {
    severity: 'warning',
    title: 'No restore has been tested for too long',
    next: 'run the drill, and read the log of the last one',
  },
  'run-unfinished': {
    severity: 'warning',
    title: 'A run began and never ended',
    next: 'read its log; the next run resumes it',
  },
  leftovers: {
    severity: 'warning',
    title: 'Unfinished uploads take space in the bucket',
    next: 'find out why runs are killed; the next run that succeeds aborts the uploads of its own keys',
  },
  'no-receipts': {
    severity: 'warning',
    title: 'There are copies, and no receipt for any of them',
    next: 'run the backup once with the agent image; whether the present copies are complete cannot be known',
  },
  grown: {
    severity: 'warning',
    title: 'The copy is much larger than those before',
    next: 'check what was added, and whether the bucket and the volumes have room',
  },
  slower: {
    severity: 'warning',
    title: 'Runs take much longer than before',
    next: 'compare the steps in the logs of the last runs',
  },
  'longer-outage': {
    severity: 'warning',
    title: 'The system is down for much longer during its backup',
    next: 'compare the steps in the logs of the last runs',
  },
} as const satisfies Record<string, { severity: Severity; title: string; next: string }>

/** The page of the runbook about a kind of finding. */
export function findingPage(id: FindingId): string {
  return `docs/FINDINGS.md#${id}`
}

export type Severity = 'critical' | 'warning'
export type FindingId = keyof typeof findingKinds

/** Something wrong with a system's copies. */
export interface Finding {
  readonly id: FindingId
  readonly severity: Severity
  readonly system: string
  /** What is wrong, with figures, in one line. */
  readonly message: string
  /** Missing if the bucket does not show it. */
  readonly since?: Date
  /** What to do. */
  readonly next: string
}

/** The assessment of a system's copies. */
export interface Assessment {
  /** Copies that match a receipt, newest first, one an object. */
  readonly good: readonly (Copy & { readonly receipt: StoredReceipt })[]
  /** Copies without a receipt, newest first. */
  readonly unproven: readonly Copy[]
  /** Worst first. */
  readonly findings: readonly Finding[]
  /** When the next copy is due. */
  readonly dueBy?: Date
  readonly lastDrill?: StoredReceipt
  /** Until then the findings stay the same if the bucket does not change. */
  readonly until?: Date
}

/**
 * Assess a system's copies by its receipts, its bucket's listing and the clock. An object's own time proves nothing;
 * only a receipt does, if its object still exists unchanged.
 */
export function assess(expected: Expected, observed: Observed, now: Date): Assessment {
  const findings: Finding[] = []
  const found = (id: FindingId, message: string, since?: Date) => {
    const { severity, next } = findingKinds[id]
    findings.push({ id, severity, system: expected.system, message, next, ...(since && { since }) })
  }
  const moments: number[] = []
  const latest = now.getTime() + CLOCK_TOLERANCE_MS

  const present = observed.receipts
  for (const { message, since } of observed.fromFuture) found('from-the-future', message, since)
  const receipts: StoredReceipt[] = []
  for (const stored of present) {
    const { system, bucket, start } = stored.receipt
    if (rightPlace(stored, expected)) receipts.push(stored)
    else found('receipt-invalid', `${stored.key} is the receipt of ${system} in ${bucket}`, new Date(start))
  }
  for (const message of observed.unreadable) found('receipt-invalid', message)
  for (const [message, since] of contradictions(receipts)) found('receipt-invalid', message, since)
  const leftOut = new Set([...observed.fromFuture.flatMap(({ sha256 }) => sha256 ?? []), ...(observed.setAside ?? [])])
  for (const { key } of observed.removed) found('chain-broken', `${key} existed and is missing now`)
  for (const message of chainProblems(merged(present, observed.removed), leftOut)) found('chain-broken', message)

  const good = goodCopies(receipts, observed.objects)
  const vouched = new Set(receipts.map(({ receipt }) => receipt.object.key))
  const unproven = observed.objects
    .filter(({ key, taken }) => !vouched.has(key) && taken.getTime() <= latest)
    .map(({ key, bytes, taken }): Copy => ({ key, bytes, taken }))
    .sort(byTaken)

  lost(receipts, observed.objects, good, expected, found)

  const newest = good[0]
  const candidate = newest ?? (expected.writesReceipts ? undefined : unproven[0])
  const missing = newest?.receipt.receipt.counts.missing
  if (newest && missing)
    found(
      'incomplete',
      `the newest copy of ${expected.system} lacks ${missing} files`,
      new Date(newest.receipt.receipt.end),
    )
  damages(observed.drills, good, expected, found)
  for (const message of observed.open ?? []) found('not-private', `${expected.bucket}: ${message}`)
  for (const message of observed.unprotected ?? []) found('unprotected', `${expected.bucket}: ${message}`)
  for (const message of observed.leftovers ?? []) found('leftovers', `${expected.bucket} ${message}`)
  const behind = newest && clientBehind(newest.receipt.receipt)
  if (behind) found('client-behind', behind, newest.taken)
  let dueBy: Date | undefined
  if (candidate) {
    dueBy = expected.dueBy(candidate.taken)
    moments.push(dueBy.getTime())
    if (dueBy <= now) {
      const proof = candidate.receipt ? '' : ', judged by its name only'
      const newer =
        unproven[0] && unproven[0].taken > candidate.taken ? `; ${unproven[0].key} is newer and has no receipt` : ''
      found(
        'overdue',
        `the newest copy is ${age(candidate.taken, now)} old${proof}; the next was due by ${iso(dueBy)}${newer}`,
        dueBy,
      )
    }
    if (expected.loseAtMostMs !== undefined) {
      const limit = candidate.taken.getTime() + expected.loseAtMostMs
      moments.push(limit)
      if (limit <= now.getTime()) {
        found(
          'promise-broken',
          `${age(candidate.taken, now)} of data would be lost now, \`loseAtMost\` is ${duration(expected.loseAtMostMs)}`,
          new Date(limit),
        )
      }
    }
  } else if (unproven.length > 0 || (observed.tree?.objects ?? 0) > 0) {
    if (expected.writesReceipts) found('no-receipts', unprovenText(unproven, observed.tree))
  } else {
    const last = receipts[0]?.receipt
    found(
      'no-copy',
      last
        ? `none of the ${receipts.length} copies that have a receipt is left in ${expected.bucket}`
        : `${expected.bucket} holds no copy and no receipt`,
      last && new Date(last.end),
    )
  }

  counted(observed, good, expected, now, found)
  const lastDrill = observed.drills.find(
    ({ receipt }) => receipt.kind !== checkReceipts.kind && time(receipt.end) <= latest,
  )
  const first = lastDrill?.receipt.end ?? receipts.at(-1)?.receipt.end
  if (expected.drillDueBy && first) {
    const due = expected.drillDueBy(new Date(first))
    moments.push(due.getTime())
    if (due <= now) {
      found(
        'drill-overdue',
        lastDrill
          ? `the last drill was ${age(new Date(first), now)} ago; the next was due by ${iso(due)}`
          : `no copy was ever restored in a drill; the first was due by ${iso(due)}`,
        due,
      )
    }
  }
  for (const key of observed.unfinished) {
    const start = /([\dT:.-]+Z)\.unfinished$/.exec(key)?.[1]
    if (!start) continue
    const limit = time(start) + expected.endsWithinMs
    moments.push(limit)
    if (limit <= now.getTime()) found('run-unfinished', `the run of ${start} left ${key}`, new Date(limit))
  }
  for (const key of observed.guarded ?? []) {
    const armed = new Date(/([\dT:.-]+Z)\.guarded$/.exec(key)?.[1] ?? Number.NaN)
    const limit = armed.getTime() + GUARD_MS
    if (Number.isNaN(limit)) continue
    moments.push(limit)
    if (limit <= now.getTime())
      found('guard-acted', `the guard was armed at ${iso(armed)}, and its run did not disarm it: ${key}`, armed)
  }
  trends(receipts, found)

  const later = moments.filter(moment => moment > now.getTime())
  return {
    good,
    unproven,
    findings: worstFirst(findings),
    ...(dueBy && { dueBy }),
    ...(lastDrill && { lastDrill }),
    ...(later.length > 0 && { until: new Date(Math.min(...later)) }),
  }
}

/**
 * How the server of a dump is newer than the client that dumped it; undefined if it is not, or the copy is not a dump.
 */
function clientBehind({ kind, versions }: Receipt): string | undefined {
  const client = versions.pg_dump ?? versions.pg_dumpall
  if (kind !== 'database' || versions.server === undefined || client === undefined) return undefined
  return movedPast(versions.server, [client])
}

/** Findings in the order in which to deal with them: worst kind first, then the oldest. */
export function worstFirst(findings: readonly Finding[]): Finding[] {
  const rank = Object.keys(findingKinds)
  return [...findings].sort(
    (a, b) => rank.indexOf(a.id) - rank.indexOf(b.id) || (a.since?.getTime() ?? 0) - (b.since?.getTime() ?? 0),
  )
}

/** A readable time span: the two largest units, `3 d 4 h`, `1 h 10 min`, `42 s`. */
export function duration(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1000)
  const units = [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ] as const
  const at = units.findIndex(([, size]) => seconds >= size)
  if (at < 0) return '0 s'
  let rest = seconds
  const parts: string[] = []
  for (const [unit, size] of units.slice(at, at + 2)) {
    const count = Math.floor(rest / size)
    rest -= count * size
    if (count > 0) parts.push(`${count} ${unit}`)
  }
  return parts.join(' ')
}

type Found = (id: FindingId, message: string, since?: Date) => void

function goodCopies(receipts: readonly StoredReceipt[], objects: readonly ListedCopy[]) {
  const standing = new Map(objects.map(object => [object.key, object]))
  const copies = new Map<string, Copy & { receipt: StoredReceipt }>()
  for (const stored of receipts) {
    const { object, taken, bytes } = stored.receipt
    const there = standing.get(object.key)
    if (!there || there.bytes !== object.bytes || there.etag !== object.etag) continue
    // Several receipts may belong to one object, such as the manifest of an unchanged tree: the newest counts.
    const known = copies.get(object.key)
    const at = new Date(taken)
    const from = known?.from && known.from < at ? known.from : at
    if (known && known.taken >= at) copies.set(object.key, { ...known, from })
    else copies.set(object.key, { taken: at, from, key: object.key, bytes, receipt: stored })
  }
  return [...copies.values()].sort(byTaken)
}

/** What the last check of each copy found; a media copy is read in parts, of which the last check carries all. */
function damages(drills: readonly StoredReceipt[], good: readonly Copy[], { bucket }: Expected, found: Found): void {
  const standing = new Set(good.map(({ key }) => key))
  const seen = new Set<string>()
  for (const { receipt } of drills) {
    if (receipt.kind !== checkReceipts.kind) continue
    const { until, damaged } = receipt.details as Receipt<typeof checkReceipts>['details']
    const inParts = until !== undefined
    const of = inParts ? 'parts' : receipt.object.key
    if (seen.has(of)) continue
    seen.add(of)
    const first = damaged?.[0]
    if (!first || !(inParts || standing.has(receipt.object.key))) continue
    const count = receipt.counts.damaged ?? 1
    const more = count > 1 ? `, and ${count - 1} more objects are damaged` : ''
    found('damaged', `${bucket}/${first.key}: ${first.why}${more}`, new Date(receipt.end))
  }
}

/** Copies that were changed, and missing ones that pruning cannot have removed, as it removes the oldest first. */
function lost(
  receipts: readonly StoredReceipt[],
  objects: readonly ListedCopy[],
  good: readonly Copy[],
  expected: Expected,
  found: Found,
): void {
  const oldest = good.at(-1)?.taken.getTime() ?? Number.POSITIVE_INFINITY
  // Most receipts are of copies that were pruned. Parsing their times is slow, and comparing the texts is enough.
  const oldestText = good.at(-1)?.taken.toISOString().slice(0, 19) ?? ''
  const standing = new Map(objects.map(object => [object.key, object]))
  const seen = new Set<string>()
  const isNewest = (taken: string) => receipts.every(({ receipt }) => time(receipt.taken) <= time(taken))
  for (const { receipt } of receipts) {
    const { key, bytes, etag } = receipt.object
    if (seen.has(key)) continue
    seen.add(key)
    const there = standing.get(key)
    const id = () => (isNewest(receipt.taken) ? 'newest-copy-lost' : 'copy-lost')
    const place = `${expected.bucket}/${key}`
    if (there && (there.bytes !== bytes || there.etag !== etag)) {
      const is = `${there.bytes} bytes with ETag ${there.etag}`
      found(id(), `${place} has ${is}, its receipt says ${bytes} bytes with ${etag}`, there.modified)
    } else if (!there && receipt.taken >= oldestText && time(receipt.taken) >= oldest) {
      found(id(), `${place} is missing, although it has a receipt`)
    }
  }
}

function counted(
  { receipts, objects }: Observed,
  good: readonly Copy[],
  expected: Expected,
  now: Date,
  found: Found,
): void {
  const oldest = good.at(-1)
  if (!oldest) return
  // Until the first copies are pruned, a new system is still filling up.
  const standing = new Set(objects.map(({ key }) => key))
  const pruned = receipts.some(
    ({ receipt: { object, taken } }) => !standing.has(object.key) && time(taken) < oldest.taken.getTime(),
  )
  if (!pruned && receipts.at(-1)?.receipt.previous === null) return
  if ('copies' in expected.keeps && good.length < expected.keeps.copies) {
    found(
      'too-few-copies',
      `${good.length} of ${expected.keeps.copies} copies are there, the oldest taken at ${iso(oldest.taken)}`,
    )
  }
  const wanted = expected.restorableAt?.(now)
  const reach = oldest.from ?? oldest.taken
  if (wanted && reach > wanted) {
    found(
      'promise-broken',
      `the oldest copy was taken at ${iso(reach)}; by \`restorableFor\` a restore must reach back to ${iso(wanted)}`,
    )
  }
}

function* contradictions(receipts: readonly StoredReceipt[]): Generator<[string, Date]> {
  const byObject = new Map<string, StoredReceipt>()
  for (const stored of receipts) {
    const { object, start, end } = stored.receipt
    const other = byObject.get(object.key)
    if (!other) byObject.set(object.key, stored)
    else if (other.receipt.object.sha256 !== object.sha256 || other.receipt.object.bytes !== object.bytes) {
      yield [`${stored.key} and ${other.key} say different things about ${object.key}`, new Date(other.receipt.start)]
    }
    // Parsing is slow, and comparing the texts is almost always enough.
    if (end < start && time(end) < time(start)) yield [`${stored.key} ends before it starts`, new Date(start)]
  }
}

// A step stays a finding for this many runs, unless the old level returns before.
const STEP_RUNS = 10
// The number of runs that define ordinary variation, and the minimum for any assessment.
const HISTORY_RUNS = 30
const HISTORY_LEAST = 5
// A change must be larger than this many times the largest of its history,
const BEYOND_ORDINARY = 3
// and at least this: a fifth less, or half more.
const SHRUNK = 0.8
const GROWN = 1.5
// A guard is disarmed after minutes: it is armed only while the system is stopped, and until it is healthy.
const GUARD_MS = 3_600_000
// Runs and outages count as longer if the last three take twice the time of the history, and at least this many seconds
// more.
const DRIFT_RUNS = 3
const SLOWER_SECONDS = 60
const OUTAGE_SECONDS = 5

function trends(receipts: readonly StoredReceipt[], found: Found): void {
  const newestFirst = receipts.slice(0, STEP_RUNS + HISTORY_RUNS + 1).map(({ receipt }) => receipt)
  const series: [string, (receipt: Receipt) => number | undefined][] = [['bytes', receipt => receipt.bytes]]
  for (const name of Object.keys(newestFirst[0]?.counts ?? {})) series.push([name, receipt => receipt.counts[name]])
  const steps = series.flatMap(([name, value]) => {
    const at = step(newestFirst.map(value))
    return at === undefined ? [] : [{ name, ...at }]
  })
  for (const id of ['shrunk', 'grown'] as const) {
    const of = steps.filter(({ before, after }) => (id === 'shrunk' ? after < before : after > before))
    const start = Math.max(-1, ...of.map(({ index }) => index))
    const since = newestFirst[start]?.end
    if (of.length === 0 || !since) continue
    const named = of.slice(0, 3).map(({ name, before, after }) => `${name} ${before} → ${after}`)
    found(id, `${named.join(', ')}${of.length > 3 ? `, and ${of.length - 3} more` : ''}`, new Date(since))
  }
  drift('slower', newestFirst, runSeconds, SLOWER_SECONDS, found)
  drift('longer-outage', newestFirst, outageSeconds, OUTAGE_SECONDS, found)
}

/** A step in a series, newest first, that exceeds the previous variation and that still persists. */
function step(series: readonly (number | undefined)[]): { index: number; before: number; after: number } | undefined {
  const now = series[0]
  if (now === undefined) return undefined
  for (let index = 0; index < STEP_RUNS; index += 1) {
    const history = series.slice(index + 1, index + 1 + HISTORY_RUNS).filter(value => value !== undefined)
    const [after, before] = [series[index], history[0]]
    if (after === undefined || before === undefined || history.length < HISTORY_LEAST) return undefined
    const ordinary = Math.max(...history.slice(1).map((value, i) => change(value, history[i] as number)))
    if (change(before, after) <= BEYOND_ORDINARY * ordinary) continue
    if (after < before * SHRUNK && now < before * SHRUNK) return { index, before, after: now }
    if (after > before * GROWN && now > before * GROWN) return { index, before, after: now }
  }
  return undefined
}

// Symmetric for half and double; a drop to zero stays finite.
function change(from: number, to: number): number {
  return Math.abs(Math.log((to + 1) / (from + 1)))
}

function drift(
  id: 'slower' | 'longer-outage',
  newestFirst: readonly Receipt[],
  secondsOf: (receipt: Receipt) => number | undefined,
  least: number,
  found: Found,
): void {
  const measured = newestFirst.flatMap(receipt => {
    const seconds = secondsOf(receipt)
    return seconds === undefined ? [] : [{ receipt, seconds }]
  })
  const history = measured.slice(DRIFT_RUNS, DRIFT_RUNS + HISTORY_RUNS).map(({ seconds }) => seconds)
  if (history.length < HISTORY_LEAST) return
  const recent = measured.slice(0, DRIFT_RUNS)
  const [before, now] = [median(history), median(recent.map(({ seconds }) => seconds))]
  const since = recent.at(-1)?.receipt.end
  if (since && now > 2 * before && now - before > least) {
    found(id, `${duration(now * 1000)} in the last runs, ${duration(before * 1000)} before`, new Date(since))
  }
}

/** Duration of a run, seconds. */
export function runSeconds({ start, end }: Receipt): number {
  return (time(end) - time(start)) / 1000
}

/** How long the system was down for its backup, seconds; undefined for one that keeps running. */
export function outageSeconds(receipt: Receipt): number | undefined {
  const seconds = (receipt.details as Record<string, unknown>).healthySeconds
  return typeof seconds === 'number' ? seconds : undefined
}

/** How long a drill took until the copy was restored and compared, seconds. */
export function drillSeconds(receipt: Receipt): number | undefined {
  const { seconds } = receipt.details as Record<string, unknown>
  return typeof seconds === 'number' ? seconds : undefined
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

function unprovenText(copies: readonly Copy[], tree: Observed['tree']): string {
  const newest = copies[0]
  if (newest)
    return `${copies.length} copies, by their names; the newest, ${newest.key}, was taken at ${iso(newest.taken)}`
  if (!tree) return ''
  const count = `${tree.more ? 'more than ' : ''}${tree.objects} files`
  return `${count}${tree.newest ? `, the newest seen was written at ${iso(tree.newest)}` : ''}`
}

/** Both newest first. */
function merged(present: readonly StoredReceipt[], removed: readonly StoredReceipt[]): readonly StoredReceipt[] {
  return removed.length === 0 ? present : [...present, ...removed].sort((a, b) => (a.key < b.key ? 1 : -1))
}

function rightPlace({ key, receipt }: StoredReceipt, { system, bucket }: Expected): boolean {
  return receipt.system === system && receipt.bucket === bucket && key.endsWith(`${receipt.start}.json`)
}

const time = (text: string) => Date.parse(text)
const iso = (at: Date) => `${at.toISOString().slice(0, 19)}Z`
const age = (from: Date, now: Date) => duration(now.getTime() - from.getTime())
const byTaken = (a: Copy, b: Copy) => b.taken.getTime() - a.taken.getTime()
