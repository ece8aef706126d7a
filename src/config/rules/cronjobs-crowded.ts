import { Temporal } from 'temporal-polyfill'
import { kindOf } from '../../kinds/index.ts'
import { type Schedule, timeOfDay, timezoneOf } from '../../schedule/index.ts'
import { type Finding, placeOf, type Rule } from './rule.ts'

// More runs that start together end no sooner: they share the node, the network and the store, in one peak a day.
const MOST = 10
const HOUR = 60
const DAY = 24 * HOUR

export const cronjobsCrowded: Rule = {
  id: 'cronjobs-crowded',
  description: `Not more than ${MOST} CronJobs of a cluster are due at the same minute: they would load its nodes and the store in one peak.`,
  check: config => {
    const placed = config.systems.map((system, index) => ({
      cluster: kindOf(system).cluster(system),
      schedule: system.schedule,
      index,
    }))
    const clusters = Map.groupBy(
      placed.filter(({ cluster }) => cluster !== undefined),
      ({ cluster }) => cluster,
    )
    return [...clusters].flatMap(([cluster, members]): Finding[] => {
      const due = Array.from({ length: DAY }, (): number[] => [])
      for (const { schedule, index } of members) for (const minute of minutesOf(schedule)) due[minute]?.push(index)
      const most = due.reduce((fullest, minute) => (minute.length > fullest.length ? minute : fullest))
      const [first] = most
      if (first === undefined || most.length <= MOST) return []
      const at = due.indexOf(most)
      const time = `${String(Math.floor(at / HOUR)).padStart(2, '0')}:${String(at % HOUR).padStart(2, '0')}`
      return [
        {
          severity: 'warning',
          path: placeOf(config, first, 'schedule'),
          message: `${most.length} CronJobs of \`${cluster}\` are due at ${time} UTC`,
          suggest: `spread them: each minute between ${time} and the next hour takes some of them`,
        },
      ]
    })
  },
}

/** The minutes of a day in UTC, in winter, at which a run may be due; weekly and monthly runs as on their day. */
function minutesOf(schedule: Schedule): number[] {
  const offset = offsetOf(timezoneOf(schedule))
  const inDay = (minute: number) => (((minute - offset) % DAY) + DAY) % DAY
  if (schedule.every === 'hour') return Array.from({ length: 24 }, (_, hour) => inDay(hour * HOUR + schedule.minute))
  const time = timeOfDay(schedule.at)
  return time ? [inDay(time.hour * HOUR + time.minute)] : []
}

/** Minutes by which a zone is ahead of UTC in January; 0 for one that another rule refuses. */
function offsetOf(timezone: string): number {
  try {
    return Temporal.ZonedDateTime.from(`2026-01-15T12:00[${timezone}]`).offsetNanoseconds / 60e9
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return 0
  }
}
