import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import production from '../../backups.config.ts'
import { runPlaybook } from '../../src/ansible/playbook.ts'
import { kindOf } from '../../src/kinds/index.ts'
import { labConfig } from '../../src/lab/config.ts'
import { labImages } from '../../src/lab/site.ts'
import { makeTenant, type Tenant } from '../support/tenant.ts'

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })

interface Job {
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly volumes: { name: string; persistentVolumeClaim?: { claimName: string }; nfs?: object }[]
        readonly containers: {
          image: string
          args: string[]
          env: { name: string; value?: string; valueFrom?: object }[]
          volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[]
        }[]
      }
    }
  }
}

let tenant: Tenant
let folder: string
const config = labConfig(production)

beforeAll(async () => {
  tenant = await makeTenant()
  folder = await mkdtemp(join(tmpdir(), 'backups-test-'))
  const claim = {
    accessModes: ['ReadWriteOnce'],
    resources: { requests: { storage: '1Mi' } },
    storageClassName: 'none',
  }
  for (const name of ['media', 'production-stack-media-replica', 'database-backup', 'elsewhere']) {
    await tenant.apply({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name }, spec: claim })
  }
})
afterAll(async () => {
  await rm(folder, { recursive: true })
  await tenant.remove()
})

async function play(playbook: string, name: string, answers: Record<string, unknown>) {
  const system = config.systems.find(each => each.name === name)
  if (!system) throw new Error(`the config has no ${name}`)
  const variables = kindOf(system).hostVariables(system, config)
  const inventory = join(folder, 'hosts.json')
  await writeFile(inventory, JSON.stringify({ backups: { hosts: { [name]: variables } } }))
  return await runPlaybook(
    {
      playbook,
      inventory,
      environment: tenant.environment,
      extraVars: {
        ...answers,
        ansible_python_interpreter: '{{ ansible_playbook_python }}',
        backup_system_namespace: tenant.namespace,
        agent_job_start_seconds: 2,
        agent_job_poll_seconds: 1,
      },
    },
    { log: () => {} },
  )
}

/** The Job that a playbook makes for a system of production with these answers; its pod cannot start in this namespace. */
async function jobOf(playbook: string, name: string, answers: Record<string, unknown> = {}) {
  const { output } = await play(playbook, name, answers)
  const { items } = await tenant.read<{ items: (Job & { metadata: { name: string; creationTimestamp: string } })[] }>([
    'get',
    'jobs',
    '--sort-by=.metadata.creationTimestamp',
  ])
  const job = items.at(-1)
  if (!job) throw new Error(`no Job was made:\n${output}`)
  const { containers, volumes } = job.spec.template.spec
  const [agent] = containers
  return {
    name: job.metadata.name,
    image: agent?.image,
    args: agent?.args,
    environment: Object.fromEntries((agent?.env ?? []).flatMap(({ name, value }) => (value ? [[name, value]] : []))),
    mounts: agent?.volumeMounts
      .filter(mount => mount.name !== 'tmp')
      .map(mount => [mount.name, mount.mountPath, mount.readOnly ?? false]),
    volumes: volumes.flatMap(({ name, persistentVolumeClaim }) =>
      persistentVolumeClaim ? [[name, persistentVolumeClaim.claimName]] : [],
    ),
  }
}

const restore = 'playbooks/restore-system.yml'

test('a restore of a database gets its answers and no others, and the backup volume', async () => {
  const job = await jobOf(restore, 'production-stack-db', {
    backup_system_into: 'frag_check',
    backup_system_replace: 'yes',
  })
  expect(job).toMatchObject({
    name: expect.stringMatching(/^restore-production-stack-db-/),
    image: labImages.agent,
    args: ['restore'],
    mounts: [['backup', '/backup', false]],
    volumes: [['backup', 'database-backup']],
  })
  expect(job.environment).toEqual({
    AWS_DEFAULT_REGION: 'us-east-1',
    BACKUP_QUESTIONS: expect.stringContaining('"RESTORE_REPLACE":"Replace what is there?"'),
    BACKUP_PLACE: 'production/production-production-stack',
    BACKUP_SYSTEM: 'production-stack-db',
    DATABASE: 'frag',
    FROM_BACKUP: 'LATEST',
    PGHOST: 'database',
    PGUSER: 'admin',
    RCLONE_S3_ENDPOINT: config.store.endpoint,
    RCLONE_S3_PROVIDER: 'Ceph',
    RESTORE_DRY_RUN: 'yes',
    RESTORE_END_CONNECTIONS: 'no',
    RESTORE_FROM: 'bucket',
    RESTORE_INTO: 'frag_check',
    RESTORE_KEEP_BEFORE: 'yes',
    RESTORE_REPLACE: 'yes',
    RESTORE_WORK: '/backup/.recovery',
    USE_RCLONE: 'yes',
    USE_RCLONE_BUCKET_AND_PATH: '/nw-xch-prod-v2-production-stack-backup',
  })
})

test('a restore of files into another claim mounts that one, and no volume that the copy does not come from', async () => {
  const answers = { backup_system_into_claim: 'elsewhere', backup_system_paths: 'a/b; c d' }
  const job = await jobOf(restore, 'production-stack-media', answers)
  expect(job.mounts).toEqual([['source', '/volume-b', false]])
  expect(job.volumes).toEqual([['source', 'elsewhere']])
  expect(job.environment).toMatchObject({
    RESTORE_PATHS: 'a/b\nc d',
    RESTORE_FROM: 'bucket',
    DO_NOT_STOP_ON_ERROR: 'no',
  })
})

test('a drill of a database has the image with a server, and a temporary volume', async () => {
  const job = await jobOf('playbooks/drill-system.yml', 'production-stack-db')
  expect(job).toMatchObject({
    image: labImages.drill,
    args: ['drill'],
    mounts: [['scratch', '/scratch', false]],
    volumes: [],
  })
  expect(job.environment).not.toHaveProperty('RESTORE_REPLACE')
})

test('a drill of media has a temporary volume and the replica, which it cannot write to', async () => {
  const job = await jobOf('playbooks/drill-system.yml', 'production-stack-media')
  expect(job).toMatchObject({
    args: ['drill'],
    mounts: [
      ['scratch', '/scratch', false],
      ['replica', '/volume-a', true],
    ],
    volumes: [['replica', expect.any(String)]],
  })
  expect(job.environment).toMatchObject({ BACKUP_DRILL_REPLICA: 'yes', BACKUP_DRILL_PERCENT: '5' })
})

test.each([
  ['without its confirmation', { backup_system_dry_run: 'no' }, /is not confirmed; nothing was changed/],
  [
    'from a place that has no copies',
    { backup_system_from: 'replica' },
    /cannot be restored from "replica".*one of bucket, volume/,
  ],
])('a restore is refused %s', async (_, answers, message) => {
  const { exitCode, output } = await play(restore, 'production-stack-db', answers)
  expect({ exitCode, output: output.replaceAll(/\s+/g, ' ') }).toEqual({
    exitCode: 2,
    output: expect.stringMatching(message),
  })
})
