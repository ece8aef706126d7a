import { Temporal } from 'temporal-polyfill'
import { type Schedule, timeOf, timezoneOf, weekdays } from './schedule.ts'

/**
 * The runs of a schedule after `from`, the first `count`, as instants in UTC.
 *
 * A local time that the clock change in spring skips does not occur: both AWX (dateutil) and Kubernetes (robfig/cron)
 * skip it. In autumn the first of the two equal hours counts, as in dateutil. An hourly schedule runs once an
 * elapsed hour.
 */
export function occurrences(schedule: Schedule, from: Temporal.Instant, count: number): Temporal.Instant[] {
  const found: Temporal.Instant[] = []
  for (const instant of each(schedule, from)) {
    if (found.length === count) break
    found.push(instant)
  }
  return found
}

function* each(schedule: Schedule, from: Temporal.Instant): Generator<Temporal.Instant> {
  const timezone = timezoneOf(schedule)
  const start = from.toZonedDateTimeISO(timezone)
  if (schedule.every === 'hour') {
    let next = start.round({ smallestUnit: 'hour', roundingMode: 'floor' }).add({ minutes: schedule.minute })
    while (true) {
      if (Temporal.Instant.compare(next.toInstant(), from) > 0) yield next.toInstant()
      next = next.add({ hours: 1 })
    }
  }
  const { hour, minute } = timeOf(schedule)
  for (let date = start.toPlainDate(); ; date = date.add({ days: 1 })) {
    if (schedule.every === 'week' && weekdays[date.dayOfWeek - 1] !== schedule.on) continue
    if (schedule.every === 'month' && date.day !== schedule.on) continue
    const local = date.toPlainDateTime({ hour, minute })
    const instant = local.toZonedDateTime(timezone, { disambiguation: 'earlier' })
    const inGap = Temporal.PlainDateTime.compare(instant.toPlainDateTime(), local) !== 0
    if (!inGap && Temporal.Instant.compare(instant.toInstant(), from) > 0) yield instant.toInstant()
  }
}
