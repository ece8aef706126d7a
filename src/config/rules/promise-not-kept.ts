import { Temporal } from 'temporal-polyfill'
import { kindOf, type System } from '../../kinds/index.ts'
import {
  before,
  copiesToReach,
  describeSchedule,
  longestGap,
  parseDuration,
  shortestReach,
  timezoneOf,
} from '../../schedule/index.ts'
import { type Finding, placeOf, type Rule } from './rule.ts'

export const promiseNotKept: Rule = {
  id: 'promise-not-kept',
  description:
    'A promise (`restorableFor`, `loseAtMost`) that the schedule and the number of copies cannot keep, even if every run succeeds, is noticed only when it is needed.',
  check: config =>
    config.systems.flatMap((system, index) =>
      (['restorableFor', 'loseAtMost'] as const).flatMap(key => {
        const text = system[key]
        const found = text === undefined ? undefined : broken(system, key, text)
        return found ? [{ path: placeOf(config, index, key), ...found }] : []
      }),
    ),
}

type Broken = Pick<Finding, 'message' | 'suggest'>

function broken(system: System, key: 'restorableFor' | 'loseAtMost', text: string): Broken | undefined {
  const length = parseDuration(text)
  if (!length) {
    return {
      message: `"${text}" is not a length of time, or over 30 years`,
      suggest: "write one such as '28 days' or '1 h 10 min'",
    }
  }
  try {
    return key === 'loseAtMost' ? losesMore(system, length) : reachesLess(system, length)
  } catch (error) {
    // The schedule never fires, which is another rule's finding.
    if (error instanceof RangeError) return undefined
    throw error
  }
}

function losesMore({ schedule }: System, length: Temporal.Duration): Broken | undefined {
  const { seconds, from, to } = longestGap(schedule)
  const promised = from.toZonedDateTimeISO(timezoneOf(schedule)).add(length).toInstant()
  // A run takes time of its own: until it ends, all that changed since the run before began can be lost.
  if (Temporal.Instant.compare(to, promised) < 0) return undefined
  return {
    message: `cannot be kept: ${describeSchedule(schedule)} leaves ${inWords(seconds)} between the runs of ${from} and ${to}, and the run itself takes time on top`,
    suggest: 'schedule it more often, or promise more than that',
  }
}

function reachesLess(system: System, length: Temporal.Duration): Broken | undefined {
  const { keeps } = kindOf(system).copies(system)
  const { schedule } = system
  if ('days' in keeps) {
    const now = Temporal.Instant.from('2026-01-01T00:00:00Z')
    const back = (by: Temporal.Duration) => before(now, by, timezoneOf(schedule))
    if (Temporal.Instant.compare(back(Temporal.Duration.from(keeps)), back(length)) <= 0) return undefined
    return {
      message: `cannot be kept: deleted and replaced files are kept for ${keeps.days} days`,
      suggest: `promise at most '${keeps.days} days'`,
    }
  }
  const enough = copiesToReach(schedule, length)
  if (keeps.copies >= enough) return undefined
  const { seconds } = shortestReach(schedule, keeps.copies)
  return {
    message: `cannot be kept: with \`keep: ${keeps.copies}\`, run ${describeSchedule(schedule)}, the oldest copy may be only ${inWords(seconds)} old`,
    suggest: `write \`keep: ${enough}\`, or promise less`,
  }
}

function inWords(seconds: number): string {
  const { days, hours, minutes } = Temporal.Duration.from({ seconds }).round({ largestUnit: 'days' })
  const parts = [
    [days, 'd'],
    [hours, 'h'],
    [minutes, 'min'],
  ] as const
  const words = parts.filter(([count]) => count > 0).map(([count, unit]) => `${count} ${unit}`)
  return words.join(' ') || '0 min'
}
