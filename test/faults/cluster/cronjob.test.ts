import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CreateBucketCommand, DeleteBucketCommand } from '@aws-sdk/client-s3'
import { execa } from 'execa'
import { afterAll, beforeAll, expect } from 'vitest'
import production from '../../../backups.config.ts'
import { runPlaybook } from '../../../src/ansible/playbook.ts'
import { definitions } from '../../../src/awx/definitions.ts'
import type { Config } from '../../../src/config/index.ts'
import { writeFolder } from '../../../src/generate/folder.ts'
import { inventoryFiles } from '../../../src/inventory/files.ts'
import { inventory } from '../../../src/inventory/inventory.ts'
import { addresses, labImages } from '../../../src/lab/site.ts'
import { openStore } from '../../../src/store/client.ts'
import { deleteKeys, type ListedObject, listObjects } from '../../../src/store/list.ts'
import { readReceipts } from '../../../src/store/receipt.ts'
import { keyPair } from '../../support/age.ts'
import { storeEnvironment } from '../../support/bucket.ts'
import { makeTenant, type Tenant } from '../../support/tenant.ts'
import { openNewestKit } from '../agent/subjects.ts'
import { type Alarm, cell, type Facts } from '../matrix.ts'

// A kit stands for every CronJob: the same role makes all of them.
const system = 'kit-of-the-tests'
const switchPort = 18_091
const gatePort = 18_092
const state = process.env.BACKUPS_TEST_LAB_STATE ?? ''
const place = '/lab/faults-test'
const timeoutMs = 420_000

const onNode = (command: readonly string[], input = '') =>
  execa(join(state, 'machine'), ['exec', 'cluster', ...command], { input })
const nodeShell = (script: string) => onNode(['bash', '-euc', script])

const environment = storeEnvironment()
const store = openStore(environment)
const bucket = `faults-test-${randomBytes(4).toString('hex')}`
const [operator, drills] = [await keyPair(), await keyPair()]
let tenant: Tenant
let folder: string
let gate: Promise<unknown>

async function deploy(): Promise<void> {
  const { exitCode, output } = await runPlaybook(
    {
      playbook: 'playbooks/deploy-backups.yml',
      inventory: join(folder, 'hosts.yml'),
      limit: system,
      environment: {
        ...tenant.environment,
        AWS_ACCESS_KEY_ID: environment.AWS_ACCESS_KEY_ID ?? '',
        AWS_SECRET_ACCESS_KEY: environment.AWS_SECRET_ACCESS_KEY ?? '',
      },
    },
    { log: () => {} },
  )
  expect(exitCode, output).toBe(0)
}

beforeAll(async () => {
  tenant = await makeTenant()
  await store.s3.send(new CreateBucketCommand({ Bucket: bucket }))
  const url = `http://${addresses.cluster}:${switchPort}/${system}`
  const secret = (name: string, stringData: Record<string, string>) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name },
    stringData,
  })
  await tenant.apply(
    secret('kept', { secret_key: 'the first' }),
    secret('heartbeats', { [system]: url }),
    secret('recovery-kit-drill', { identity: drills.identity }),
  )
  const template = production.systems.find(({ kind }) => kind === 'kit')
  const config = {
    ...production,
    agent: { ...production.agent, image: labImages.agent, drillImage: labImages.drill },
    store: { ...production.store, endpoint: `http://${addresses.cluster}:${gatePort}` },
    heartbeats: { api: 'https://healthchecks.example/api/v3/', secret: 'heartbeats' },
    statusService: undefined,
    awx: undefined,
    systems: [
      {
        ...template,
        name: system,
        namespace: tenant.namespace,
        bucket,
        recipients: [operator.recipient],
        drillIdentity: { secret: 'recovery-kit-drill', key: 'identity', recipient: drills.recipient },
        secrets: [{ name: 'kept', keys: ['secret_key'] }],
        nodePreference: undefined,
      },
    ],
  } as unknown as Config
  folder = await mkdtemp(join(tmpdir(), 'backups-faults-'))
  await writeFolder(folder, inventoryFiles(inventory(config, { ...definitions(config) })))
  await nodeShell(`mkdir -p ${place}; rm -f ${place}/*`)
  await onNode(
    ['dd', `of=${place}/gate.py`, 'status=none'],
    await readFile(join(import.meta.dirname, 'gate.py'), 'utf8'),
  )
  gate = execa(
    join(state, 'machine'),
    ['exec', 'cluster', 'python3', `${place}/gate.py`, place, String(switchPort), String(gatePort), '30780'],
    { reject: false },
  )
  await deploy()
}, timeoutMs)

