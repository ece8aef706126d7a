import { expect, it } from 'vitest'
import production from '../../../backups.config.ts'
import { type Config, checkConfig } from '../../../src/config/index.ts'
import { longestGap, parseDuration, type Schedule, shortestReach } from '../../../src/schedule/index.ts'

const hourly: Schedule = { every: 'hour', minute: 51 }
const nightly: Schedule = { every: 'day', at: '03:07', timezone: 'Europe/London' }
const utc: Schedule = { every: 'day', at: '03:07' }
const weekly: Schedule = { every: 'week', on: 'friday', at: '18:00', timezone: 'Europe/London' }

it.each([
  ['28 days', 'P28D'],
  ['1 h 10 min', 'PT1H10M'],
  ['1h 10min', 'PT1H10M'],
  ['2 years', 'P2Y'],
  ['1 Day 12 hours', 'P1DT12H'],
  ['6 months', 'P6M'],
])('"%s" is the length of time %s', (text, iso) => {
  expect(parseDuration(text)?.toString()).toBe(iso)
})

it.each([
  '',
  '28',
  'days',
  '0 days',
  '1 day 1 day',
  '-1 day',
  '1.5 h',
  'a week',
  '31 years',
  '99999999999999999999 days',
])('"%s" is no length of time', text => {
  expect(parseDuration(text)).toBeUndefined()
})

it.each<[string, Schedule, number, string]>([
  ['hourly', hourly, 3600, ''],
  ['daily in UTC', utc, 86_400, ''],
  ['daily in London: the night in October', nightly, 90_000, '2026-10-24'],
  ['weekly in London: the week in October', weekly, 7 * 86_400 + 3600, '2026-10-23'],
  ['a time that the spring change skips: two nights', { ...nightly, at: '01:30' }, 47 * 3600, '2026-03-28'],
  ['monthly: a month of 31 days', { every: 'month', on: 1, at: '00:00' }, 31 * 86_400, '2026-03-01'],
  ['day 31, which every second month lacks', { every: 'month', on: 31, at: '00:00' }, 61 * 86_400, '2026-03-31'],
])('the longest gap of %s', (_, schedule, seconds, from) => {
  const gap = longestGap(schedule)
  expect(gap.seconds).toBe(seconds)
  expect(gap.from.toString()).toContain(from)
})

it('the oldest of 28 nightly copies is 27 days old just after a run, an hour less in spring', () => {
  expect(shortestReach(utc, 28).seconds).toBe(27 * 86_400)
  expect(shortestReach(nightly, 28).seconds).toBe(27 * 86_400 - 3600)
})

/** The rule's findings about one system with these fields changed. */
function said(index: number, change: object): string[] {
  const config = structuredClone(production) as Config
  Object.assign(config.systems[index] as object, change)
  return checkConfig(config, 'c').problems.map(
    ({ ruleId, location, message, suggest }) => `${ruleId} ${location.path}: ${message} → ${suggest}`,
  )
}
const database = 1
const media = 4

it.each<[string, number, object]>([
  ['29 nightly copies reach back 28 days', database, { keep: 29, restorableFor: '28 days', schedule: utc }],
  [
    'and in London, where a day is 23 hours once a year',
    database,
    { keep: 29, restorableFor: '28 days', schedule: nightly },
  ],
  ['hourly may lose an hour and ten minutes', database, { schedule: hourly, loseAtMost: '1 h 10 min' }],
  ['nightly in London may lose a day and two hours', database, { schedule: nightly, loseAtMost: '26 h' }],
  ['106 weekly copies reach back two years', database, { keep: 106, schedule: weekly, restorableFor: '2 years' }],
  ['deleted files are kept for 30 days', media, { restorableFor: '30 days' }],
])('a promise that is kept: %s', (_, index, change) => {
  expect(said(index, change)).toEqual([])
})

it.each<[string, number, object, string]>([
  [
    'one copy too few',
    database,
    { restorableFor: '28 days' },
    'promise-not-kept systems[1] (infra-db-development).restorableFor: cannot be kept: with `keep: 28`, run every day at 03:07 (Etc/UTC), the oldest copy may be only 27 d old → write `keep: 29`, or promise less',
  ],
  [
    'a "weekly" count of two years on a daily schedule',
    database,
    { keep: 104, restorableFor: '2 years' },
    'promise-not-kept systems[1] (infra-db-development).restorableFor: cannot be kept: with `keep: 104`, run every day at 03:07 (Etc/UTC), the oldest copy may be only 103 d old → write `keep: 732`, or promise less',
  ],
  [
    'the hour itself, for a run takes time',
    database,
    { schedule: hourly, loseAtMost: '1 h' },
    'promise-not-kept systems[1] (infra-db-development).loseAtMost: cannot be kept: every hour at minute 51 (Etc/UTC) leaves 1 h between the runs of 2026-01-01T00:51:00Z and 2026-01-01T01:51:00Z, and the run itself takes time on top → schedule it more often, or promise more than that',
  ],
  [
    'the night in October that is an hour longer',
    database,
    { schedule: nightly, loseAtMost: '24 h 30 min' },
    'promise-not-kept systems[1] (infra-db-development).loseAtMost: cannot be kept: every day at 03:07 (Europe/London) leaves 1 d 1 h between the runs of 2026-10-24T02:07:00Z and 2026-10-25T03:07:00Z, and the run itself takes time on top → schedule it more often, or promise more than that',
  ],
  [
    'deleted files for longer than they are kept',
    media,
    { restorableFor: '3 months' },
    "promise-not-kept systems[4] (production-stack-media).restorableFor: cannot be kept: deleted and replaced files are kept for 30 days → promise at most '30 days'",
  ],
  [
    'no length of time',
    database,
    { restorableFor: 'long' },
    "promise-not-kept systems[1] (infra-db-development).restorableFor: \"long\" is not a length of time, or over 30 years → write one such as '28 days' or '1 h 10 min'",
  ],
])('a promise that cannot be kept: %s', (_, index, change, problem) => {
  expect(said(index, change)).toEqual([problem])
})
