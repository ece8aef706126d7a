import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { ensureVenv } from '../../../src/ansible/venv.ts'
import { addresses } from '../../../src/lab/site.ts'
import { verifyObject } from '../../../src/store/upload.ts'
import { RancherHost } from '../../support/rancher-host.ts'
import { refusingProxy } from '../../support/store-proxy.ts'
import { refusals, storeAway } from '../agent/store.ts'
import { type Column, cell, type Facts, type Fault } from '../matrix.ts'

// Rancher takes so long to close that "while it is stopped" is long enough to be met from outside.
const slow = { STAND_IN_STOP_SECONDS: '5' }
const TIMEOUT_MS = 300_000

let host: RancherHost
beforeAll(async () => {
  host = new RancherHost()
  await host.raise(slow)
  const { exitCode, output } = await host.play()
  expect(exitCode, output).toBe(0)
}, TIMEOUT_MS)
afterAll(() => host.fallForGood())

let receipts: number
let beats: number
beforeEach(async () => {
  receipts = (await host.receipts()).length
  beats = (await host.beats()).length
})

/** Rancher is healthy, and every copy of before is what its receipt says. */
async function expectServiceAndCopies(count: number): Promise<void> {
  await host.untilHealthy(60)
  const stored = await host.receipts()
  expect(stored).toHaveLength(count)
  for (const { receipt } of stored.slice(0, 2)) {
    const { key, bytes, sha256, etag } = receipt.object
    await verifyObject(host.store, { bucket: host.bucket, key, bytes, metadata: { sha256 }, etags: [etag] })
  }
}

const beatsSince = async () => (await host.beats()).slice(beats)

function faultOf(group: string, name: string, why: string): Fault {
  const without: Partial<Record<Column, string>> = { database: why, media: why, kit: why }
  return { group, name, without, most: 'rancher' }
}

const byCronJob = 'a CronJob runs it: a play only starts one by hand, and its pod runs on without the play'
const byPod = 'it runs in a pod, whose faults have their own rows'

// "timeout" and "cancel" are what AWX does; ansible-runner is what it does it with.
const interruptions = {
  SIGINT: 'AWX: the play gets SIGINT while Rancher is stopped',
  SIGTERM: 'AWX: the play gets SIGTERM while Rancher is stopped',
  SIGKILL: 'AWX: the play is killed while Rancher is stopped',
  'task failure': 'AWX: a task fails while Rancher is stopped',
  'host unreachable': 'AWX: ssh is lost while Rancher is stopped',
  cancel: 'AWX: the job is canceled while Rancher is stopped',
  timeout: 'AWX: the job times out while Rancher is stopped',
} as const

async function survivesAnsible(how: keyof typeof interruptions): Promise<Facts> {
  const stopped = await host.at('stop', 'true')
  let play: ReturnType<RancherHost['play']>
  if (how === 'SIGINT' || how === 'SIGTERM' || how === 'SIGKILL') {
    play = host.play({ playing: process => void stopped.done.then(() => process.kill(how)) })
  } else if (how === 'task failure') {
    play = host.play({ variables: { rancher_backup_step_timeout_seconds: 1 } })
  } else if (how === 'host unreachable') {
    play = host.play()
    await stopped.done
    await host.sshDown()
  } else {
    const folder = await mkdtemp(join(tmpdir(), 'rancher-runner-'))
    await writeFile(join(folder, 'runner.py'), runner)
    const flag = join(folder, 'cancel')
    play = host
      .play({ command: [join(await ensureVenv(() => undefined), 'python'), join(folder, 'runner.py'), how, flag] })
      .finally(() => rm(folder, { recursive: true, force: true }))
    if (how === 'cancel') await stopped.done.then(() => writeFile(flag, ''))
  }
  const { exitCode, output } = await play
  if (how === 'host unreachable') await host.sshUp()
  await stopped.done
  expect(exitCode, output).not.toBe(0)
  if (how === 'host unreachable') expect(output).toContain('unreachable=1')
  if (how === 'cancel') expect(output).toContain('status: canceled')
  if (how === 'timeout') expect(output).toContain('status: timeout')

  await host.runEnded(120)
  await expectServiceAndCopies(receipts + 1)
  expect((await host.runRecord())?.outcome).toBe('succeeded')
  expect(await beatsSince()).toEqual(['start', 'success'])
  expect(await host.running(`${host.container}-guard`)).toBe(false)
  return { exit: 0, alarm: 'success', restored: 'own' }
}

