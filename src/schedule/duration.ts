import { Temporal } from 'temporal-polyfill'

const units = {
  year: 'years',
  month: 'months',
  week: 'weeks',
  day: 'days',
  d: 'days',
  hour: 'hours',
  h: 'hours',
  minute: 'minutes',
  min: 'minutes',
} as const

/** A length of time as people write it: `28 days`, `1 h 10 min`, `2 years`. `undefined` if the text is none. */
export function parseDuration(text: string): Temporal.Duration | undefined {
  const trimmed = text.trim().toLowerCase()
  if (!/^(\d+ ?[a-z]+)( \d+ ?[a-z]+)*$/.test(trimmed)) return undefined
  const fields: Partial<Record<(typeof units)[keyof typeof units], number>> = {}
  for (const [, count, word = ''] of trimmed.matchAll(/(\d+) ?([a-z]+)/g)) {
    const field = units[word as keyof typeof units] ?? units[word.replace(/s$/, '') as keyof typeof units]
    if (!field || fields[field] !== undefined) return undefined
    fields[field] = Number(count)
  }
  const duration = Temporal.Duration.from(fields)
  return duration.blank ? undefined : duration
}

/** The moment a length of time before another. Days, months and years are those of the time zone's calendar. */
export function before(at: Temporal.Instant, length: Temporal.Duration, timezone: string): Temporal.Instant {
  return at.toZonedDateTimeISO(timezone).subtract(length).toInstant()
}
