import { atMinute, inBytes } from '../report/quantities.ts'
import { table } from '../report/table.ts'
import { duration } from '../store/assess.ts'
import { effectOf, type FaultKind } from './faults.ts'
import type { Outcome } from './simulate.ts'
import type { Trial } from './trials.ts'

/** A system's outcome, and the promises that it breaks. */
export type Judged = Outcome & { readonly broken: readonly string[] }

const seconds = (count: number) => duration(count * 1000)

/** A table of outcomes, and the alarms in each. */
export function reportOutcomes(outcomes: readonly Judged[]): string {
  const rows = outcomes.map(({ system, runs, lost, worstLoss, shortestReach, months, mostBytes, alarms, broken }) => [
    system,
    runs,
    lost,
    seconds(worstLoss.seconds),
    shortestReach ? seconds(shortestReach.seconds) : 'all of it',
    Math.max(0, ...months.map(({ copies }) => copies)),
    inBytes(mostBytes),
    alarms.length,
    broken.join(', ') || '–',
  ])
  const header = [
    'system',
    'runs',
    'lost',
    'worst loss',
    'reaches back',
    'copies',
    'bytes',
    'alarms',
    'promises broken',
  ]
  const alarms = outcomes.flatMap(({ system, alarms: all }) =>
    all.map(({ id, message, from, to }) => {
      const span = `${atMinute(from)} to ${to ? atMinute(to) : 'the end'}`
      return `  ${system}: ${id}, ${span}: ${message}\n`
    }),
  )
  return `${table(header, rows)}${alarms.length > 0 ? `\nAlarms:\n${alarms.join('')}` : ''}`
}

/** A table of faults: which finding reports each, and after what time, over all systems. */
export function reportTrials(trials: readonly Trial[]): string {
  const kinds = [...new Set(trials.map(({ fault, expected }) => `${fault} ${expected}`))]
  const rows = kinds.map(kind => {
    const of = trials.filter(({ fault, expected }) => `${fault} ${expected}` === kind)
    const found = of.flatMap(({ afterSeconds, system }) =>
      afterSeconds === undefined ? [] : [{ afterSeconds, system }],
    )
    found.sort((a, b) => a.afterSeconds - b.afterSeconds)
    const [soonest, latest] = [found[0], found.at(-1)]
    const [fault, expected] = kind.split(' ') as [FaultKind, string]
    const missed = of.filter(({ afterSeconds }) => afterSeconds === undefined).map(({ system }) => system)
    return [
      effectOf(fault).title,
      expected,
      soonest ? `${seconds(soonest.afterSeconds)} (${soonest.system})` : '–',
      latest ? `${seconds(latest.afterSeconds)} (${latest.system})` : '–',
      missed.join(', ') || 'none',
    ]
  })
  return table(['fault', 'alarm', 'soonest', 'latest', 'missed by'], rows)
}
