import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ensureVenv } from '../../../src/ansible/venv.ts'
import { verifyObject } from '../../../src/store/upload.ts'
import { RancherHost } from '../../support/rancher-host.ts'

// Rancher takes so long to close that "while it is stopped" is long enough to be met from outside.
const slow = { STAND_IN_STOP_SECONDS: '5' }

let host: RancherHost
beforeAll(async () => {
  host = new RancherHost()
  await host.raise(slow)
  const { exitCode, output } = await host.play()
  expect(exitCode, output).toBe(0)
}, 300_000)
afterAll(() => host.fallForGood())

/** Rancher is healthy, and every copy of before is what its receipt says. */
async function expectServiceAndCopies(receipts: number): Promise<void> {
  await host.untilHealthy(60)
  const stored = await host.receipts()
  expect(stored).toHaveLength(receipts)
  for (const { receipt } of stored.slice(0, 2)) {
    const { key, bytes, sha256, etag } = receipt.object
    await verifyObject(host.store, { bucket: host.bucket, key, bytes, metadata: { sha256 }, etags: [etag] })
  }
}

let receipts: number
let beats: number
beforeEach(async () => {
  receipts = (await host.receipts()).length
  beats = (await host.beats()).length
})

describe('the run survives Ansible and succeeds', { timeout: 300_000 }, () => {
  // "timeout" and "cancel" are what AWX does; ansible-runner is what it does it with.
  test.for(['SIGINT', 'SIGTERM', 'SIGKILL', 'task failure', 'host unreachable', 'cancel', 'timeout'])(
    '%s',
    async how => {
      const stopped = await host.at('stop', 'true')
      let play: ReturnType<RancherHost['play']>
      if (how.startsWith('SIG')) {
        play = host.play({ playing: process => void stopped.done.then(() => process.kill(how as NodeJS.Signals)) })
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
      expect((await host.beats()).slice(beats)).toEqual(['start', 'success'])
      expect(await host.running(`${host.container}-guard`)).toBe(false)
    },
  )
})

describe('if the run cannot, the guard starts Rancher', { timeout: 300_000 }, () => {
  test.for([
    ['the agent is killed while Rancher stops', 'stop', 'kill -KILL $agent'],
    ['the agent is killed in mid-copy', 'copy what changed', 'kill -KILL $agent'],
    ['the agent hangs in mid-copy', 'copy what changed', 'kill -STOP $node $agent'],
    ['the Docker daemon is restarted', 'copy what changed', 'pkill --oldest --exact dockerd'],
    ['the host is rebooted', 'copy what changed', 'touch reached'],
  ])('%s', async ([how, step, script]) => {
    const met = await host.at(step ?? '', script ?? '')
    const play = host.play({ variables: { rancher_backup_accept_previous: true } })
    await met.done
    const stopped = Date.now()
    if (how === 'the host is rebooted') await host.reboot()
    await host.untilHealthy(60)
    const back = (Date.now() - stopped) / 1000
    const { exitCode, output } = await play
    expect(exitCode, output).not.toBe(0)
    await host.guardEnded(90)
    const guard = await host.guardRecord()
    expect(guard?.outcome, JSON.stringify(guard)).toBe('started')
    await expectServiceAndCopies(receipts)
    expect((await host.beats()).slice(beats)).toContain('fail')
    // Only the hang has to wait for the deadline of 20 s.
    expect(back).toBeLessThan(how === 'the agent hangs in mid-copy' ? 45 : 40)
  })

  test('and Rancher is not stopped again before a person has looked', async () => {
    const before = await host.startedAt()
    const refused = await host.play()
    expect(refused.exitCode, refused.output).toBe(2)
    expect(refused.output).toContain('rancher_backup_accept_previous')
    expect(await host.startedAt()).toBe(before)
    const accepted = await host.play({ variables: { rancher_backup_accept_previous: true } })
    expect(accepted.exitCode, accepted.output).toBe(0)
    await expectServiceAndCopies(receipts + 1)
  })
})

describe('the agent itself starts Rancher', { timeout: 300_000 }, () => {
  test('when the disk is full in mid-copy', async () => {
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
      expect(await host.running(`${host.container}-guard`)).toBe(false)
      await expectServiceAndCopies(receipts)
      expect((await host.beats()).slice(beats)).toEqual(['start', 'fail'])
      await host.run(['rm', `${host.staging}/full`])
      expect((await host.play()).exitCode).toBe(0)
    } finally {
      await host.run(['umount', host.staging])
      host.staging = staging
    }
  })

  test('when it is stopped by SIGTERM', async () => {
    const told = await host.at('copy what changed', 'kill -TERM $agent')
    const { exitCode, output } = await host.play()
    await told.done
    expect(exitCode).toBe(2)
    expect(output).toContain('stopped by SIGTERM')
    await expectServiceAndCopies(receipts)
    expect((await host.beats()).slice(beats)).toEqual(['start', 'fail'])
  })
})

test('a Rancher that does not become healthy is reported at once, with its last lines, and the guard restarts it', async () => {
  const sick = await host.at('stop', `touch ${host.data}/stay-unhealthy`)
  // Long enough for this test to see the guard wait, also on a busy machine.
  const { exitCode, output } = await host.play({ variables: { rancher_backup_healthy_timeout_seconds: 25 } })
  await sick.done
  expect(exitCode).toBe(2)
  expect(output).toContain('IS NOT HEALTHY')
  expect(output).toContain('told to stay unhealthy')
  expect((await host.beats()).slice(beats, beats + 2)).toEqual(['start', 'fail'])
  expect(await host.running(`${host.container}-guard`)).toBe(true)

  // The illness passes, and the restart by the guard heals.
  await host.run(['rm', `${host.data}/stay-unhealthy`])
  await host.guardEnded(120)
  expect((await host.guardRecord())?.outcome).toBe('started')
  await expectServiceAndCopies(receipts)
}, 300_000)

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
