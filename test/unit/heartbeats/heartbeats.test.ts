import fc from 'fast-check'
import { expect, test } from 'vitest'
import production from '../../../backups.config.ts'
import { heartbeat } from '../../../src/agent/run/heartbeat.ts'
import type { Config } from '../../../src/config/index.ts'
import { checksOf } from '../../../src/heartbeats/checks.ts'
import { addresses, makeChecks } from '../../../src/heartbeats/healthchecks.ts'
import { inventory } from '../../../src/inventory/inventory.ts'
import { periodSeconds } from '../../../src/schedule/index.ts'
import { anyConfig } from '../../support/config-arbitrary.ts'
import { startHealthchecks } from '../../support/healthchecks.ts'

const config: Config = {
  ...production,
  heartbeats: { api: 'https://healthchecks.example/api/v3/', secret: 'backup-heartbeats' },
  systems: production.systems.map(system => (system.kind === 'rancher' ? { ...system, heartbeat: true } : system)),
}

test('one check a system, and one for the drill that reports, with the period of its schedule', () => {
  const checks = checksOf(config)
  expect(checks.map(({ name }) => name)).toEqual(
    production.systems.flatMap(({ name, kind }) => (kind === 'rancher' ? [name, `drill of ${name}`] : [name])),
  )
  const of = (name: string) => checks.find(check => check.name === name)
  expect(of('rancher-server')).toMatchObject({ schedule: '0 18 * * 5', timezone: 'Europe/London' })
  expect(of('production-stack-db')).toMatchObject({ schedule: '51 * * * *', graceSeconds: 3600 })
  expect(of('infra-db-production')?.description).toMatch(
    /^The production cluster.* If it is late or has failed: .*status/,
  )
})

test('no grace is longer than a period, in any config', () => {
  fc.assert(
    fc.property(anyConfig, any => {
      const names = new Map(any.systems.map(system => [system.name, system]))
      for (const { name, graceSeconds } of checksOf({ ...any, heartbeats: { api: 'https://x', secret: 's' } })) {
        const system = names.get(name)
        if (system) expect(graceSeconds).toBeLessThanOrEqual(periodSeconds(system.schedule))
        expect(graceSeconds).toBeGreaterThanOrEqual(60)
      }
    }),
    { numRuns: 50 },
  )
})

test('the checks are made once; what a run says reaches its own check', async () => {
  const outside = await startHealthchecks('the-key')
  const first = await makeChecks(outside.api, 'the-key', checksOf(config))
  expect(first.every(({ isNew }) => isNew)).toBe(true)
  const again = await makeChecks(outside.api, 'the-key', checksOf(config))
  expect(again.map(({ url, isNew }) => [url, isNew])).toEqual(first.map(({ url }) => [url, false]))
  expect(outside.checks.size).toBe(first.length)

  const { credentials, secrets } = addresses(first, 'backup-heartbeats')
  expect(Object.keys(credentials)).toEqual(['Heartbeat: rancher-server', 'Heartbeat: drill of rancher-server'])
  const url = secrets.find(({ manifest }) => manifest.metadata.namespace === 'production-stack')?.manifest.stringData[
    'production-stack-db'
  ]
  await heartbeat(url, 'start')
  await heartbeat(url, 'fail', 'the end of the log')
  expect(outside.pings).toMatchObject([
    { check: 'production-stack-db', what: 'start', body: '' },
    { check: 'production-stack-db', what: 'fail', body: 'the end of the log' },
  ])

  // Each CronJob reads its address from where it was written.
  const { hosts } = inventory(config, {})
  for (const { manifest } of secrets) {
    for (const name of Object.keys(manifest.stringData)) {
      const steps = hosts[name]?.backup_cronjob_steps as { secret_environment: object[] }[]
      expect(steps.at(-1)?.secret_environment).toContainEqual({
        name: 'BACKUP_HEARTBEAT_URL',
        secret: manifest.metadata.name,
        key: name,
      })
    }
  }
})

test('a wrong key, and a service that is away, are named with what to do', async () => {
  const outside = await startHealthchecks('the-key')
  await expect(makeChecks(outside.api, 'another', checksOf(config))).rejects.toMatchObject({
    message: expect.stringMatching(/refuses the check `rancher-server` \(HTTP 401\)/),
    next: 'set HEALTHCHECKS_API_KEY to a read-write key of the project',
  })
  await expect(makeChecks('http://127.0.0.1:9/', 'key', checksOf(config))).rejects.toMatchObject({
    message: expect.stringMatching(/^http:\/\/127.0.0.1:9\/checks\/ does not answer: /),
  })
})
