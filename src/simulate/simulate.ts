import { Temporal } from 'temporal-polyfill'
import { kindOf, type System } from '../kinds/index.ts'
import type { CopyFacts } from '../kinds/kind.ts'
import { occurrences, periodSeconds, type Schedule } from '../schedule/index.ts'
import { expectationsOf } from '../status/expect.ts'
import { assess, type FindingId } from '../store/assess.ts'
import { SimulatedBucket } from './bucket.ts'
import { effectOf, type Fault, lasts } from './faults.ts'

/** Input of a simulation. */
export interface Simulation {
  readonly system: System
  readonly from: Date
  readonly to: Date
  readonly faults?: readonly Fault[]
  /** Duration and size of this system's runs; without it they are assumed. */
  readonly measured?: { readonly bytes: number; readonly seconds: number }
  /** Stop as soon as this finding appears. */
  readonly until?: FindingId
}

/** A finding and the time during which it was present. */
export interface Alarm {
  readonly id: FindingId
  readonly message: string
  readonly from: Date
  readonly to?: Date
}

/** The result of a simulation. Spans are seconds. */
export interface Outcome {
  readonly system: string
  readonly runs: number
  /** Scheduled runs that did not start, or failed. */
  readonly lost: number
  /** The most data, as a time span, that was at risk at any moment. */
  readonly worstLoss: { readonly seconds: number; readonly at: Date }
  /** How far back a restore could reach at the worst moment after the first copy was pruned; missing if none was. */
  readonly shortestReach?: { readonly seconds: number; readonly at: Date }
  /** At the first of each month: what can be restored, and how long it takes. */
  readonly months: readonly {
    readonly at: Date
    readonly copies: number
    readonly bytes: number
    readonly oldest?: Date
  }[]
  readonly mostBytes: number
  readonly alarms: readonly Alarm[]
}

// Assumptions about a run without measurements.
const ASSUMED_SECONDS = 600
const ASSUMED_BYTES = 1024 ** 3
// Ordinary variation from run to run, and growth in a year.
const VARIATION = { seconds: 0.3, bytes: 0.01, growth: 0.3 }
// The restore of a drill takes this many times the duration of the run.
const DRILL_TIMES = 3
const YEAR_MS = 365 * 86_400_000

interface Event {
  readonly at: Date
  readonly act: () => void
}

/**
 * Run a system's schedule through some years, with the given faults, on a bucket in memory, and assess it with the code
 * of `status` after every run and at every moment at which a finding falls due. The same input always has the same
 * outcome.
 */
export function simulate({ system, from, to, faults = [], measured, until }: Simulation): Outcome {
  const facts = kindOf(system).copies(system)
  const bucket = new SimulatedBucket(system.name, system.bucket, facts.keeps)
  const seconds = Math.min(measured?.seconds ?? ASSUMED_SECONDS, facts.endsWithinSeconds / 2)
  const random = randomOf(system.name)
  const watch = new Watch(system, bucket)
  const events: Event[] = []
  let lost = 0
  let runs = 0

  for (const due of startsOf(system.schedule, facts.clock, facts.startsWithinSeconds, from, to, faults)) {
    const at = due.start
    const during = at ? faults.filter(fault => lasts(fault, at)) : []
    if (!at || during.some(({ kind }) => effectOf(kind).stops === 'runs')) {
      lost += 1
      continue
    }
    const factor = (what: 'bytes' | 'seconds') =>
      during.reduce((product, { kind }) => product * (effectOf(kind)[what] ?? 1), 1)
    const took = seconds * (1 + VARIATION.seconds * random()) * factor('seconds')
    const years = (at.getTime() - from.getTime()) / YEAR_MS
    const grown = (measured?.bytes ?? ASSUMED_BYTES) * (1 + VARIATION.growth * years)
    const bytes = Math.round(grown * (1 + VARIATION.bytes * random()) * factor('bytes'))
    const end = new Date(at.getTime() + took * 1000)
    runs += 1
    events.push({ at: end, act: () => bucket.store({ start: at, end, bytes }) })
  }
  if (facts.drills) {
    for (const { start } of startsOf(facts.drills, 'awx', Number.POSITIVE_INFINITY, from, to, faults)) {
      if (!start || faults.some(fault => effectOf(fault.kind).stops === 'drills' && lasts(fault, start))) continue
      const end = new Date(start.getTime() + seconds * DRILL_TIMES * 1000)
      events.push({ at: end, act: () => bucket.objects.length > 0 && bucket.drill(start, end) })
    }
  }
  for (const { kind, from: begins } of faults) {
    events.push({ at: begins, act: () => effectOf(kind).harm?.(bucket, begins) })
  }
  events.sort((a, b) => a.at.getTime() - b.at.getTime())

  for (const { at, act } of events) {
    if (at > to) break
    watch.reach(at)
    act()
    watch.look(at)
    if (until && watch.sees(until)) break
  }
  if (!until || !watch.sees(until)) watch.reach(to)
  return { system: system.name, runs, lost, ...watch.outcome() }
}

