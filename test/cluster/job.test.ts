import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { type PlaybookResult, runPlaybook } from '../../src/ansible/playbook.ts'
import { labImages } from '../../src/lab/site.ts'
import { kubectl, makeTenant, type Tenant } from '../support/tenant.ts'

// A dozen modules, each a Python of its own: half a minute, more on a busy machine.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })

let tenant: Tenant

beforeAll(async () => {
  tenant = await makeTenant()
})
afterAll(() => tenant.remove())

const sleeping = (name: string) => ({
  metadata: { labels: { app: name } },
  spec: {
    terminationGracePeriodSeconds: 0,
    containers: [{ name: 'app', image: labImages.base, command: ['sleep', 'infinity'] }],
  },
})

/** What a restore holds still: a CronJob and two applications that use what is restored. */
beforeEach(() =>
  tenant.apply(
    {
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata: { name: 'backup' },
      spec: {
        schedule: '0 0 1 1 *',
        suspend: false,
        jobTemplate: { spec: { template: { spec: { ...sleeping('backup').spec, restartPolicy: 'Never' } } } },
      },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web' },
      spec: { replicas: 2, selector: { matchLabels: { app: 'web' } }, template: sleeping('web') },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: { name: 'worker' },
      spec: {
        replicas: 1,
        serviceName: 'worker',
        selector: { matchLabels: { app: 'worker' } },
        template: sleeping('worker'),
      },
    },
  ),
)

/** Runs the role; its Job's pod says how many pods of the applications it found, by the API's own list of them. */
function run(script: string, extraVars: Record<string, unknown> = {}): Promise<PlaybookResult> {
  return runPlaybook(
    {
      playbook: join(import.meta.dirname, 'job.yml'),
      inventory: 'localhost,',
      environment: tenant.environment,
      extraVars: {
        agent_job_name: 'restore',
        agent_job_namespace: tenant.namespace,
        agent_job_image: labImages.base,
        agent_job_arguments: ['sh', '-c', script],
        agent_job_run_as: { user: 10001, group: 10001, capabilities: [] },
        agent_job_poll_seconds: 1,
        agent_job_suspends: ['backup'],
        agent_job_scales_down: ['deployment/web', 'statefulset/worker'],
        ...extraVars,
      },
    },
    { log: () => {} },
  )
}

interface Held {
  readonly kind: string
  readonly metadata: { readonly annotations?: Record<string, string> }
  readonly spec: { readonly replicas?: number; readonly suspend?: boolean }
}

/** What is held still, in the order: CronJob, Deployment, StatefulSet. */
async function held(): Promise<unknown[]> {
  const names = ['cronjob/backup', 'deployment/web', 'statefulset/worker']
  const { items } = await tenant.read<{ items: Held[] }>(['get', ...names])
  return items.map(({ metadata, spec }) => [
    spec.replicas ?? spec.suspend,
    Object.keys(metadata.annotations ?? {}).filter(name => name.startsWith('fragalysis-backups/')),
  ])
}

const asBefore = [
  [false, []],
  [2, []],
  [1, []],
]

test('while the Job runs the CronJob is suspended and the applications are scaled down; then both are restored', async () => {
  const playing = run('sleep 15; echo SUCCESS all well >/dev/termination-log')
  await vi.waitUntil(async () => (await tenant.read<{ items: unknown[] }>(['get', 'jobs'])).items.length > 0, {
    timeout: 200_000,
    interval: 500,
  })
  expect(await held()).toEqual([
    [true, ['fragalysis-backups/held']],
    [0, ['fragalysis-backups/replicas']],
    [0, ['fragalysis-backups/replicas']],
  ])
  const pods = ['get', 'pods', `--namespace=${tenant.namespace}`, '--selector=app in (web, worker)', '--output=name']
  expect(await kubectl(pods)).toBe('')
  const { exitCode, output } = await playing
  expect(exitCode, output).toBe(0)
  expect(output).toContain('SUCCESS all well')
  expect(await held()).toEqual(asBefore)
})

test('a Job that fails is reported with the end of its log, and everything is as before', async () => {
  const { exitCode, output } = await run('echo FAILURE the copy is damaged >/dev/termination-log; exit 4')
  expect(exitCode).toBe(2)
  expect(output).toContain('FAILURE the copy is damaged')
  expect(await held()).toEqual(asBefore)
})

test('the next run undoes what a killed play left', async () => {
  const left = { 'fragalysis-backups/held': 'restore' }
  const scaled = (replicas: number) => ({
    metadata: { annotations: { 'fragalysis-backups/replicas': String(replicas) } },
    spec: { replicas: 0 },
  })
  const patches = {
    'cronjob/backup': { metadata: { annotations: left }, spec: { suspend: true } },
    'deployment/web': scaled(2),
    'statefulset/worker': scaled(1),
  }
  for (const [name, patch] of Object.entries(patches)) {
    await kubectl(['patch', name, `--namespace=${tenant.namespace}`, `--patch=${JSON.stringify(patch)}`])
  }
  const { exitCode, output } = await run('true')
  expect(exitCode, output).toBe(0)
  expect(await held()).toEqual(asBefore)
})

test('an application that there is not is named, before anything is stopped', async () => {
  const { exitCode, output } = await run('true', { agent_job_scales_down: ['deployment/wbe'] })
  expect(exitCode).toBe(2)
  expect(output.replaceAll(/\s+/g, ' ')).toContain('There is no deployment/wbe in the namespace')
  expect(await held()).toEqual(asBefore)
})
