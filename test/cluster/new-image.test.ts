import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runPlaybook } from '../../src/ansible/playbook.ts'
import { labImages } from '../../src/lab/site.ts'
import { makeTenant, type Tenant } from '../support/tenant.ts'

let tenant: Tenant

beforeAll(async () => {
  tenant = await makeTenant()
  await tenant.apply(
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'backups' } },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'im-postgres' },
      stringData: { database_admin_user_password: 'x' },
    },
  )
})
afterAll(() => tenant.remove())

function deploy(image: string, majors: readonly number[], check = false) {
  return runPlaybook(
    {
      playbook: 'playbooks/deploy-backups.yml',
      inventory: join(import.meta.dirname, '../support/hosts.yml'),
      limit: 'example-db',
      check,
      environment: { ...tenant.environment, AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'key' },
      extraVars: {
        backup_cronjob_namespace: tenant.namespace,
        backup_cronjob_image: image,
        backup_cronjob_selftest_image: labImages.drill,
        backup_cronjob_selftest_majors: majors,
      },
    },
    { log: () => {} },
  )
}

async function names(kind: string): Promise<string[]> {
  const { items } = await tenant.read<{ items: { metadata: { name: string } }[] }>(['get', kind])
  return items.map(({ metadata }) => metadata.name)
}

const image = () =>
  tenant
    .read<{ spec: { jobTemplate: { spec: { template: { spec: { containers: { image: string }[] } } } } } }>([
      'get',
      'cronjob',
      'example-db',
    ])
    .then(({ spec }) => spec.jobTemplate.spec.template.spec.containers[0]?.image)

test('a new image is tested in the cluster before a CronJob uses it, and only then', { timeout: 600_000 }, async () => {
  // Check mode starts nothing.
  expect((await deploy('agent:1', [17], true)).exitCode).toBe(0)
  expect(await names('jobs')).toEqual([])

  const failing = await deploy('agent:1', [9])
  expect(failing.exitCode, failing.output).toBe(2)
  expect(failing.output.replaceAll(/\s+/g, ' ')).toContain('this image has no PostgreSQL 9, only')
  expect(await names('cronjobs,persistentvolumeclaims')).toEqual([])

  const first = await deploy('agent:1', [17])
  expect(first.exitCode, first.output).toBe(0)
  expect(first.output).toContain('17 → 17')
  expect(await image()).toBe('agent:1')
  const jobs = await names('jobs')
  expect(jobs).toHaveLength(2)

  // The same image again: nothing to test.
  expect((await deploy('agent:1', [17])).exitCode).toBe(0)
  expect(await names('jobs')).toEqual(jobs)

  // One that fails leaves the CronJob as it is.
  expect((await deploy('agent:2', [9])).exitCode).toBe(2)
  expect(await image()).toBe('agent:1')
})
