import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import production from '../../../backups.config.ts'
import { type Definitions, definitions } from '../../../src/awx/definitions.ts'
import type { Config } from '../../../src/config/index.ts'
import { writeFolder } from '../../../src/generate/folder.ts'
import { inventoryOf } from '../../../src/generate/inventories.ts'
import { inventoryFiles } from '../../../src/inventory/files.ts'
import { ownSite } from '../../../src/lab/site.ts'
import { launchLocal } from '../../../src/launch/launch-local.ts'
import { findTemplate } from '../../../src/launch/launchable.ts'
import { compareWithClusters } from '../../../src/plan/clusters.ts'
import { reportPlan } from '../../../src/plan/report.ts'
import { kubectl, makeTenant, type Tenant } from '../../support/tenant.ts'

// Each looks by a whole play: seconds, minutes on a busy machine.
vi.setConfig({ testTimeout: 600_000 })

let tenant: Tenant
let all: Definitions
let folder: string
let credentials: Record<string, Record<string, string>>

beforeAll(async () => {
  tenant = await makeTenant()
  const { K8S_AUTH_HOST = '', K8S_AUTH_API_KEY = '', K8S_AUTH_SSL_CA_CERT = '' } = tenant.environment
  const config = oneSystem(tenant.namespace, K8S_AUTH_HOST)
  all = definitions(config)
  folder = await mkdtemp(join(tmpdir(), 'backups-plan-'))
  await writeFolder(folder, inventoryFiles(inventoryOf(config)))
  const ssl_ca_cert = await readFile(K8S_AUTH_SSL_CA_CERT, 'utf8')
  credentials = {
    'Kubernetes: production': { host: K8S_AUTH_HOST, bearer_token: K8S_AUTH_API_KEY, ssl_ca_cert },
    'Store: production': { access_key_id: 'key', secret_access_key: 'secret' },
  }
})
afterAll(async () => {
  await tenant?.remove()
  await rm(folder, { recursive: true })
})

/** Production's config with its stack database alone, in the namespace of the test, and the images that the lab has. */
function oneSystem(namespace: string, api: string): Config {
  const systems = production.systems.filter(system => system.name === 'production-stack-db')
  const { statusService: _, ...others } = production
  return {
    ...others,
    agent: { ...production.agent, image: ownSite.images.agent, drillImage: ownSite.images.drill },
    clusters: [{ name: 'production', environment: 'production', api }],
    systems: systems.map(system => ({
      ...system,
      namespace,
      volume: { claim: 'database-backup', size: '1Gi', storageClass: 'lab' },
    })) as Config['systems'],
  }
}

const plan = async (given = credentials) => compareWithClusters(all, folder, given, new AbortController().signal)
const lines = async () =>
  reportPlan(await plan(), 'text', false)
    .trimEnd()
    .split('\n')

it('a missing Secret is reported', async () => {
  expect(await lines()).toEqual([
    expect.stringMatching(/^! cluster need production-stack-db: There is no key root_password in a Secret database/),
  ])
})

it('missing objects would be created', async () => {
  await tenant.apply({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'database' },
    stringData: { root_password: 'x' },
  })
  const found = (await plan()).differences.map(({ sign, kind, name }) => `${sign} ${kind} ${name}`)
  expect(found.sort()).toEqual([
    `+ CronJob ${tenant.namespace}/production-stack-db`,
    `+ PersistentVolumeClaim ${tenant.namespace}/database-backup`,
    // What the task does is hidden, as it handles a secret.
    "~ task production-stack-db: Write the store's keys into their Secret",
  ])
})

it('after the deployment nothing differs', async () => {
  const play = await launchLocal(all, findTemplate(all, 'Deploy backups: production'), {
    answers: {},
    inventory: folder,
    credentials,
    log: () => {},
    signal: new AbortController().signal,
  })
  expect(play.exitCode, play.output).toBe(0)
  expect(await plan()).toMatchObject({ differences: [], unreachable: [] })
})

it('shows manual changes, field by field', async () => {
  const image = '[{"op":"replace","path":"/spec/suspend","value":true}]'
  await kubectl([
    'patch',
    'cronjob',
    'production-stack-db',
    `--namespace=${tenant.namespace}`,
    '--type=json',
    `--patch=${image}`,
  ])
  expect(await lines()).toEqual([
    `~ cluster CronJob ${tenant.namespace}/production-stack-db: for production-stack-db`,
    '    spec.suspend: true → false',
  ])
})

it('a namespace that enforces no Pod Security level is reported', async () => {
  const label = 'pod-security.kubernetes.io/enforce'
  await kubectl(['label', 'namespace', tenant.namespace, `${label}-`])
  expect((await plan()).differences.map(({ sign, note }) => `${sign} ${note}`)).toContainEqual(
    expect.stringContaining(`! The namespace ${tenant.namespace} has no label ${label}`),
  )
  await kubectl(['label', 'namespace', tenant.namespace, `${label}=baseline`])
})

it.each([
  ['an API that is not there', { host: 'https://127.0.0.1:9' }],
  ['a token that opens nothing', { bearer_token: 'guessed' }],
])('%s is not a difference, but not reached', async (_, change) => {
  const given = { ...credentials, 'Kubernetes: production': { ...credentials['Kubernetes: production'], ...change } }
  const { differences, unreachable } = await plan(given as typeof credentials)
  expect(differences).toEqual([])
  expect(unreachable.length).toBeGreaterThan(0)
})

it('a credential that is missing is named', async () => {
  expect((await plan({})).unreachable).toEqual([
    {
      what: 'Deploy backups: production',
      why: 'the credential `Kubernetes: production` (OpenShift or Kubernetes API Bearer Token) is missing',
      next: 'add it to the credentials file: its name, and below it its inputs',
    },
  ])
})
