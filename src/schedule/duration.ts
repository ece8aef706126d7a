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

// For more nobody plans, and the runs of such a time are too many to look at.
const LONGEST_DAYS = 30 * 366

/** A length of time as people write it: `28 days`, `1 h 10 min`, `2 years`. `undefined` if it is none, or over 30 years. */
export function parseDuration(text: string): Temporal.Duration | undefined {
  const trimmed = text.trim().toLowerCase()
  if (!/^(\d+ ?[a-z]+)( \d+ ?[a-z]+)*$/.test(trimmed)) return undefined
  const fields: Partial<Record<(typeof units)[keyof typeof units], number>> = {}
  for (const [, count, word = ''] of trimmed.matchAll(/(\d+) ?([a-z]+)/g)) {
    const field = units[word as keyof typeof units] ?? units[word.replace(/s$/, '') as keyof typeof units]
    if (!field || fields[field] !== undefined) return undefined
    fields[field] = Number(count)
  }
  // Temporal throws at numbers that are too large for it.
  if (Object.values(fields).some(count => count > LONGEST_DAYS * 24 * 60)) return undefined
  const duration = Temporal.Duration.from(fields)
  if (duration.blank) return undefined
  return duration.total({ unit: 'days', relativeTo: '2026-01-01' }) > LONGEST_DAYS ? undefined : duration
}

/** The moment a length of time before another. Days, months and years are those of the time zone's calendar. */
export function before(at: Temporal.Instant, length: Temporal.Duration, timezone: string): Temporal.Instant {
  return at.toZonedDateTimeISO(timezone).subtract(length).toInstant()
}
