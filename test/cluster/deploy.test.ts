import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type PlaybookResult, runPlaybook } from '../../src/ansible/playbook.ts'
import { makeTenant, type Tenant } from '../support/tenant.ts'

let tenant: Tenant
const system = 'example-db'
const storeKeys = { AWS_ACCESS_KEY_ID: 'the-id', AWS_SECRET_ACCESS_KEY: 'the-very-secret-key' }

beforeAll(async () => {
  tenant = await makeTenant()
})
afterAll(() => tenant.remove())

interface CronJob {
  readonly metadata: { readonly annotations: Record<string, string> }
  readonly spec: {
    suspend: boolean
    schedule: string
    jobTemplate: { spec: { template: { spec: { containers: { env: { name: string; value: string }[] }[] } } } }
  }
}

interface Deploy {
  readonly environment?: Record<string, string>
  readonly check?: boolean
  readonly limit?: string
  readonly namespace?: string
}

function deploy({
  environment = storeKeys,
  check = false,
  limit = system,
  namespace,
}: Deploy = {}): Promise<PlaybookResult> {
  return runPlaybook(
    {
      playbook: 'playbooks/deploy-backups.yml',
      inventory: join(import.meta.dirname, '../support/hosts.yml'),
      limit,
      check,
      environment: { ...tenant.environment, ...environment },
      extraVars: { backup_cronjob_namespace: namespace ?? tenant.namespace },
    },
    { log: () => {} },
  )
}

/** The play ran to its end and changed so many things. */
function expectChanges({ exitCode, output, recap }: PlaybookResult, changed: unknown): void {
  expect({ exitCode, changed: recap[system]?.changed }, output).toEqual({ exitCode: 0, changed })
}

function expectRefusal({ exitCode, output, recap }: PlaybookResult, message: RegExp): void {
  expect({ exitCode, output: output.replaceAll(/\s+/g, ' ') }).toEqual({
    exitCode: 2,
    output: expect.stringMatching(message),
  })
  expect(Object.values(recap).map(({ changed }) => changed)).toEqual([0])
}

async function made(): Promise<string[]> {
  const { items } = await tenant.read<{ items: { kind: string; metadata: { name: string } }[] }>([
    'get',
    'cronjobs,persistentvolumeclaims,secrets',
  ])
  return items.map(({ kind, metadata }) => `${kind} ${metadata.name}`)
}

describe('before anything changes, it names', () => {
  test('a token that the cluster refuses, without showing it', async () => {
    const play = await deploy({ environment: { ...storeKeys, K8S_AUTH_API_KEY: 'no-such-token' } })
    expectRefusal(play, /The cluster refuses the token at https:.*Create a new token for K8S_AUTH_API_KEY/)
    expect(play.output).not.toContain('no-such-token')
  })

  test('a namespace in which the token may do nothing', async () => {
    expectRefusal(
      await deploy({ namespace: 'kube-system' }),
      /may not create cronjobs, update cronjobs, get namespaces, create jobs in the namespace kube-system/,
    )
  })

  test('half of a store credential', async () => {
    const play = await deploy({ environment: { AWS_ACCESS_KEY_ID: 'the-id' } })
    expectRefusal(play, /AWS_SECRET_ACCESS_KEY is not set, but the other key is/)
  })

  test('a service account that is missing', async () => {
    expectRefusal(await deploy(), /no service account backups in the namespace test-/)
  })

  test('a claim that is missing', async () => {
    expectRefusal(await deploy({ limit: 'example-media' }), /no claim media in the namespace test-/)
  })

  test('the keys of secrets that are missing', async () => {
    await tenant.apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'backups' } })
    const play = await deploy({ environment: {} })
    expectRefusal(play, /no key database_admin_user_password in a Secret im-postgres/)
    expectRefusal(play, /no key access_key_id in a Secret im-s3.*"S3 store" and it will/)
    expect(await made()).toEqual([])
  })
})

describe('a deployment', () => {
  const before = {
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: { name: 'postgres-backup-hourly' },
    spec: {
      schedule: '51 * * * *',
      jobTemplate: {
        spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'backup', image: 'before:1' }] } } },
      },
    },
  }
  const secret = (name: string, stringData: Record<string, string>) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name },
    stringData,
  })
  const cronjob = (name = system) => tenant.read<CronJob>(['get', 'cronjob', name])
  const storeSecret = async () => (await tenant.read<{ data: Record<string, string> }>(['get', 'secret', 'im-s3'])).data

  beforeAll(async () => {
    await tenant.apply(
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'backups' } },
      secret('im-postgres', { database_admin_user_password: 'x' }),
      secret('im-s3', { other: 'kept' }),
      before,
    )
  })

  test('says in check mode what it would change, and changes nothing', async () => {
    const there = await made()
    expectChanges(await deploy({ check: true }), 4)
    expect(await made()).toEqual(there)
    expect((await cronjob(before.metadata.name)).spec.suspend).toBe(false)
  })

  test('creates the claim and the CronJob, writes the keys, suspends the old CronJob', async () => {
    const first = await deploy()
    expectChanges(first, 4)
    expect(first.output).not.toContain(storeKeys.AWS_SECRET_ACCESS_KEY)
    expect((await made()).sort()).toEqual([
      'CronJob example-db',
      'CronJob postgres-backup-hourly',
      'PersistentVolumeClaim pg-bu',
      'Secret im-postgres',
      'Secret im-s3',
    ])
    expect(await storeSecret()).toEqual({
      access_key_id: btoa(storeKeys.AWS_ACCESS_KEY_ID),
      secret_access_key: btoa(storeKeys.AWS_SECRET_ACCESS_KEY),
      other: btoa('kept'),
    })
    expect((await cronjob(before.metadata.name)).spec.suspend).toBe(true)
  })

  test('changes nothing the second time', async () => {
    expectChanges(await deploy(), 0)
    expectChanges(await deploy({ check: true }), 0)
  })

  test('needs no store credential if the keys exist, and writes new ones', async () => {
    expectChanges(await deploy({ environment: {} }), 0)
    expectChanges(await deploy({ environment: { ...storeKeys, AWS_ACCESS_KEY_ID: 'new-id' } }), 1)
    expect((await storeSecret()).access_key_id).toBe(btoa('new-id'))
  })

  test('reverts manual changes to the CronJob, and keeps annotations of others', async () => {
    const { spec } = await cronjob()
    const drift = structuredClone(spec)
    drift.suspend = true
    drift.schedule = '0 0 1 1 *'
    const [container] = drift.jobTemplate.spec.template.spec.containers
    Object.assign(container ?? {}, { image: 'other:1' })
    container?.env.push({ name: 'ADDED', value: 'by hand' })
    const metadata = { name: system, annotations: { 'example.com/note': 'kept' } }
    await tenant.apply({ apiVersion: 'batch/v1', kind: 'CronJob', metadata, spec: drift })

    expectChanges(await deploy({ environment: {}, check: true }), 1)
    expect((await cronjob()).spec).toEqual(drift)
    expectChanges(await deploy({ environment: {} }), 1)
    const right = await cronjob()
    expect(right.spec).toEqual(spec)
    expect(right.metadata.annotations['example.com/note']).toBe('kept')
  })
})
