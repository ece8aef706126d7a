import { execa } from 'execa'
import { Temporal } from 'temporal-polyfill'
import { beforeAll, describe, expect, it } from 'vitest'
import { ensureVenv } from '../../../src/ansible/venv.ts'
import {
  cron,
  describeSchedule,
  occurrences,
  rrule,
  type Schedule,
  timezoneOf,
  weekdays,
} from '../../../src/schedule/index.ts'

const schedules: Schedule[] = [
  { every: 'hour', minute: 51 },
  { every: 'day', at: '03:07' },
  { every: 'day', at: '04:04', timezone: 'Europe/London' },
  // In Europe/London 01:30 does not exist on the last Sunday of March, and exists twice on the last of October.
  { every: 'day', at: '01:30', timezone: 'Europe/London' },
  ...weekdays.map((on): Schedule => ({ every: 'week', on, at: '18:00', timezone: 'Europe/London' })),
  { every: 'week', on: 'sunday', at: '02:30', timezone: 'America/New_York' },
  { every: 'month', on: 1, at: '00:00' },
  { every: 'month', on: 31, at: '23:59', timezone: 'Pacific/Auckland' },
]

describe('cron', () => {
  it.each<[Schedule, string]>([
    [{ every: 'hour', minute: 51 }, '51 * * * *'],
    [{ every: 'day', at: '03:07' }, '7 3 * * *'],
    [{ every: 'week', on: 'friday', at: '18:00' }, '0 18 * * 5'],
    [{ every: 'week', on: 'sunday', at: '00:05' }, '5 0 * * 0'],
    [{ every: 'month', on: 28, at: '12:30' }, '30 12 28 * *'],
  ])('%j → %s', (schedule, text) => expect(cron(schedule)).toBe(text))
})

describe('rrule', () => {
  it('is the text that AWX takes, for Rancher', () => {
    expect(rrule({ every: 'week', on: 'friday', at: '18:00', timezone: 'Europe/London' })).toBe(
      'DTSTART;TZID=Europe/London:20260102T180000 RRULE:FREQ=WEEKLY;INTERVAL=1;BYDAY=FR',
    )
  })
})

it('describes a schedule in words', () => {
  expect(schedules.map(describeSchedule)).toMatchSnapshot()
})

describe('the next runs are those that dateutil, which AWX schedules with, finds for the rrule', () => {
  let python: string
  beforeAll(async () => {
    python = `${await ensureVenv(() => {})}/python`
  }, 600_000)

  // As AWX does it: the rule is expanded in the zone's wall time, and times that the clock skips are left out.
  const oracle = `
import sys, json, datetime
from dateutil import rrule, tz
text, after, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
zone = tz.gettz(text.split('TZID=')[1].split(':')[0])
rule = rrule.rrulestr(text.replace(' ', '\\n'), tzids=lambda name: tz.gettz(name))
start = datetime.datetime.fromisoformat(after).astimezone(zone)
found = []
for run in rule.xafter(start):
    if not tz.datetime_exists(run): continue
    found.append(run.astimezone(tz.UTC).strftime('%Y-%m-%dT%H:%M:%SZ'))
    if len(found) == count: break
print(json.dumps(found))
`

  it.each(schedules.filter(s => s.every !== 'hour'))('%j', async schedule => {
    const from = '2026-01-01T00:00:00Z'
    // After 2037 dateutil has no daylight saving time: it reads only the first, 32-bit part of the zone files.
    const count = { day: 800, week: 150, month: 70 }[schedule.every as 'day' | 'week' | 'month']
    const { stdout } = await execa(python, ['-c', oracle, rrule(schedule), from.replace('Z', '+00:00'), String(count)])
    const ours = occurrences(schedule, Temporal.Instant.from(from), count).map(String)
    expect(ours, `in ${timezoneOf(schedule)}`).toEqual(JSON.parse(stdout))
  })

  it('an hourly run comes every hour of real time, through both clock changes', () => {
    const runs = occurrences(
      { every: 'hour', minute: 51, timezone: 'Europe/London' },
      Temporal.Instant.from('2026-01-01T00:00:00Z'),
      8760,
    )
    const gaps = new Set(runs.slice(1).map((run, i) => run.since(runs[i] as Temporal.Instant).total('seconds')))
    expect([...gaps]).toEqual([3600])
  })
})
