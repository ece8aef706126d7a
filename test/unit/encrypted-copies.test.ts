import { expect, test } from 'vitest'
import production from '../../backups.config.ts'
import { definitions } from '../../src/awx/definitions.ts'
import { checkConfig } from '../../src/config/index.ts'
import { accessManifests } from '../../src/generate/access.ts'
import { inventoryOf } from '../../src/generate/inventories.ts'
import { runbook } from '../../src/generate/runbook.ts'
import { labConfig } from '../../src/lab/config.ts'
import { labDrillKey, labKitKey } from '../../src/lab/kit-key.ts'
import { labPlan } from '../../src/lab/plan.ts'

const recipients = production.systems.flatMap(system => (system.kind === 'kit' ? system.recipients : [])).slice(0, 2)
const drill = 'age1cth5sm6aye0pkavhxl4x99c356msk3uammh73xzkatn6h9eat4msj26equ'
const identity = { secret: 'drill-key', key: 'identity' }
const inCluster = { recipients, drillIdentity: { ...identity, recipient: drill } }
const onHost = { recipients, drillRecipient: drill }
const database = 'infra-db-production'

/** Production's config with this `encrypt` of one system. */
const encrypting = (name: string, encrypt: unknown, more: object = {}) =>
  ({
    ...production,
    systems: production.systems.map(system => (system.name === name ? { ...system, encrypt, ...more } : system)),
  }) as typeof production
const config = encrypting(database, inCluster)
const withRancher = encrypting('rancher-server', onHost)
const twice = {
  ...encrypting(
    'rancher-server',
    { recipients },
    {
      second: { store: 'offsite', bucket: 'second', keep: 1, schedule: { every: 'day', at: '06:00' } },
    },
  ),
  otherStores: [{ ...production.store, name: 'offsite', endpoint: 'https://s3.offsite.example' }],
} as typeof production

const found = (value: unknown) =>
  checkConfig(value, 'backups.config.ts').problems.map(
    ({ severity, ruleId, location, message }) => `${severity} ${ruleId} ${location.path}: ${message}`,
  )

test.each<[string, object | undefined, string]>([
  [
    'a recipient with a wrong letter',
    { ...inCluster, recipients: [recipients[0], recipients[1]?.replace(/.$/, 'q')] },
    'encrypt.recipients[1]',
  ],
  ['a private key as a recipient', { ...inCluster, recipients: [...recipients, 'AGE-SECRET-KEY-1X'] }, 'encrypt'],
  ['no recipient outside the installation', { ...inCluster, recipients: [] }, 'encrypt.recipients'],
  [
    'drills with the key of an operator',
    { ...inCluster, drillIdentity: { ...identity, recipient: recipients[0] } },
    'encrypt.drillIdentity.recipient: is among the `recipients`',
  ],
  ['no public key of drills', { recipients, drillIdentity: identity }, '`recipient` is missing'],
  ['the same recipient twice', { ...inCluster, recipients: [recipients[0], recipients[0]] }, 'encrypt.recipients'],
  ['no key for drills', { recipients }, 'encrypt.drillIdentity: `drillIdentity` is missing'],
  ['no recipients', { drillIdentity: inCluster.drillIdentity }, 'encrypt.recipients: `recipients` is missing'],
])('validate refuses %s', (_, encrypt, where) => {
  const problems = found(encrypting(database, encrypt)).filter(line => line.startsWith('error'))
  expect(problems).not.toEqual([])
  expect(problems.join('\n')).toContain(where)
})

test('validate refuses encryption by an image that has none, and a key of a Secret for a host outside the clusters', () => {
  expect(found(encrypting(database, inCluster, { image: 'informaticsmatters/sql-backup:15.0' })).join()).toContain(
    'encrypts nothing, only the agent does',
  )
  expect(found(encrypting('rancher-server', inCluster)).join()).toContain('there is no key `drillIdentity` here')
  expect(found(withRancher)).toEqual([])
})

test('validate warns of a key that no kit keeps, because the copies open with it alone', () => {
  expect(found(config)).toEqual([
    `warning secret-not-kept systems[2] (${database}): no kit keeps \`identity\` of \`drill-key\` in \`im-infra\``,
  ])
})

test('only restores and drills get the private key; backups get the public keys; nobody may read the Secret', () => {
  const host = inventoryOf(config).hosts[database] ?? {}
  expect(JSON.stringify(host.backup_cronjob_steps)).toContain(
    `"BACKUP_RECIPIENTS":"${[...recipients, drill].join(' ')}"`,
  )
  expect(host.backup_system_identity).toEqual(identity)
  const { backup_system_identity: _, ...others } = host
  expect(JSON.stringify(others)).not.toContain('drill-key')
  expect([...accessManifests(config).values()].join()).not.toContain('drill-key')
})

test('the jobs that open archives of a host have a credential with the key, no other has, and AWX has its type', () => {
  const { controller_templates, controller_credential_types } = definitions(twice)
  const having = controller_templates.filter(({ credentials }) => credentials.includes('Key: rancher-server'))
  expect(having.map(({ name }) => name).sort()).toEqual([
    'Restore: rancher-server',
    'Test restore of second copy: rancher-server',
    'Test restore: rancher-server',
  ])
  expect(controller_credential_types.map(({ name }) => name)).toContain('Private age key')
  expect(definitions(production).controller_credential_types.map(({ name }) => name)).not.toContain('Private age key')
  expect(inventoryOf(withRancher).hosts['rancher-server']).toMatchObject({
    rancher_backup_recipients: [...recipients, drill],
  })
})

test('the lab encrypts to its own key, and the Secret of the drill has it, also if a kit keeps that Secret', () => {
  const kept = { name: 'drill-key', keys: ['identity'] }
  const systems = config.systems.map(system =>
    system.kind === 'kit' && system.name === 'kit-infra-production'
      ? { ...system, secrets: [...system.secrets, kept] }
      : system,
  )
  expect(found({ ...config, systems })).toEqual([])
  const lab = labConfig({ ...config, systems })
  expect(lab.systems.find(({ name }) => name === database)).toMatchObject({
    encrypt: { recipients: [labKitKey.recipient] },
  })
  const secrets = labPlan(lab, { files: 10, serverImage: 'x' }).secrets.filter(({ name }) => name === 'drill-key')
  expect(secrets).toMatchObject([
    { data: { identity: Buffer.from(labDrillKey(database).identity).toString('base64') } },
  ])
})

test('media: the public keys go to the step that writes the bucket, not to the replica, and drills get the private key', () => {
  const media = 'production-stack-media'
  const own = encrypting(media, inCluster)
  const host = inventoryOf(own).hosts[media] ?? {}
  const steps = host.backup_cronjob_steps as { name: string; environment: object }[]
  expect(steps.filter(step => 'BACKUP_RECIPIENTS' in step.environment).map(({ name }) => name)).toEqual(['bucket'])
  expect(host.backup_system_identity).toEqual(identity)
  expect(runbook(own)).toContain('age -d -i "$KEY" -o opened "$file"')
  expect(runbook(production)).not.toContain('-o opened')
})

test('the runbook opens encrypted copies with age, and says which key to keep', () => {
  const page = runbook(config)
  expect(page).toContain('age -d -i "$KEY"')
  expect(page).toContain(
    `| a private age key that belongs to a recipient of ${database} | its copies open with it alone |`,
  )
  expect(runbook(withRancher)).toContain('| open "$archive" > /var/tmp/rancher.tar.gz')
  expect(runbook(production)).not.toContain('open "$')
})