afterAll(async () => {
  await nodeShell(`pkill -f '${place}/[g]ate.py' || true; rm -rf ${place}`)
  await gate
  await tenant?.remove()
  await deleteKeys(
    store,
    bucket,
    (await objects()).map(({ key }) => key),
  )
  await store.s3.send(new DeleteBucketCommand({ Bucket: bucket }))
  await rm(folder, { recursive: true })
})

async function objects(): Promise<ListedObject[]> {
  const all: ListedObject[] = []
  for await (const object of listObjects(store, { bucket })) all.push(object)
  return all
}

const beats = async () =>
  (await nodeShell(`cat ${place}/beats 2>/dev/null || true`)).stdout
    .split('\n')
    .filter(line => line !== '')
    .map(line => line.split('/')[2] ?? 'success')

const lastBeat = (what: string) =>
  expect.poll(async () => (await beats()).at(-1), { timeout: 60_000, interval: 500 }).toBe(what)

interface Job {
  readonly metadata: { readonly name: string }
  readonly status: { readonly conditions?: readonly { type: string; status: string; reason?: string }[] }
}

async function ended(job: string, seconds = 150): Promise<{ type: string; reason?: string }> {
  for (const end = Date.now() + seconds * 1000; ; await sleep(1000)) {
    const { status } = await tenant.read<Job>(['get', 'job', job])
    const condition = status.conditions?.find(
      ({ type, status: holds }) => ['Complete', 'Failed'].includes(type) && holds === 'True',
    )
    if (condition) return condition
    if (Date.now() > end) throw new Error(`the Job ${job} has not ended after ${seconds} s`)
  }
}

interface Spec {
  activeDeadlineSeconds?: number
  template: { spec: { containers: { resources?: object }[] } }
}

/** A Job as the CronJob makes it, with this changed. */
async function start(change: (spec: Spec) => void = () => undefined): Promise<string> {
  const { spec } = await tenant.read<{ spec: { jobTemplate: { spec: Spec } } }>(['get', 'cronjob', system])
  const name = `run-${randomBytes(3).toString('hex')}`
  const own = spec.jobTemplate.spec
  change(own)
  await tenant.apply({ apiVersion: 'batch/v1', kind: 'Job', metadata: { name }, spec: own })
  return name
}

async function running(job: string): Promise<string> {
  for (const end = Date.now() + 90_000; ; await sleep(500)) {
    const { items } = await tenant.read<{ items: { metadata: { name: string }; status: { phase: string } }[] }>([
      ...['get', 'pods', `--selector=job-name=${job}`],
    ])
    const pod = items.find(({ status }) => status.phase === 'Running')
    if (pod) return pod.metadata.name
    if (Date.now() > end) throw new Error(`no pod of the Job ${job} runs`)
  }
}

/** Why the container of a Job ended. */
async function reasonOf(job: string): Promise<string | undefined> {
  interface Pod {
    readonly status: { readonly containerStatuses: readonly { state: { terminated?: { reason: string } } }[] }
  }
  const { items } = await tenant.read<{ items: Pod[] }>(['get', 'pods', `--selector=job-name=${job}`])
  return items[0]?.status.containerStatuses[0]?.state.terminated?.reason
}

const keep = (value: string) =>
  tenant.apply({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'kept' }, stringData: { secret_key: value } })
const closeGate = () => nodeShell(`touch ${place}/closed`)
const openGate = () => nodeShell(`rm -f ${place}/closed`)

/** What the runs that met a fault told the dead-man's switch, and how they ended. */
interface Outcome {
  readonly exit: Facts['exit']
  readonly told: readonly string[]
  readonly alarm: Alarm
  readonly succeeds: boolean
}

/** A good copy, then the fault, then the four facts. */
async function meet(fault: () => Promise<Outcome>): Promise<Facts> {
  await openGate()
  const before = `before ${Date.now()}`
  await keep(before)
  expect(await ended(await start())).toMatchObject({ type: 'Complete' })
  const receipts = async () => (await readReceipts(store, { bucket, system })).receipts.length
  const count = await receipts()
  const heard = (await beats()).length
  const after = `after ${Date.now()}`
  await keep(after)
  // A kit is named to the second.
  await sleep(1001)

  const { exit, told, alarm, succeeds } = await fault()
  await openGate()
  expect((await beats()).slice(heard)).toEqual(told)
  expect((await receipts()) > count).toBe(succeeds)
  const opened = await openNewestKit({ bucket, store, objects }, system, operator.identity)
  expect(opened).toBe(succeeds ? after : before)
  // The service is the cluster itself, which answers and keeps the Secret.
  const { data } = await tenant.read<{ data: Record<string, string> }>(['get', 'secret', 'kept'])
  expect(Buffer.from(data.secret_key ?? '', 'base64').toString()).toBe(after)
  return { exit, alarm, restored: succeeds ? 'own' : 'before' }
}

