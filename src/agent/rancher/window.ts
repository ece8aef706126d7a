/** When a run may stop Rancher: from a local time, for a number of minutes. */
export interface Window {
  /** `monday` … `sunday`; undefined: every day. */
  readonly weekday?: string
  /** `18:00`; undefined: every hour, at `minute`. */
  readonly from?: string
  readonly minute?: number
  readonly minutes: number
  /** IANA's name: `Europe/London`. */
  readonly timezone: string
}

/** Read a window from JSON. @returns the window, or what is wrong with it */
export function parseWindow(text: string): Window | string {
  let value: Partial<Window>
  try {
    value = JSON.parse(text) as Partial<Window>
  } catch {
    return 'is not JSON'
  }
  if (typeof value !== 'object' || value === null) return 'is not an object'
  const { weekday, from, minute, minutes, timezone } = value
  if (weekday !== undefined && !isWeekday(weekday)) return 'has a "weekday" that is not one like "monday"'
  if (from !== undefined ? !/^([01]\d|2[0-3]):[0-5]\d$/.test(from) : !Number.isInteger(minute)) {
    return 'has neither a "from" like "18:00" nor a "minute"'
  }
  if (!Number.isInteger(minutes) || Number(minutes) < 1 || Number(minutes) > 1440)
    return 'has no "minutes" from 1 to 1440'
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone ?? '' })
  } catch {
    return `has no known "timezone", like "Europe/London"`
  }
  return value as Window
}

/**
 * Whether a moment is inside the window. Minutes are elapsed time from the moment the local clock shows the
 * window's start, so clock changes need no rule of their own.
 */
export function insideWindow(window: Window, now: Date): boolean {
  const clock = new Intl.DateTimeFormat('en-GB', {
    timeZone: window.timezone,
    weekday: 'long',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  })
  for (let ago = 0; ago < window.minutes; ago += 1) {
    const parts = new Map(clock.formatToParts(now.getTime() - ago * 60_000).map(({ type, value }) => [type, value]))
    const onDay = window.weekday === undefined || parts.get('weekday')?.toLowerCase() === window.weekday
    const atTime =
      window.from === undefined
        ? Number(parts.get('minute')) === window.minute
        : `${parts.get('hour')}:${parts.get('minute')}` === window.from
    if (onDay && atTime) return true
  }
  return false
}

/** Whether a text is the English name of a day of the week, in lower case. */
function isWeekday(text: string): boolean {
  const days = Array.from({ length: 7 }, (_, day) => new Date(Date.UTC(2024, 0, day + 1)))
  return days.some(day => day.toLocaleString('en', { weekday: 'long', timeZone: 'UTC' }).toLowerCase() === text)
}

/** A window for people: `friday from 18:00, 120 minutes, Europe/London`. */
export function describeWindow({ weekday, from, minute, minutes, timezone }: Window): string {
  const at = from === undefined ? `at minute ${minute} of each hour` : `from ${from}`
  return `${weekday ?? 'every day'} ${at}, ${minutes} minutes, ${timezone}`
}
