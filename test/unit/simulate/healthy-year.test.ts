import { describe, expect, it } from 'vitest'
import production from '../../../backups.config.ts'
import type { System } from '../../../src/kinds/index.ts'
import { simulate } from '../../../src/simulate/simulate.ts'

const named = (name: string) => production.systems.find(system => system.name === name) as System
const changed = (system: System, change: object) => ({ ...system, ...change }) as System
const nightly = named('infra-db-production')
const year = (system: System) =>
  simulate({ system, from: new Date('2026-01-01T00:00:00Z'), to: new Date('2027-01-01T00:00:00Z') })

// One of the systems that differ only in their names.
const kinds = ['rancher-server', 'infra-db-production', 'production-stack-db', 'production-stack-media', 'kit-awx'].map(
  named,
)

describe('a year of healthy runs raises no alarm', () => {
  it.each([
    ...kinds.map(system => [system.name, system] as const),
    [
      'nightly in London',
      changed(nightly, { schedule: { every: 'day', at: '03:07', timezone: 'Europe/London' } }),
    ] as const,
    [
      'at a time that the spring change skips',
      changed(nightly, { schedule: { every: 'day', at: '01:30', timezone: 'Europe/London' } }),
    ] as const,
    ['monthly', changed(nightly, { schedule: { every: 'month', on: 1, at: '02:00' }, keep: 12 })] as const,
    ['on the 31st', changed(nightly, { schedule: { every: 'month', on: 31, at: '02:00' } })] as const,
    ['with one copy kept', changed(nightly, { keep: 1 })] as const,
  ])(
    '%s',
    (_, system) => {
      const { alarms, runs, lost } = year(system)
      expect(alarms).toEqual([])
      expect(runs).toBeGreaterThan(5)
      expect(lost).toBe(0)
    },
    180_000,
  )
})
