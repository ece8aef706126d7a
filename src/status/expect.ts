import { Temporal } from 'temporal-polyfill'
import { kindOf, type System } from '../kinds/index.ts'
import { firstScheduleOf } from '../kinds/second.ts'
import { before, occurrences, parseDuration, type Schedule, timezoneOf } from '../schedule/index.ts'
import { type Expected, runSeconds } from '../store/assess.ts'
import type { StoredReceipt } from '../store/receipt.ts'

const HOUR_MS = 3_600_000
// The number of newest runs from which the duration of a run is estimated.
const RECENT_RUNS = 10

/**
 * What a system's schedule and promises require of its copies.
 *
 * A copy is overdue once the next run has had enough time: the latest start of that run, plus an hour or twice the
 * longest of the recent runs, but not more than a run may take. So a control plane that is down for some hours raises
 * no alarm as long as it is back in time to start the run.
 *
 * @param receipts newest first, for the duration of runs
 */
export function expectationsOf(system: System, receipts: readonly StoredReceipt[]): Expected {
  const facts = kindOf(system).copies(system)
  const longest = Math.max(0, ...receipts.slice(0, RECENT_RUNS).map(({ receipt }) => runSeconds(receipt) * 1000))
  const endsWithinMs = facts.endsWithinSeconds * 1000
  const graceMs = facts.startsWithinSeconds * 1000 + Math.min(endsWithinMs, Math.max(HOUR_MS, 2 * longest))
  const { drills } = facts
  // A second copy bears the time of the first, and the next can be made once there is a new first copy.
  const firstSchedule = firstScheduleOf(system)
  const firstDueBy = (taken: Date) =>
    firstSchedule ? new Date(nextRuns(firstSchedule, taken, 1).getTime() + graceMs) : taken
  const loseAtMost = lengthOf(system.loseAtMost)
  const restorableFor = lengthOf(system.restorableFor)
  return {
    system: system.name,
    bucket: system.bucket,
    keeps: facts.keeps,
    writesReceipts: facts.writesReceipts,
    endsWithinMs,
    dueBy: taken => new Date(nextRuns(system.schedule, firstDueBy(taken), 1).getTime() + graceMs),
    // One drill may fail, but not two in a row.
    ...(drills && { drillDueBy: last => new Date(nextRuns(drills, last, 2).getTime() + endsWithinMs) }),
    ...(loseAtMost && { loseAtMostMs: loseAtMost.total({ unit: 'milliseconds', relativeTo: '2026-01-01' }) }),
    ...(restorableFor && {
      restorableAt: now => {
        const at = Temporal.Instant.fromEpochMilliseconds(now.getTime())
        return new Date(before(at, restorableFor, timezoneOf(system.schedule)).epochMilliseconds)
      },
    }),
  }
}

/** When a schedule runs next, or the n-th time from now, counted from 1. */
export function nextRuns(schedule: Schedule, from: Date, count: number): Date {
  const runs = occurrences(schedule, Temporal.Instant.fromEpochMilliseconds(from.getTime()), count)
  return new Date((runs.at(-1) as Temporal.Instant).epochMilliseconds)
}

function lengthOf(text: string | undefined): Temporal.Duration | undefined {
  return text === undefined ? undefined : parseDuration(text)
}