for (const [how, name] of Object.entries(interruptions)) {
  const fault = faultOf('The play on AWX', name, byCronJob)
  cell(fault, 'rancher', () => survivesAnsible(how as keyof typeof interruptions), TIMEOUT_MS)
}

cell(
  storeAway,
  'rancher',
  async () => {
    const started = await host.startedAt()
    const { exitCode, output } = await host.play({ variables: { rancher_backup_s3_endpoint: 'http://127.0.0.1:9' } })
    expect(exitCode).toBe(2)
    expect(output).toMatch(/FAILED\s+\(exit\s+code\s+3\)/)
    expect(output).toContain('ECONNREFUSED')
    expect(await host.startedAt()).toBe(started)
    await expectServiceAndCopies(receipts)
    expect(await beatsSince()).toEqual(['start', 'fail'])
    return { exit: 3, alarm: 'fail', restored: 'before' }
  },
  TIMEOUT_MS,
)

for (const { fault, refuse, then } of refusals) {
  const prove = async (): Promise<Facts> => {
    // The Docker host reaches this machine only at its address in the lab.
    const { url } = await refusingProxy(host.storeEndpoint, refuse(), addresses.host)
    const { exitCode, output } = await host.play({ variables: { rancher_backup_s3_endpoint: url } })
    const succeeds = then.exit === 0
    expect(exitCode, output).toBe(succeeds ? 0 : 2)
    // Ansible breaks long lines.
    const said = output.replaceAll(/\s+/g, ' ')
    if (!succeeds) {
      expect(said).toContain(`FAILED (exit code ${then.exit})`)
      expect(said).toMatch(then.says)
    }
    await expectServiceAndCopies(receipts + (succeeds ? 1 : 0))
    expect(await beatsSince()).toEqual(['start', succeeds ? 'success' : 'fail'])
    return { exit: then.exit ?? 'killed', alarm: then.alarm, restored: succeeds ? 'own' : 'before' }
  }
  cell(fault, 'rancher', prove, TIMEOUT_MS)
}

const ofHost = "Rancher's host"

// If the run cannot start Rancher, its guard does.
for (const [name, step, script] of [
  ['the agent is killed while Rancher stops', 'stop', 'kill -KILL $agent'],
  ['the agent is killed in mid-copy', 'copy what changed', 'kill -KILL $agent'],
  ['the agent hangs in mid-copy', 'copy what changed', 'kill -STOP $node $agent'],
  ['the Docker daemon is restarted in mid-copy', 'copy what changed', 'pkill --oldest --exact dockerd'],
  ['the host is rebooted in mid-copy', 'copy what changed', 'touch reached'],
] as const) {
  const prove = async (): Promise<Facts> => {
    const met = await host.at(step, script)
    const play = host.play({ variables: { rancher_backup_accept_previous: true } })
    await met.done
    const stopped = Date.now()
    if (name.startsWith('the host is rebooted')) await host.reboot()
    await host.untilHealthy(60)
    const back = (Date.now() - stopped) / 1000
    const { exitCode, output } = await play
    expect(exitCode, output).not.toBe(0)
    await host.guardEnded(90)
    const guard = await host.guardRecord()
    expect(guard?.outcome, JSON.stringify(guard)).toBe('started')
    await expectServiceAndCopies(receipts)
    expect(await beatsSince()).toContain('fail')
    // Only the hang has to wait for the deadline of 20 s.
    expect(back).toBeLessThan(name.startsWith('the agent hangs') ? 45 : 40)
    return { exit: 'killed', alarm: 'fail', restored: 'before' }
  }
  cell(faultOf(ofHost, name, byPod), 'rancher', prove, TIMEOUT_MS)
}

test(
  'after its guard had to act, Rancher is not stopped again before a person has looked',
  async () => {
    const before = await host.startedAt()
    const refused = await host.play()
    expect(refused.exitCode, refused.output).toBe(2)
    expect(refused.output).toContain('rancher_backup_accept_previous')
    expect(await host.startedAt()).toBe(before)
    const accepted = await host.play({ variables: { rancher_backup_accept_previous: true } })
    expect(accepted.exitCode, accepted.output).toBe(0)
    await expectServiceAndCopies(receipts + 1)
  },
  TIMEOUT_MS,
)

