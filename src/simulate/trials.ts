import { kindOf, type System } from '../kinds/index.ts'
import { nextRuns } from '../status/expect.ts'
import type { FindingId } from '../store/assess.ts'
import { effectOf, type FaultKind, faultKinds } from './faults.ts'
import { simulate } from './simulate.ts'

/** A fault that was injected into a system, and whether the finding that must report it appeared. */
export interface Trial {
  readonly system: string
  readonly fault: FaultKind
  readonly expected: FindingId
  /** From the start of the fault until the finding; missing if it never appeared. */
  readonly afterSeconds?: number
}

const DAY_MS = 86_400_000
const FROM = new Date('2026-01-01T00:00:00Z')
// Runs before the fault, so that there is a history to compare with, and drills;
const WARM_UP = { runs: 12, days: 15 }
// and after it, which is longer than any finding takes.
const PATIENCE = { runs: 6, days: 30 }

/** Inject each kind of fault into a system that has run for a while, and wait for its finding. */
export function trialsOf(system: System): Trial[] {
  const { clock, drills, keeps } = kindOf(system).copies(system)
  const single = 'copies' in keeps && keeps.copies < 2
  const after = (start: Date, { runs, days }: { runs: number; days: number }) =>
    new Date(Math.max(start.getTime() + days * DAY_MS, nextRuns(system.schedule, start, runs).getTime()))
  const from = after(FROM, WARM_UP)
  const to = after(from, PATIENCE)
  return (Object.keys(faultKinds) as FaultKind[]).flatMap(fault => {
    const { stops, needsOlder } = effectOf(fault)
    // If only drills are not started, only they are missed.
    const idle = (stops === 'awx' || stops === 'kubernetes') && stops !== clock
    const expected = idle ? 'drill-overdue' : effectOf(fault).expected
    if ((expected === 'drill-overdue' && (!drills || stops === 'kubernetes')) || (needsOlder && single)) return []
    const { alarms } = simulate({ system, from: FROM, to, faults: [{ kind: fault, from }], until: expected })
    const alarm = alarms.find(({ id }) => id === expected)
    const afterSeconds = alarm && (alarm.from.getTime() - from.getTime()) / 1000
    return [{ system: system.name, fault, expected, ...(afterSeconds !== undefined && { afterSeconds }) }]
  })
}
