import { expect, it } from 'vitest'
import production from '../../../backups.config.ts'
import { listPlays } from '../../../src/ansible/listing.ts'

it('reads the plays of playbooks, their hosts and tags, from ansible-playbook', async () => {
  const plays = await listPlays(
    ['playbooks/deploy-backups.yml', 'playbooks/configure-awx.yml'],
    'inventories/production/hosts.yml',
  )
  expect([...(plays?.keys() ?? [])]).toEqual(['playbooks/deploy-backups.yml', 'playbooks/configure-awx.yml'])
  const [deploy] = plays?.get('playbooks/deploy-backups.yml') ?? []
  const inClusters = production.systems.filter(({ kind }) => kind !== 'rancher').map(({ name }) => name)
  expect(deploy?.hosts.toSorted()).toEqual(inClusters.toSorted())
  expect(deploy?.tags).toContain('always')
  expect(plays?.get('playbooks/configure-awx.yml')?.[0]?.hosts).toEqual(['awx'])
}, 120_000)

it('gives nothing if a playbook does not parse', async () => {
  expect(await listPlays(['playbooks/no-such-playbook.yml'], 'localhost,')).toBeUndefined()
}, 120_000)
