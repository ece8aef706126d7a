import { expect, test } from 'vitest'
import { checkImages } from '../../../src/validate/images.ts'

const agent = { image: 'agent:1', drillImage: 'agent:1-drill' }
const found = (postgres?: number[]) =>
  checkImages({ agent: { ...agent, ...(postgres && { postgres }) } }, 'backups.config.ts').map(
    ({ ruleId, severity, location, message }) => `${severity} ${ruleId} ${location.path}: ${message}`,
  )

test('versions that the images have a client of, or none', () => {
  expect(found([15, 17, 18])).toEqual([])
  expect(found()).toEqual([])
})

test('a version that only a newer client dumps is a warning, one that none dumps an error', () => {
  expect(found([17, 16, 19])).toEqual([
    'warning postgres-not-in-image agent.postgres[1]: the images have no PostgreSQL client of 16; that of 17 dumps such servers',
    'error postgres-not-in-image agent.postgres[2]: the images have no PostgreSQL client that can dump a server of 19, only 15, 17, 18',
  ])
})