const alike = 'the same role makes its CronJob, and the same pod runs in it'
const without = { database: alike, media: alike, rancher: 'no pod runs it' }

function clusterCell(name: string, fault: () => Promise<Outcome>): void {
  cell({ name, group: 'The cluster', without, most: 'kit' }, 'kit', () => meet(fault), timeoutMs)
}

clusterCell('the pod is evicted in mid-run', async () => {
  await closeGate()
  const job = await start()
  const pod = await running(job)
  await lastBeat('start')
  await tenant.evict(pod)
  await lastBeat('fail')
  await openGate()
  expect(await ended(job)).toMatchObject({ type: 'Complete' })
  return { exit: 0, told: ['start', 'fail', 'start', 'success'], alarm: 'success', succeeds: true }
})

clusterCell('the pod is out of memory', async () => {
  const job = await start(({ template }) => {
    for (const container of template.spec.containers) container.resources = { limits: { memory: '24Mi' } }
  })
  expect(await ended(job)).toMatchObject({ type: 'Failed' })
  expect(await reasonOf(job)).toBe('OOMKilled')
  return { exit: 'killed', told: [], alarm: 'silence', succeeds: false }
})

clusterCell('the run misses its deadline', async () => {
  await closeGate()
  const job = await start(spec => {
    spec.activeDeadlineSeconds = 15
  })
  expect(await ended(job)).toMatchObject({ type: 'Failed', reason: 'DeadlineExceeded' })
  // Kubernetes says so while the pod still ends.
  await lastBeat('fail')
  return { exit: 15, told: ['start', 'fail'], alarm: 'fail', succeeds: false }
})

clusterCell('the node restarts in mid-run: its kubelet and the containers of the run are killed', async () => {
  await closeGate()
  const job = await start()
  await running(job)
  await lastBeat('start')
  await nodeShell(`pkill -KILL kubelet; pkill -KILL -f '[a]gent/main.ts'`)
  expect(await ended(job)).toMatchObject({ type: 'Failed' })
  return { exit: 'killed', told: ['start'], alarm: 'silence', succeeds: false }
})

const everyMinute = { spec: { schedule: '* * * * *' } }
const patch = (change: object) =>
  tenant.read(['patch', 'cronjob', system, '--type=merge', `--patch=${JSON.stringify(change)}`])

/** Returns when the next full minute is this many seconds old. */
async function nextMinute(seconds: number): Promise<void> {
  await sleep(60_000 - (Date.now() % 60_000) + seconds * 1000)
}

const jobs = async () =>
  (await tenant.read<{ items: Job[] }>(['get', 'jobs'])).items.map(({ metadata }) => metadata.name)

clusterCell('somebody suspends the CronJob by hand', async () => {
  await patch({ spec: { ...everyMinute.spec, suspend: true } })
  const before = await jobs()
  await nextMinute(15)
  expect(await jobs()).toEqual(before)
  await deploy()
  const { spec } = await tenant.read<{ spec: { suspend: boolean } }>(['get', 'cronjob', system])
  expect(spec.suspend).toBe(false)
  return { exit: 'no run', told: [], alarm: 'silence', succeeds: false }
})

clusterCell('the control plane is away when the run is due', async () => {
  const services = ['kube-scheduler', 'kube-controller-manager', 'kube-apiserver']
  const before = await jobs()
  // So that there is time to take the control plane away before the run.
  if (Date.now() % 60_000 > 40_000) await nextMinute(1)
  await patch(everyMinute)
  try {
    await nodeShell(services.map(name => `sv down /lab/service/${name}`).join('; '))
    await nextMinute(20)
  } finally {
    await nodeShell(
      [...services]
        .reverse()
        .map(name => `sv up /lab/service/${name}`)
        .join('; '),
    )
  }
  const made = async () => (await jobs().catch(() => [])).filter(name => !before.includes(name))
  await expect.poll(made, { timeout: 120_000, interval: 1000 }).not.toEqual([])
  const [job = ''] = await made()
  await patch({ spec: { schedule: '37 3 * * *' } })
  expect(await ended(job)).toMatchObject({ type: 'Complete' })
  return { exit: 0, told: ['start', 'success'], alarm: 'success', succeeds: true }
})
