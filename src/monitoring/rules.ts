import type { Config } from '../config/index.ts'
import { kindOf, type System } from '../kinds/index.ts'
import { firstScheduleOf } from '../kinds/second.ts'
import type { Schedule } from '../schedule/index.ts'
import { expectationsOf, nextRuns } from '../status/expect.ts'
import { duration, findingKinds } from '../store/assess.ts'
import { metricName } from './metrics.ts'

/** An alerting rule, as Prometheus reads it. */
export interface AlertRule {
  readonly alert: string
  readonly expr: string
  readonly for?: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

/** A group of rules, as in a rule file or a PrometheusRule. */
export interface RuleGroup {
  readonly name: string
  readonly rules: readonly AlertRule[]
}

/** How often the service reads the buckets. */
export const refreshSeconds = 300

// A year has both changes of the clock, and every gap that a schedule may have.
const YEAR_MS = 366 * 86_400_000
const START = new Date('2026-01-01T00:00:00Z')

/** The rules for a config: the thresholds of each system are those of its schedule. */
export function ruleGroups({ systems }: Pick<Config, 'systems'>): RuleGroup[] {
  return [
    { name: 'fragalysis-backups-systems', rules: systems.flatMap(systemRules) },
    { name: 'fragalysis-backups-findings', rules: findingRules() },
  ]
}

function systemRules(system: System): AlertRule[] {
  const { copySeconds, drillSeconds } = longestAllowed(system)
  const of = (metric: Parameters<typeof metricName>[0]) => `${metricName(metric)}{system="${system.name}"}`
  return [
    {
      alert: 'BackupOverdue',
      expr: `time() - ${of('newest_copy_timestamp_seconds')} > ${copySeconds}`,
      labels: { severity: 'critical', system: system.name },
      annotations: annotations(
        'overdue',
        `The newest good copy of ${system.name} is too old`,
        `It is {{ $value | humanizeDuration }} old; its schedule allows ${duration(copySeconds * 1000)}.`,
      ),
    },
    ...(drillSeconds === undefined
      ? []
      : [
          {
            alert: 'BackupDrillOverdue',
            expr: `time() - ${of('last_drill_timestamp_seconds')} > ${drillSeconds}`,
            labels: { severity: 'warning', system: system.name },
            annotations: annotations(
              'drill-overdue',
              `No restore of ${system.name} was tested for too long`,
              `The last drill was {{ $value | humanizeDuration }} ago; two may not be missed in a row, which is ${duration(drillSeconds * 1000)}.`,
            ),
          },
        ]),
  ]
}

// Those that a rule of its own, with the threshold of the schedule, reports without the service's judgement.
const OWN_RULES = 'overdue|drill-overdue'

function findingRules(): AlertRule[] {
  const severities = ['critical', 'warning'] as const
  const away = metricName('last_refresh_timestamp_seconds')
  return [
    ...severities.map(
      (severity): AlertRule => ({
        alert: severity === 'critical' ? 'BackupFindingCritical' : 'BackupFindingWarning',
        expr: `time() - ${metricName('finding')}{severity="${severity}", finding!~"${OWN_RULES}"} >= 0`,
        // A bucket may miss one answer.
        for: `${3 * refreshSeconds}s`,
        labels: { severity },
        annotations: {
          summary: 'The copies of {{ $labels.system }}: {{ $labels.finding }}',
          description: 'Since {{ $value | humanizeDuration }}. What it means and what to do: {{ $labels.page }}',
        },
      }),
    ),
    {
      alert: 'BackupStatusMissing',
      expr: `time() - ${away} > ${4 * refreshSeconds} or absent(${away})`,
      for: `${3 * refreshSeconds}s`,
      labels: { severity: 'critical' },
      annotations: {
        summary: 'Nothing is known of any backup',
        description:
          'The status service does not run, is not scraped, or does not finish reading the buckets. To do: look at its pod and its log; `npm run status` on a workstation shows the state meanwhile.',
      },
    },
  ]
}

function annotations(id: keyof typeof findingKinds, summary: string, description: string): Record<string, string> {
  return {
    summary,
    description: `${description} To do: ${findingKinds[id].next}.`,
    page: `docs/FINDINGS.md#${id}`,
  }
}

/** The age that the newest copy and the last drill may reach by the schedule, in seconds, over a year. */
export function longestAllowed(system: System): { copySeconds: number; drillSeconds: number | undefined } {
  const { startsWithinSeconds, endsWithinSeconds, drills } = kindOf(system).copies(system)
  const { schedule } = system
  // All that the answer depends on; many systems have it in common, and a year of runs takes a while.
  const key = JSON.stringify([schedule, firstScheduleOf(system), startsWithinSeconds, endsWithinSeconds, drills])
  const known = allowed.get(key)
  if (known) return known
  const { dueBy, drillDueBy } = expectationsOf(system, [])
  const found = {
    copySeconds: longest(schedule, dueBy),
    drillSeconds: drills && drillDueBy && longest(drills, drillDueBy),
  }
  allowed.set(key, found)
  return found
}

const allowed = new Map<string, ReturnType<typeof longestAllowed>>()

/** The longest time from a run to when the next is due, in seconds. */
function longest(schedule: Schedule, dueBy: (run: Date) => Date): number {
  // Every run of a year, but not every hour: they are alike.
  const step = schedule.every === 'hour' ? 5 * 3_600_000 : 0
  let most = 0
  for (let run = nextRuns(schedule, START, 1); run.getTime() < START.getTime() + YEAR_MS; ) {
    most = Math.max(most, dueBy(run).getTime() - run.getTime())
    run = nextRuns(schedule, new Date(run.getTime() + step), 1)
  }
  return Math.ceil(most / 1000)
}
