import Type from 'typebox'

const zone = Type.Optional(
  Type.String({ description: 'An IANA time zone, such as `Europe/London`. Default: `Etc/UTC`', format: 'timezone' }),
)
const at = Type.String({ description: 'The time of day, `HH:MM`, 00:00 to 23:59' })

export const weekdays = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'] as const

const hourly = Type.Object(
  {
    every: Type.Literal('hour', { description: 'Every hour' }),
    minute: Type.Integer({ description: 'The minute of the hour, 0 to 59' }),
    timezone: zone,
  },
  { additionalProperties: false },
)
const daily = Type.Object(
  { every: Type.Literal('day', { description: 'Every day' }), at, timezone: zone },
  { additionalProperties: false },
)
const weekly = Type.Object(
  {
    every: Type.Literal('week', { description: 'Every week' }),
    on: Type.Enum([...weekdays], { description: 'The weekday' }),
    at,
    timezone: zone,
  },
  { additionalProperties: false },
)
const monthly = Type.Object(
  {
    every: Type.Literal('month', { description: 'Every month' }),
    on: Type.Integer({ description: 'The day of the month, 1 to 31' }),
    at,
    timezone: zone,
  },
  { additionalProperties: false },
)

/** The schedule's forms by the value of `every`. */
export const scheduleForms = { hour: hourly, day: daily, week: weekly, month: monthly } as const

/**
 * When something runs: the one form of schedule in this project. `cron`, `rrule` and `occurrences` are made from
 * it, and neither of the first two is written by hand anywhere.
 */
export const scheduleSchema = Type.Union([hourly, daily, weekly, monthly], {
  description: 'When it runs: `{ every, minute | at, on, timezone }`',
})
export type Schedule = Type.Static<typeof scheduleSchema>

/** The schedule's time zone, an IANA name. */
export function timezoneOf(schedule: Schedule): string {
  return schedule.timezone ?? 'Etc/UTC'
}

/** Hour and minute of `HH:MM`; `undefined` if the text is not a time of day. */
export function timeOfDay(text: string): { hour: number; minute: number } | undefined {
  const match = /^(\d{2}):(\d{2})$/.exec(text)
  if (!match) return undefined
  const [hour, minute] = [Number(match[1]), Number(match[2])]
  return hour <= 23 && minute <= 59 ? { hour, minute } : undefined
}

/** Hour and minute of a schedule that is not hourly. Throws on a text that the rule `schedule-never-fires` refuses. */
export function timeOf(schedule: Exclude<Schedule, { every: 'hour' }>): { hour: number; minute: number } {
  const time = timeOfDay(schedule.at)
  if (!time) throw new RangeError(`"${schedule.at}" is not a time of day`)
  return time
}

/** The shortest time between two runs, in seconds, leaving clock changes aside. */
export function periodSeconds(schedule: Schedule): number {
  return { hour: 3600, day: 86_400, week: 7 * 86_400, month: 28 * 86_400 }[schedule.every]
}

/** The schedule in words for descriptions: `every Friday at 18:00 (Europe/London)`. */
export function describeSchedule(schedule: Schedule): string {
  const zoneText = `(${timezoneOf(schedule)})`
  switch (schedule.every) {
    case 'hour':
      return `every hour at minute ${schedule.minute} ${zoneText}`
    case 'day':
      return `every day at ${schedule.at} ${zoneText}`
    case 'week':
      return `every ${schedule.on.charAt(0).toUpperCase()}${schedule.on.slice(1)} at ${schedule.at} ${zoneText}`
    case 'month':
      return `on day ${schedule.on} of every month at ${schedule.at} ${zoneText}`
  }
}
