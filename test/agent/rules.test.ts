import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { dump } from 'js-yaml'
import { expect, onTestFinished, test } from 'vitest'
import production from '../../backups.config.ts'
import type { System } from '../../src/kinds/index.ts'
import { promtool } from '../../src/lab/test-tools.ts'
import { metricName } from '../../src/monitoring/metrics.ts'
import { longestAllowed, ruleGroups } from '../../src/monitoring/rules.ts'

const systems = [
  ...production.systems,
  { ...production.systems[1], name: 'monthly', schedule: { every: 'month', on: 31, at: '04:00' } } as System,
]

/** A folder with the rule file and one of its unit tests, as promtool reads them. */
async function files(tests: readonly object[], seconds = 300): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'backups-rules-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'rules.yml'), dump({ groups: ruleGroups({ systems }) }))
  await writeFile(
    join(folder, 'test.yml'),
    dump({ rule_files: ['rules.yml'], evaluation_interval: `${seconds}s`, tests }),
  )
  return folder
}

const STEP = 300
// So that half a year is evaluated in seconds.
const LONG_STEP = 1800

/** What promtool is asked at a time: how many alerts of a kind fire, for a system. */
const firing = (seconds: number, alert: string, count: 0 | 1, system?: string) => ({
  expr: `count(ALERTS{alertname="${alert}", alertstate="firing"${system ? `, system="${system}"` : ''}})`,
  eval_time: `${seconds}s`,
  exp_samples: count === 0 ? [] : [{ labels: '{}', value: count }],
})

test('promtool accepts the rules', async () => {
  const { stdout, exitCode } = await execa(promtool, ['check', 'rules', 'rules.yml'], {
    cwd: await files([]),
    reject: false,
  })
  const drilled = systems.filter(system => longestAllowed(system).drillSeconds !== undefined).length
  expect({ exitCode, stdout }).toEqual({
    exitCode: 0,
    stdout: expect.stringContaining(`SUCCESS: ${systems.length + drilled + 3} rules found`),
  })
})

test('each system has the threshold of its own schedule', () => {
  const hours = Object.fromEntries(
    systems.map(system => {
      const { copySeconds, drillSeconds } = longestAllowed(system)
      return [system.name, [copySeconds / 3600, drillSeconds && Math.round(drillSeconds / 86_400)]]
    }),
  )
  expect(hours).toMatchObject({
    // A week, the window and an hour; an hour more when the clock changes.
    'rancher-server': [7 * 24 + 2 + 1 + 1, 14],
    'infra-db-production': [24 + 12 + 1, 15],
    // It runs every hour, starts up to half an hour late, and may take most of an hour.
    'production-stack-db': [1 + 0.5 + 0.9, 14],
    // September and November have no 31st.
    monthly: [61 * 24 + 12 + 1, 15],
  })
})

test('an alert fires just after its threshold, and not before', async () => {
  const tests = systems.flatMap(({ name }, index) => {
    const { copySeconds, drillSeconds } = longestAllowed(systems[index] as System)
    const one = (metric: Parameters<typeof metricName>[0], alert: string, limit: number) => {
      const before = Math.floor(limit / LONG_STEP) * LONG_STEP
      const samples = before / LONG_STEP + 4
      return {
        name: `${name} ${alert}`,
        interval: `${LONG_STEP}s`,
        input_series: [{ series: `${metricName(metric)}{system="${name}",kind="x"}`, values: `0x${samples}` }],
        promql_expr_test: [firing(before, alert, 0, name), firing(before + 2 * LONG_STEP, alert, 1, name)],
      }
    }
    return [
      one('newest_copy_timestamp_seconds', 'BackupOverdue', copySeconds),
      ...(drillSeconds ? [one('last_drill_timestamp_seconds', 'BackupDrillOverdue', drillSeconds)] : []),
    ]
  })
  const { exitCode, stdout, stderr } = await execa(promtool, ['test', 'rules', 'test.yml'], {
    cwd: await files(tests, LONG_STEP),
    reject: false,
  })
  expect({ exitCode, stdout, stderr }).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('SUCCESS') })
})

test('findings, and a service that is gone, fire after a while; what has a rule of its own is not told twice', async () => {
  const finding = (id: string, severity: string) =>
    `${metricName('finding')}{system="a",finding="${id}",severity="${severity}",page="p"}`
  const refreshed = (values: string) => ({ series: metricName('last_refresh_timestamp_seconds'), values })
  const tests = [
    {
      name: 'findings',
      interval: `${STEP}s`,
      input_series: [
        refreshed('0+300x20'),
        { series: finding('no-copy', 'critical'), values: '0x20' },
        { series: finding('overdue', 'critical'), values: '0x20' },
        { series: finding('slower', 'warning'), values: '0x20' },
        { series: finding('drill-overdue', 'warning'), values: '0x20' },
      ],
      promql_expr_test: [
        firing(600, 'BackupFindingCritical', 0),
        firing(1500, 'BackupFindingCritical', 1),
        firing(1500, 'BackupFindingWarning', 1),
        firing(3000, 'BackupStatusMissing', 0),
      ],
    },
    {
      name: 'a finding for one reading',
      interval: `${STEP}s`,
      input_series: [refreshed('0+300x20'), { series: finding('no-answer', 'critical'), values: '0 0 stale' }],
      promql_expr_test: [firing(1500, 'BackupFindingCritical', 0)],
    },
    {
      name: 'it never was',
      interval: `${STEP}s`,
      input_series: [],
      promql_expr_test: [firing(1500, 'BackupStatusMissing', 1)],
    },
    {
      name: 'it reads no more',
      interval: `${STEP}s`,
      input_series: [refreshed('0+300x5 1500x20')],
      promql_expr_test: [firing(1500, 'BackupStatusMissing', 0), firing(4800, 'BackupStatusMissing', 1)],
    },
  ]
  const { exitCode, stdout, stderr } = await execa(promtool, ['test', 'rules', 'test.yml'], {
    cwd: await files(tests),
    reject: false,
  })
  expect({ exitCode, stdout, stderr }).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('SUCCESS') })
})
