import { Temporal } from 'temporal-polyfill'
import { before } from './duration.ts'
import { occurrences } from './occurrences.ts'
import { periodSeconds, type Schedule, timezoneOf } from './schedule.ts'

/** Two runs of a schedule with none between them. */
export interface Gap {
  readonly from: Temporal.Instant
  readonly to: Temporal.Instant
  readonly seconds: number
}

const START = Temporal.Instant.from('2026-01-01T00:00:00Z')
// Enough for every weekday to have met both changes of the clocks, and for a leap year.
const RUNS = { hour: 24 * 366, day: 6 * 366, week: 6 * 53, month: 6 * 12 } as const

/**
 * The longest time between two runs, both changes of the clocks, short months and times that a clock change skips
 * included. Throws a `RangeError` on a schedule that the rule `schedule-never-fires` refuses.
 */
export function longestGap(schedule: Schedule): Gap {
  const name = JSON.stringify(schedule)
  const known = longestGaps.get(name)
  if (known) return known
  const gaps = spans(occurrences(schedule, START, RUNS[schedule.every]), 1)
  const longest = gaps.reduce((a, b) => (b.seconds > a.seconds ? b : a))
  longestGaps.set(name, longest)
  return longest
}

// Many systems share a schedule.
const longestGaps = new Map<string, Gap>()

/** How far back, at the worst moment of some years, the oldest of so many copies was taken: just after a run. */
export function shortestReach(schedule: Schedule, copies: number): Gap {
  const reaches = spans(occurrences(schedule, START, RUNS[schedule.every] + copies), copies - 1)
  return reaches.reduce((a, b) => (b.seconds < a.seconds ? b : a))
}

/** How many copies must be kept so that, at any moment, one of them was taken that long ago or longer. */
export function copiesToReach(schedule: Schedule, length: Temporal.Duration): number {
  const zone = timezoneOf(schedule)
  const span = START.toZonedDateTimeISO(zone).add(length).epochMilliseconds - START.epochMilliseconds
  const runs = occurrences(schedule, START, RUNS[schedule.every] + Math.ceil(span / 1000 / periodSeconds(schedule)) + 2)
  let most = 1
  let oldest = 0
  runs.forEach((run, index) => {
    const wanted = before(run, length, zone)
    const reaches = (at: number) => runs[at] !== undefined && Temporal.Instant.compare(runs[at], wanted) <= 0
    while (reaches(oldest + 1)) oldest += 1
    if (reaches(oldest)) most = Math.max(most, index - oldest + 1)
  })
  return most
}

function spans(runs: readonly Temporal.Instant[], apart: number): Gap[] {
  return runs.slice(apart).map((to, index) => {
    const from = runs[index] as Temporal.Instant
    return { from, to, seconds: (to.epochMilliseconds - from.epochMilliseconds) / 1000 }
  })
}