/** Assesses the bucket whenever the findings may change, and records the results. */
class Watch {
  readonly #system: System
  readonly #bucket: SimulatedBucket
  readonly #open = new Map<FindingId, Alarm>()
  readonly #closed: Alarm[] = []
  #until: Date | undefined
  #newest: Date | undefined
  #oldest: Date | undefined
  #worstLoss = { seconds: 0, at: new Date(0) }
  #shortestReach: { seconds: number; at: Date } | undefined
  #mostBytes = 0
  readonly #months: { at: Date; copies: number; bytes: number; oldest?: Date }[] = []
  #month = ''

  constructor(system: System, bucket: SimulatedBucket) {
    this.#system = system
    this.#bucket = bucket
  }

  /** Advance the time to a moment, and assess wherever a finding falls due on the way. */
  reach(moment: Date): void {
    while (this.#until && this.#until < moment) this.look(new Date(this.#until.getTime() + 1))
    if (!this.#newest) return
    const seconds = (moment.getTime() - this.#newest.getTime()) / 1000
    if (seconds > this.#worstLoss.seconds) this.#worstLoss = { seconds, at: moment }
  }

  look(now: Date): void {
    const observed = this.#bucket.observed()
    // Before its first run a system rightly has no copy.
    if (observed.receipts.length === 0) return
    const { findings, good, until } = assess(expectationsOf(this.#system, observed.receipts), observed, now)
    this.#until = until
    const ids = new Set(findings.map(({ id }) => id))
    for (const { id, message } of findings) if (!this.#open.has(id)) this.#open.set(id, { id, message, from: now })
    for (const [id, alarm] of this.#open) {
      if (ids.has(id)) continue
      this.#open.delete(id)
      this.#closed.push({ ...alarm, to: now })
    }
    this.#newest = good[0]?.taken
    const oldest = good.at(-1)?.taken
    if (this.#oldest && oldest && oldest > this.#oldest) {
      const seconds = (now.getTime() - oldest.getTime()) / 1000
      if (seconds < (this.#shortestReach?.seconds ?? Number.POSITIVE_INFINITY))
        this.#shortestReach = { seconds, at: now }
    }
    this.#oldest = oldest
    const bytes = this.#bucket.objects.reduce((sum, object) => sum + object.bytes, 0)
    this.#mostBytes = Math.max(this.#mostBytes, bytes)
    const month = now.toISOString().slice(0, 7)
    if (month !== this.#month) this.#months.push({ at: now, copies: good.length, bytes, ...(oldest && { oldest }) })
    this.#month = month
  }

  sees(id: FindingId): boolean {
    return this.#open.has(id) || this.#closed.some(alarm => alarm.id === id)
  }

  outcome() {
    return {
      worstLoss: this.#worstLoss,
      ...(this.#shortestReach && { shortestReach: this.#shortestReach }),
      months: this.#months,
      mostBytes: this.#mostBytes,
      alarms: [...this.#closed, ...this.#open.values()].sort((a, b) => a.from.getTime() - b.from.getTime()),
    }
  }
}

/**
 * The times at which runs really start. The scheduler may be down: AWX and Kubernetes both start a missed run once,
 * when they are back, unless it is too late.
 */
function* startsOf(
  schedule: Schedule,
  clock: CopyFacts['clock'],
  startsWithinSeconds: number,
  from: Date,
  to: Date,
  faults: readonly Fault[],
): Generator<{ due: Date; start?: Date }> {
  const away = faults.filter(({ kind }) => effectOf(kind).stops === clock)
  const count = Math.ceil((to.getTime() - from.getTime()) / 1000 / periodSeconds(schedule)) + 1
  const runs = occurrences(schedule, Temporal.Instant.fromEpochMilliseconds(from.getTime()), count)
    .map(instant => new Date(instant.epochMilliseconds))
    .filter(due => due <= to)
  for (const [index, due] of runs.entries()) {
    const fault = away.find(each => lasts(each, due))
    if (!fault) yield { due, start: due }
    else {
      const back = fault.to
      const next = runs[index + 1]
      const caughtUp = back && (!next || next >= back) && back.getTime() - due.getTime() <= startsWithinSeconds * 1000
      yield caughtUp ? { due, start: back } : { due }
    }
  }
}

/** Numbers from -1 to 1 that depend only on the seed (mulberry32). */
function randomOf(seed: string): () => number {
  let state = [...seed].reduce((sum, char) => (Math.imul(sum, 31) + char.charCodeAt(0)) | 0, 7)
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return (((t ^ (t >>> 14)) >>> 0) / 4294967296) * 2 - 1
  }
}