cell(faultOf(ofHost, 'the staging folder is full in mid-copy', byPod), 'rancher', stagingFull, TIMEOUT_MS)

async function stagingFull(): Promise<Facts> {
  const staging = host.staging
  host.staging = `${host.folder}/small`
  await host.shell(`mkdir -p ${host.staging}; mount -t tmpfs -o size=700m tmpfs ${host.staging}`)
  try {
    // Rancher gets a new file and its copy finds no room for it.
    const full = await host.at(
      'stop',
      `head -c 8M /dev/urandom > ${host.data}/new; dd if=/dev/zero of=${host.staging}/full bs=1M 2>/dev/null || true`,
    )
    const { exitCode, output } = await host.play()
    await full.done
    expect(exitCode).toBe(2)
    expect(output).toContain('the staging folder is full')
    expect(output).toMatch(/FAILED\s+\(exit\s+code\s+9\)/)
    expect(await host.running(`${host.container}-guard`)).toBe(false)
    await expectServiceAndCopies(receipts)
    expect(await beatsSince()).toEqual(['start', 'fail'])
    await host.run(['rm', `${host.staging}/full`])
    expect((await host.play()).exitCode).toBe(0)
  } finally {
    await host.run(['umount', host.staging])
    host.staging = staging
  }
  return { exit: 9, alarm: 'fail', restored: 'before' }
}

const stopped = faultOf(ofHost, 'the run gets SIGTERM in mid-copy', byPod)
cell(
  stopped,
  'rancher',
  async () => {
    const told = await host.at('copy what changed', 'kill -TERM $agent')
    const { exitCode, output } = await host.play()
    await told.done
    expect(exitCode).toBe(2)
    expect(output).toContain('stopped by SIGTERM')
    expect(output).toMatch(/FAILED\s+\(exit\s+code\s+15\)/)
    await expectServiceAndCopies(receipts)
    expect(await beatsSince()).toEqual(['start', 'fail'])
    return { exit: 15, alarm: 'fail', restored: 'before' }
  },
  TIMEOUT_MS,
)

const unhealthy = faultOf(ofHost, 'Rancher does not become healthy after its copy', 'nothing is stopped for its backup')
cell(
  unhealthy,
  'rancher',
  async () => {
    const sick = await host.at('stop', `touch ${host.data}/stay-unhealthy`)
    // Long enough for this test to see the guard wait, also on a busy machine.
    const { exitCode, output } = await host.play({ variables: { rancher_backup_healthy_timeout_seconds: 25 } })
    await sick.done
    expect(exitCode).toBe(2)
    expect(output).toContain('IS NOT HEALTHY')
    expect(output).toContain('told to stay unhealthy')
    expect(output).toMatch(/FAILED\s+\(exit\s+code\s+13\)/)
    expect((await beatsSince()).slice(0, 2)).toEqual(['start', 'fail'])
    expect(await host.running(`${host.container}-guard`)).toBe(true)

    // The illness passes, and the restart by the guard heals.
    await host.run(['rm', `${host.data}/stay-unhealthy`])
    await host.guardEnded(120)
    expect((await host.guardRecord())?.outcome).toBe('started')
    await expectServiceAndCopies(receipts)
    return { exit: 13, alarm: 'fail', restored: 'before' }
  },
  TIMEOUT_MS,
)

test(
  'a second Rancher starts from the newest copy after all of that',
  async () => {
    const { exitCode, output } = await host.play({ playbook: 'playbooks/drill-rancher.yml' })
    expect(exitCode, output).toBe(0)
  },
  TIMEOUT_MS,
)

// As AWX calls it: a callback that says when to cancel, or a limit on the job's time.
const runner = `
import os, sys, ansible_runner
how, flag, inventory, playbook = sys.argv[1:5]
runner = ansible_runner.run(
    private_data_dir=os.path.dirname(flag), project_dir=os.getcwd(), playbook=playbook, inventory=inventory,
    envvars=dict(os.environ), cancel_callback=lambda: os.path.exists(flag),
    settings={"job_timeout": 16} if how == "timeout" else {"job_timeout": 300},
)
print("status:", runner.status)
sys.exit(0 if runner.status == "successful" else 1)
`
