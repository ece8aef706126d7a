import { expect, test } from 'vitest'
import production from '../../backups.config.ts'
import { secondCredentials, secondOf } from '../../src/launch/stores.ts'
import { expectationsOf } from '../../src/status/expect.ts'

const second = { store: 'offsite', bucket: 'second', keep: 7, schedule: { every: 'day', at: '06:00' } } as const
const config = {
  ...production,
  otherStores: [{ ...production.store, name: 'offsite', endpoint: 'https://s3.offsite.example' }],
  systems: production.systems.map(system => (system.name === 'infra-db-production' ? { ...system, second } : system)),
} as typeof production

test('the config of second copies has the systems, buckets and counts of that store alone', () => {
  const { store, systems } = secondOf(config, 'offsite')
  expect(store.endpoint).toBe('https://s3.offsite.example')
  expect(systems).toMatchObject([{ name: 'infra-db-production', bucket: 'second', keep: 7, schedule: second.schedule }])
})

test('a second copy is due after the first copy that it can be made of', () => {
  const [system] = secondOf(config, 'offsite').systems
  if (!system) throw new Error('no second copy')
  const { dueBy, bucket } = expectationsOf(system, [])
  expect(bucket).toBe('second')
  // Taken at 03:07. The next first copy is taken at 03:07 of the day after, copied at 06:00 of that day or, if it is late,
  // of the next.
  const due = dueBy(new Date('2026-03-02T03:07:00Z'))
  expect(due > new Date('2026-03-03T06:00:00Z')).toBe(true)
  expect(due < new Date('2026-03-05T06:00:00Z')).toBe(true)
})

test('the keys of second stores take the place of those of the first', () => {
  const keys = { access_key_id: 'second' }
  const credentials = { 'Store: production': { access_key_id: 'first' }, 'Second store: production': keys }
  expect(secondCredentials(credentials)).toEqual({ 'Store: production': keys })
})
