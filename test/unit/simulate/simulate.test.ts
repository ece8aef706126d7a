import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, it } from 'vitest'
import production from '../../../backups.config.ts'
import { projectRoot } from '../../../src/ansible/venv.ts'
import type { System } from '../../../src/kinds/index.ts'
import { brokenPromises } from '../../../src/simulate/promise.ts'
import { type Simulation, simulate } from '../../../src/simulate/simulate.ts'
import { trialsOf } from '../../../src/simulate/trials.ts'

const YEAR = { from: new Date('2026-01-01T00:00:00Z'), to: new Date('2027-01-01T00:00:00Z') }
const at = (text: string) => new Date(text)
const named = (name: string) => production.systems.find(system => system.name === name) as System
const rancher = named('rancher-server')
const nightly = named('infra-db-production')
const changed = (system: System, change: object) => ({ ...system, ...change }) as System
const year = (system: System, more: Partial<Simulation> = {}) => simulate({ system, ...YEAR, ...more })

// One of the systems that differ only in their names.
const kinds = ['rancher-server', 'infra-db-production', 'production-stack-db', 'production-stack-media', 'kit-awx'].map(
  named,
)

describe('what the installation copes with raises no alarm', () => {
  it('a control plane that is down for six hours of the night', () => {
    const faults = [{ kind: 'cluster-away' as const, from: at('2026-06-01T00:00:00Z'), to: at('2026-06-01T06:00:00Z') }]
    expect(year(nightly, { faults })).toMatchObject({ alarms: [], lost: 0 })
  })

  it('an AWX that is back within the window of the Rancher backup', () => {
    const faults = [{ kind: 'awx-away' as const, from: at('2026-06-05T12:00:00Z'), to: at('2026-06-05T18:00:00Z') }]
    expect(year(rancher, { faults })).toMatchObject({ alarms: [], lost: 0 })
  })

  it('one drill that fails', () => {
    const faults = [{ kind: 'drills-fail' as const, from: at('2026-06-07T00:00:00Z'), to: at('2026-06-08T00:00:00Z') }]
    expect(year(nightly, { faults })).toMatchObject({ alarms: [] })
  })
})

describe('what it does not raises one', () => {
  it('a control plane that is down for a day: from when the run could no longer start until the next copy', () => {
    const faults = [{ kind: 'cluster-away' as const, from: at('2026-06-01T00:00:00Z'), to: at('2026-06-01T23:00:00Z') }]
    const { alarms, lost, worstLoss } = year(nightly, { faults })
    expect(lost).toBe(1)
    expect(alarms).toMatchObject([{ id: 'overdue' }])
    expect(alarms[0]?.from.toISOString()).toMatch(/^2026-06-01T16:07/)
    expect(alarms[0]?.to?.toISOString()).toMatch(/^2026-06-02T03:/)
    expect(worstLoss.seconds).toBeGreaterThan(2 * 86_400)
  })

  it('an AWX that is down for longer than the window of the Rancher backup: a week is lost', () => {
    const faults = [{ kind: 'awx-away' as const, from: at('2026-06-05T12:00:00Z'), to: at('2026-06-05T22:00:00Z') }]
    const { alarms, lost, worstLoss } = year(rancher, { faults })
    expect({ lost, days: Math.floor(worstLoss.seconds / 86_400) }).toEqual({ lost: 1, days: 14 })
    expect(alarms).toMatchObject([{ id: 'overdue', from: at('2026-06-05T20:00:00.001Z') }])
  })
})

it.each(kinds.map(system => [system.name, system] as const))(
  'every fault that is injected into %s raises its alarm',
  (_, system) => {
    const trials = trialsOf(system)
    expect(trials.filter(({ afterSeconds }) => afterSeconds === undefined)).toEqual([])
    expect(trials.length).toBeGreaterThan(12)
    // Missed runs: within the run's own deadline and about an hour after it; damage: at the next check.
    for (const { fault, afterSeconds = 0 } of trials) {
      if (fault.startsWith('newest-copy') || fault === 'bucket-emptied') expect(afterSeconds).toBe(0)
    }
  },
  120_000,
)

describe('both changes of the clocks', () => {
  const london = { every: 'day', at: '03:07', timezone: 'Europe/London' }

  it('the night in October is an hour longer', () => {
    const { worstLoss } = year(changed(nightly, { schedule: london }))
    expect(worstLoss.at.toISOString()).toMatch(/^2026-10-25T03:/)
    expect(Math.floor(worstLoss.seconds / 3600)).toBe(25)
  })

  it('a time that the change in March skips costs a night', () => {
    const { worstLoss, lost } = year(changed(nightly, { schedule: { ...london, at: '01:30' } }))
    expect(worstLoss.at.toISOString()).toMatch(/^2026-03-30T00:/)
    expect({ hours: Math.floor(worstLoss.seconds / 3600), lost }).toEqual({ hours: 47, lost: 0 })
  })
})

it('a "weekly" tier on a daily schedule keeps 30 days and not two years', () => {
  const system = changed(nightly, { keep: 30, restorableFor: '2 years' })
  const outcome = year(system)
  expect(Math.round((outcome.shortestReach?.seconds ?? 0) / 86_400)).toBe(29)
  expect(brokenPromises(system, outcome)).toEqual(["restorableFor: '2 years'"])
})

it('a promise that the schedule keeps is kept', () => {
  const system = changed(nightly, { keep: 29, restorableFor: '28 days', loseAtMost: '25 h' })
  expect(brokenPromises(system, year(system))).toEqual([])
  const hourly = changed(named('production-stack-db'), { loseAtMost: '1 h 20 min' })
  expect(brokenPromises(hourly, simulate({ system: hourly, from: YEAR.from, to: at('2026-02-01T00:00:00Z') }))).toEqual(
    [],
  )
})

describe('the command', () => {
  const run = (...args: string[]) =>
    execa('node', [join(projectRoot, 'tools/backups.js'), 'simulate', ...args], { cwd: projectRoot, reject: false })

  it('prints a line for each system, and exits 0 if there are no findings', async () => {
    const { stdout, exitCode } = await run('kit-awx', '--no-trials')
    expect(stdout.split('\n')[2]).toMatch(/^kit-awx +365 +0 +1 d +27 d +28 /)
    expect(exitCode).toBe(0)
  })

  it('shows what a fault does', async () => {
    const { stdout } = await run('kit-awx', '--fault', 'runs-fail@2026-03-01..2026-03-04')
    expect(stdout).toMatch(/kit-awx: overdue, 2026-03-01 16:37Z to 2026-03-04 03:\d\dZ: the newest copy is/)
  })

  it.each([[['nothing']], [['kit-awx', '--fault', 'rain@2026-03-01']], [['kit-awx', '--fault', 'runs-fail@then']]])(
    '%j ends with exit code 2',
    async args => {
      expect((await run(...args)).exitCode).toBe(2)
    },
  )
})
