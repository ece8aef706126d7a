import { Temporal } from 'temporal-polyfill'
import { type Schedule, timeOfDay, timezoneOf } from '../../schedule/index.ts'
import { placeOf, type Rule } from './rule.ts'

export const scheduleSkipped: Rule = {
  id: 'schedule-skipped',
  description:
    'A time that the clocks skip in spring does not exist on that day: AWX and Kubernetes both skip the run.',
  check: config =>
    config.systems.flatMap((system, index) => {
      const day = skippedOn(system.schedule)
      if (day === undefined) return []
      return [
        {
          severity: 'warning',
          path: placeOf(config, index, 'schedule'),
          message: `does not run on ${day}: in ${timezoneOf(system.schedule)} the clocks skip that hour`,
          suggest: "choose an hour that every day has, or the time zone 'Etc/UTC'",
        },
      ]
    }),
}

/** The first day of the years 2026 to 2029 on which the schedule's time is left out, `YYYY-MM-DD`. */
function skippedOn(schedule: Schedule): string | undefined {
  if (schedule.every === 'hour') return undefined
  const time = timeOfDay(schedule.at)
  if (!time) return undefined
  for (const change of springChanges(timezoneOf(schedule))) {
    const local = change.toPlainDate().toPlainDateTime(time)
    const real = local.toZonedDateTime(change.timeZoneId, { disambiguation: 'compatible' })
    if (real.toPlainDateTime().equals(local)) continue
    const weekday = change.toLocaleString('en', { weekday: 'long' }).toLowerCase()
    if (schedule.every === 'week' && schedule.on !== weekday) continue
    if (schedule.every === 'month' && schedule.on !== change.day) continue
    return change.toPlainDate().toString()
  }
  return undefined
}

const found = new Map<string, Temporal.ZonedDateTime[]>()

/** The moments after which a zone's clocks are ahead. An unknown zone, which another rule finds, has none. */
function springChanges(timezone: string): Temporal.ZonedDateTime[] {
  const known = found.get(timezone)
  if (known) return known
  const changes: Temporal.ZonedDateTime[] = []
  try {
    let at: Temporal.ZonedDateTime | null = Temporal.ZonedDateTime.from(`2026-01-01T00:00[${timezone}]`)
    for (at = at.getTimeZoneTransition('next'); at && at.year < 2030; at = at.getTimeZoneTransition('next')) {
      if (at.offsetNanoseconds > at.subtract({ nanoseconds: 1 }).offsetNanoseconds) changes.push(at)
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
  }
  found.set(timezone, changes)
  return changes
}
