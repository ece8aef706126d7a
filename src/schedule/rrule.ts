import { type Schedule, timeOf, timezoneOf, weekdays } from './schedule.ts'

const two = (n: number) => String(n).padStart(2, '0')

/**
 * The schedule in the form that AWX accepts: one `DTSTART` with its zone, a space, one `RRULE` with `INTERVAL` even if
 * that is 1 (AWX refuses a rule without it).
 *
 * `DTSTART` is the first matching day of 2026, not today, so that the same config always gives the same text.
 */
export function rrule(schedule: Schedule): string {
  const start = (day: number, hour: number, minute: number) =>
    `DTSTART;TZID=${timezoneOf(schedule)}:202601${two(day)}T${two(hour)}${two(minute)}00`
  switch (schedule.every) {
    case 'hour':
      return `${start(1, 0, schedule.minute)} RRULE:FREQ=HOURLY;INTERVAL=1`
    case 'day': {
      const { hour, minute } = timeOf(schedule)
      return `${start(1, hour, minute)} RRULE:FREQ=DAILY;INTERVAL=1`
    }
    case 'week': {
      const { hour, minute } = timeOf(schedule)
      const index = weekdays.indexOf(schedule.on)
      // 1 January 2026 was a Thursday, weekday 3 when Monday is 0.
      const first = 1 + ((index - 3 + 7) % 7)
      const byday = schedule.on.slice(0, 2).toUpperCase()
      return `${start(first, hour, minute)} RRULE:FREQ=WEEKLY;INTERVAL=1;BYDAY=${byday}`
    }
    case 'month': {
      const { hour, minute } = timeOf(schedule)
      return `${start(schedule.on, hour, minute)} RRULE:FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=${schedule.on}`
    }
  }
}
