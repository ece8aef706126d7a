import { PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { drillReceipts } from '../../../src/agent/run/drill-receipt.ts'
import { readReceipts } from '../../../src/store/receipt.ts'
import { RancherHost } from '../../support/rancher-host.ts'

let host: RancherHost
beforeAll(async () => {
  host = new RancherHost()
  await host.raise()
  const { exitCode, output } = await host.play()
  expect(exitCode, output).toBe(0)
}, 300_000)
afterAll(() => host.fallForGood())

let started: string
let beats: number
beforeEach(async () => {
  started = await host.startedAt()
  beats = (await host.beats()).length
})

const drill = (variables: Record<string, unknown> = {}) =>
  host.play({ playbook: 'playbooks/drill-rancher.yml', variables })

const verify = (variables: Record<string, unknown> = {}, environment: Record<string, string> = {}) =>
  host.play({ playbook: 'playbooks/verify-backups.yml', variables, environment })

const drills = async () =>
  (await readReceipts(host.store, { bucket: host.bucket, system: `drill.${host.system}`, kinds: [drillReceipts] }))
    .receipts

/** Rancher was not touched, and nothing of a drill is left. */
async function expectTidy(): Promise<void> {
  expect(await host.startedAt()).toBe(started)
  expect(await host.healthy()).toBe(true)
  expect((await host.run(['ls', host.staging])).split('\n')).toEqual(['run.json'])
  expect(await host.docker('ps', '--all', '--format', '{{.Names}}')).not.toContain(`${host.container}-drill`)
}

/** Do something while an object of the bucket has one bit changed. */
async function damaged(key: string, work: () => Promise<void>): Promise<void> {
  const { Body } = await host.get(key)
  const archive = Buffer.from((await Body?.transformToByteArray()) ?? [])
  const broken = Buffer.from(archive)
  broken.writeUInt8(broken.readUInt8(broken.length >> 1) ^ 1, broken.length >> 1)
  await host.store.s3.send(new PutObjectCommand({ Bucket: host.bucket, Key: key, Body: broken }))
  try {
    await work()
  } finally {
    await host.store.s3.send(new PutObjectCommand({ Bucket: host.bucket, Key: key, Body: archive }))
  }
}

describe('a drill', { timeout: 300_000 }, () => {
  test('is not missed by a verification before the first one is due', async () => {
    const { exitCode, output } = await verify({ backup_system_drill_maximum_age_hours: 336 })
    expect(exitCode, output).toBe(0)
  })

  test('starts a second Rancher without a network, and leaves nothing but its receipt', async () => {
    // What the second Rancher's network is, while it runs.
    const { hostname, port } = new URL(host.storeEndpoint)
    const looked = await host.at(
      'wait until healthy',
      `pid=$(docker container inspect --format '{{.State.Pid}}' ${host.container}-drill)
       inside="nsenter --net --target $pid"
       $inside ip -brief address
       $inside ip route
       $inside timeout 1 bash -c 'exec 3<>/dev/tcp/${hostname}/${port}' && echo REACHED || true
       docker container inspect --format '{{.HostConfig.OomScoreAdj}} {{.HostConfig.CpuShares}}' ${host.container}-drill`,
    )
    const { exitCode, output } = await drill()
    const network = await looked.done
    expect(exitCode, output).toBe(0)
    expect(network).toMatch(/default via 203\.0\.113\.255 dev rancher0/)
    expect(network).not.toMatch(/eth0|REACHED/)
    expect(network).toContain('1000 128')
    for (const step of ['fetch and verify', 'unpack', 'start a second Rancher', 'wait until healthy', 'clean up']) {
      expect(output).toMatch(new RegExp(`${step}: done in [\\d.]+ s`))
    }
    await expectTidy()
    expect((await host.beats()).slice(beats)).toEqual(['start', 'success'])
    const [own] = await host.receipts()
    const [stored] = await drills()
    expect(stored?.receipt).toMatchObject({
      kind: 'drill',
      object: own?.receipt.object,
      taken: own?.receipt.taken,
      counts: { files: own?.receipt.counts.files },
      details: { seconds: expect.any(Number) },
    })
    expect(Number(stored?.receipt.details.seconds)).toBeGreaterThan(0)
  })

  test('satisfies that verification, which reads no key from disk and leaves none', async () => {
    const { exitCode, output } = await verify({ backup_system_drill_maximum_age_hours: 336 })
    expect(exitCode, output).toBe(0)
    expect(output).toContain('"drilled"')
    expect(output).not.toContain(process.env.BACKUPS_TEST_S3_SECRET_ACCESS_KEY ?? 'the secret')
    expect(await host.run(['ls', '-A', `/run/fragalysis-backups/${host.container}`])).toBe('')
    expect(await host.docker('ps', '--all', '--format', '{{.Names}}')).not.toContain(`${host.system}-verify`)
    await expectTidy()
  })

  test('of a damaged archive is red and an alarm, and so is the verification of one that is another', async () => {
    const key = (await host.receipts())[0]?.receipt.object.key ?? ''
    await damaged(key, async () => {
      const { exitCode, output } = await drill()
      expect(exitCode).toBe(2)
      expect(output).toContain('does not match its receipt')
      const verified = await verify()
      expect(verified.exitCode).toBe(2)
      expect(verified.output).toContain('its receipt says')
    })
    expect((await host.beats()).slice(beats)).toEqual(['start', 'fail'])
    expect(await drills()).toHaveLength(1)
    await expectTidy()
  })

  test('of data on which Rancher does not become healthy is red, with its last lines', async () => {
    // The archive is whole, and Rancher finds fault with what is in it.
    const sick = await host.at('start a second Rancher', `touch ${host.staging}/drill/data/refuse-to-start`)
    const { exitCode, output } = await drill()
    await sick.done
    expect(exitCode).toBe(2)
    expect(output).toContain('ended with exit code 1')
    expect(output).toContain('told to refuse to start')
    expect((await host.beats()).slice(beats)).toEqual(['start', 'fail'])
    expect(await drills()).toHaveLength(1)
    await expectTidy()
  })

  test('that is killed is cleaned up by the next run', async () => {
    const killed = await host.at('wait until healthy', 'kill -KILL $agent')
    const { exitCode, output } = await drill()
    await killed.done
    expect(exitCode).toBe(2)
    expect(output).toContain('the run was killed at the step "wait until healthy"')
    expect(await host.docker('ps', '--all', '--format', '{{.Names}}')).toContain(`${host.container}-drill`)
    const again = await drill()
    expect(again.exitCode, again.output).toBe(0)
    await expectTidy()
  })

  test('is refused if there is too little space, before anything is fetched', async () => {
    const staging = host.staging
    host.staging = `${host.folder}/small`
    await host.shell(`mkdir -p ${host.staging}; mount -t tmpfs -o size=20m tmpfs ${host.staging}`)
    try {
      const { exitCode, output } = await drill()
      expect(exitCode).toBe(2)
      expect(output.replaceAll(/\s+/g, ' ')).toMatch(/has [\d.]+ MiB free and needs [\d.]+ MiB \(the archive/)
      expect(output).not.toContain('fetch and verify: ')
    } finally {
      await host.run(['umount', host.staging])
      host.staging = staging
    }
  })
})

test('a verification finds a copy that is too old, or missing', async () => {
  const { exitCode, output } = await verify({ backup_system_name: 'another' })
  expect(exitCode).toBe(2)
  expect(output).toContain('holds no copy and no receipt')
}, 300_000)
