import { type AwxRule, placeOf } from './rule.ts'

export const rruleRefused: AwxRule = {
  id: 'awx-rrule-refused',
  description:
    'AWX reads less than the iCalendar standard: one DTSTART that is never naive, INTERVAL always written, no SECONDLY, RDATE, EXDATE or numbered BYDAY, COUNT or UNTIL but not both, COUNT up to 999, UNTIL in UTC.',
  check: ({ controller_schedules }) =>
    controller_schedules.flatMap(({ name, rrule }) =>
      refusals(rrule).map(({ message, suggest }) => ({
        path: placeOf('controller_schedules', name, 'rrule'),
        message: `AWX refuses \`${rrule}\`: ${message}`,
        suggest,
      })),
    ),
}

const start = 'DTSTART;TZID=Europe/London:20260102T180000'

function refusals(rrule: string): { message: string; suggest: string }[] {
  const starts = rrule.match(/DTSTART/g) ?? []
  const rules = rrule.split(/\s+/).filter(part => /^(RRULE|EXRULE):/.test(part))
  const found: { message: string; suggest: string }[] = []
  const refuse = (when: boolean, message: string, suggest: string) => {
    if (when) found.push({ message, suggest })
  }
  refuse(starts.length === 0, 'it has no DTSTART', `begin it with \`${start}\``)
  refuse(starts.length > 1, 'it has more than one DTSTART', 'keep the first')
  refuse(/DTSTART:\d{8}T\d{6}(?!Z)/.test(rrule), 'its DTSTART names no time zone', `write it as \`${start}\``)
  refuse(rules.length === 0, 'it has no RRULE', 'add `RRULE:FREQ=…;INTERVAL=1` after a space')
  refuse(/\b(RDATE|EXDATE)\b/.test(rrule), 'it has RDATE or EXDATE', 'say it with RRULE and EXRULE')
  for (const rule of rules) {
    const parts = new Map(
      rule
        .slice(rule.indexOf(':') + 1)
        .split(';')
        .map(part => part.split('=') as [string, string]),
    )
    refuse(!parts.has('INTERVAL'), 'it has no INTERVAL', 'add `;INTERVAL=1`')
    refuse(parts.get('FREQ') === 'SECONDLY', 'it runs every second', 'choose a longer FREQ')
    refuse(/\d/.test(parts.get('BYDAY') ?? ''), 'its BYDAY has a number', 'use BYSETPOS or BYMONTHDAY')
    refuse(parts.has('COUNT') && parts.has('UNTIL'), 'it has both COUNT and UNTIL', 'keep one of them')
    refuse(Number(parts.get('COUNT') ?? 0) > 999, 'its COUNT is over 999', 'leave COUNT out')
    refuse(parts.has('UNTIL') && !parts.get('UNTIL')?.endsWith('Z'), 'its UNTIL is not in UTC', 'end UNTIL with Z')
  }
  return found
}
