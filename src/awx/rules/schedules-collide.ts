import { Temporal } from 'temporal-polyfill'
import type { Schedule } from '../vocabulary.ts'
import { type AwxRule, type Finding, placeOf } from './rule.ts'

// Four weeks hold every overlap of hourly, daily and weekly schedules, and one of the monthly ones.
const days = 28
// The jobs' timeouts are far longer than the jobs; two that start within this time may overlap.
const apartMinutes = 30

export const schedulesCollide: AwxRule = {
  id: 'awx-schedules-collide',
  description:
    "Two of AWX's schedules start within half an hour of each other, and one of them is the backup that stops Rancher: a job that reaches its cluster through Rancher at that moment, such as a drill, fails.",
  check({ controller_schedules, controller_templates }) {
    const stopping = new Set(
      controller_templates
        .filter(({ playbook }) => playbook === 'playbooks/backup-rancher.yml')
        .map(({ name }) => name),
    )
    const stops = (schedule: Schedule) => stopping.has(schedule.unified_job_template)
    // A job on AWX itself reaches no cluster.
    const onAwx = new Set(controller_templates.filter(({ limit }) => limit === 'awx').map(({ name }) => name))
    const enabled = controller_schedules.filter(
      ({ enabled, unified_job_template: name }) => enabled && !onAwx.has(name),
    )
    if (enabled.length < 2 || !enabled.some(stops)) return []
    // Most of many schedules have the rule of another one.
    const byRule = new Map([...new Set(enabled.map(({ rrule }) => rrule))].map(rrule => [rrule, startsOf(rrule)]))
    const starts = enabled
      .flatMap(schedule => (byRule.get(schedule.rrule) ?? []).map(at => ({ schedule, at })))
      .sort((a, b) => a.at - b.at)
    const found = new Map<string, Finding>()
    const meet = ({ schedule: rancher, at }: (typeof starts)[number], other: (typeof starts)[number] | undefined) => {
      if (!other || Math.abs(other.at - at) >= apartMinutes * 60_000) return false
      const { name } = other.schedule
      const counted = stops(other.schedule) && found.has(`${name} ${rancher.name}`)
      if (other.schedule !== rancher && !counted) {
        found.set(`${rancher.name} ${name}`, {
          path: placeOf('controller_schedules', name, 'rrule'),
          message: `starts within ${apartMinutes} minutes of \`${rancher.name}\`, which stops Rancher`,
          suggest: 'choose another time for one of them',
        })
      }
      return true
    }
    for (const [index, one] of starts.entries()) {
      if (!stops(one.schedule)) continue
      for (let next = index + 1; meet(one, starts[next]); next++);
      for (let before = index - 1; meet(one, starts[before]); before--);
    }
    return [...found.values()]
  },
}

const steps = new Map([
  ['HOURLY', 'hours'],
  ['DAILY', 'days'],
  ['WEEKLY', 'weeks'],
  ['MONTHLY', 'months'],
] as const) as ReadonlyMap<string, 'hours' | 'days' | 'weeks' | 'months'>

/** The starts of a rule in a winter's and in a summer's weeks, in milliseconds since 1970. */
function startsOf(rrule: string): number[] {
  const start = /DTSTART;TZID=([^:]+):(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)/.exec(rrule)
  const rule = new Map(
    (/RRULE:(\S+)/.exec(rrule)?.[1] ?? '').split(';').map(part => part.split('=') as [string, string]),
  )
  if (!start) return []
  const [, timezone = 'Etc/UTC', year, month, day, hour, minute] = start
  const first = new Temporal.PlainDateTime(Number(year), Number(month), Number(day), Number(hour), Number(minute))
  const step = steps.get(rule.get('FREQ') ?? '')
  if (!step) return []
  return ['2026-02-02', '2026-07-06'].flatMap(from => {
    const begin = Temporal.PlainDate.from(from)
    const end = begin.add({ days })
    const found: number[] = []
    const interval = Number(rule.get('INTERVAL') ?? 1)
    const gone = Math.max(0, Math.floor(first.until(begin, { largestUnit: step })[step] / interval))
    for (let count = gone; ; count++) {
      const at = first.add({ [step]: count * interval })
      if (Temporal.PlainDate.compare(at.toPlainDate(), end) >= 0) return found
      if (Temporal.PlainDate.compare(at.toPlainDate(), begin) >= 0) {
        found.push(at.toZonedDateTime(timezone).epochMilliseconds)
      }
    }
  })
}
