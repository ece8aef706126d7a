import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type PlaybookResult, runPlaybook } from '../../src/ansible/playbook.ts'
import { labImages } from '../../src/lab/site.ts'
import { kubectl, makeTenant, type Tenant } from '../support/tenant.ts'

let tenant: Tenant

beforeAll(async () => {
  tenant = await makeTenant()
})
afterAll(() => tenant.remove())

function run(
  name: string,
  { check = false, extraVars = {}, log = (_line: string): void => {} } = {},
): Promise<PlaybookResult> {
  return runPlaybook(
    {
      playbook: 'playbooks/run-backup.yml',
      inventory: join(import.meta.dirname, '../support/hosts.yml'),
      limit: 'example-db',
      check,
      environment: tenant.environment,
      extraVars: {
        backup_system_namespace: tenant.namespace,
        backup_system_name: name,
        agent_job_poll_seconds: 1,
        ...extraVars,
      },
    },
    { log },
  )
}

/** A CronJob whose pod runs these scripts, one after the other. */
async function makeCronJob(
  name: string,
  scripts: readonly string[],
  { image = labImages.base as string, seconds = 60 } = {},
) {
  const containers = scripts.map((script, index) => ({
    name: `step-${index + 1}`,
    image,
    command: ['/bin/sh', '-c', script],
    terminationMessagePolicy: 'FallbackToLogsOnError',
  }))
  await tenant.apply({
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: { name },
    spec: {
      schedule: '0 0 1 1 *',
      jobTemplate: {
        spec: {
          activeDeadlineSeconds: seconds,
          backoffLimit: 0,
          template: {
            spec: { restartPolicy: 'Never', initContainers: containers.slice(0, -1), containers: containers.slice(-1) },
          },
        },
      },
    },
  })
}

function jobs(): Promise<{ items: { metadata: { name: string } }[] }> {
  return tenant.read(['get', 'jobs'])
}

function expectEnd({ exitCode, output }: PlaybookResult, expected: number, words: RegExp): void {
  expect({ exitCode, output: output.replaceAll(/\s+/g, ' ') }).toEqual({
    exitCode: expected,
    output: expect.stringMatching(words),
  })
}

describe('a run by hand', () => {
  test('is made from the CronJob, shows what it logged and said, and succeeds', async () => {
    await makeCronJob('well', ['echo first things', 'echo 28 copies; echo SUCCESS all well >/dev/termination-log'])
    const result = await run('well')
    expectEnd(result, 0, /first things.*28 copies.*well-manual-\d{8}t\d{6}z succeeded: SUCCESS all well/)
    const { items } = await jobs()
    expect(items.map(({ metadata }) => metadata)).toEqual([
      expect.objectContaining({
        name: expect.stringMatching(/^well-manual-\d{8}t\d{6}z$/),
        annotations: { 'cronjob.kubernetes.io/instantiate': 'manual' },
        ownerReferences: [expect.objectContaining({ kind: 'CronJob', name: 'well', controller: true })],
      }),
    ])
  })

  test('shows its log line by line while it runs, and no wait as a failure', async () => {
    await makeCronJob('talking', ['echo one; sleep 6; echo two', "printf 'three \\033[31mred\\n'; sleep 6; echo four"])
    const at = new Map<string, number>()
    const result = await run('talking', { log: line => at.set(line, Date.now()) })
    expectEnd(result, 0, /talking-manual-\S+ succeeded/)
    const shown = [...at.keys()].filter(line => /^step-/.test(line))
    expect(shown).toEqual(['step-1 | one', 'step-1 | two', 'step-2 | three [31mred', 'step-2 | four'])
    const seconds = shown.map(line => ((at.get(line) ?? 0) - (at.get('step-1 | one') ?? 0)) / 1000)
    expect(seconds[1]).toBeGreaterThan(3)
    expect(seconds[3]).toBeGreaterThan(8)
    expect(result.output).not.toMatch(/RETRYING|FAILED/)
  })

  test('fails with its message if the image says FAILURE and exits 0', async () => {
    await makeCronJob('quiet', ['echo FAILURE \\(3\\) no dump >/dev/termination-log'])
    expectEnd(await run('quiet'), 2, /quiet-manual-\S+ in the namespace \S+ failed .*: FAILURE \(3\) no dump/)
  })

  test('fails with the end of its log if it left no message', async () => {
    await makeCronJob('loud', ['echo the disk is full >&2; exit 7', 'echo never'])
    expectEnd(
      await run('loud'),
      2,
      /loud-manual-\S+ in the namespace \S+ failed \(BackoffLimitExceeded\): the disk is full/,
    )
  })

  test('ends at its deadline', async () => {
    await makeCronJob('slow', ['sleep 600'], { seconds: 8 })
    expectEnd(await run('slow'), 2, /slow-manual-\S+ in the namespace \S+ failed \(DeadlineExceeded\)/)
  })

  test('says why its pod does not start', async () => {
    await makeCronJob('nowhere', ['true'], { image: '127.0.0.1:1/no-such-image:1' })
    const play = await run('nowhere', { extraVars: { agent_job_start_seconds: 15 } })
    expectEnd(play, 2, /did not start in 15 s: .*(ErrImagePull|ImagePullBackOff).*no-such-image/)
  })

  test('is refused while another is under way', async () => {
    // The Job runs until the test ends it: no pace of this machine is assumed.
    await makeCronJob('busy', ['until [ -e /tmp/end ]; do sleep 0.2; done'], { seconds: 250 })
    const first = run('busy')
    const job = await vi.waitUntil(
      async () => (await jobs()).items.find(({ metadata }) => metadata.name.startsWith('busy-')),
      { timeout: 60_000, interval: 500 },
    )
    expectEnd(await run('busy'), 2, /busy-manual-\S+ of busy is running/)
    const end = ['exec', `job/${job.metadata.name}`, '--', 'touch', '/tmp/end']
    await vi.waitUntil(
      () =>
        kubectl([`--namespace=${tenant.namespace}`, ...end]).then(
          () => true,
          () => false,
        ),
      {
        timeout: 60_000,
        interval: 500,
      },
    )
    expectEnd(await first, 0, /busy-manual-\S+ succeeded/)
  })

  test('is not made in check mode, nor of a CronJob that there is not', async () => {
    await makeCronJob('well', ['true'])
    const { items } = await jobs()
    expectEnd(await run('well', { check: true }), 0, /changed=1/)
    expectEnd(await run('missing'), 2, /no CronJob missing in the namespace .* deploy-backups/)
    expect((await jobs()).items).toHaveLength(items.length)
  })
})
