import { PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RancherHost, until } from '../../support/rancher-host.ts'

let host: RancherHost

/** Restore, for real: a person has typed the name. */
const restore = (variables: Record<string, unknown> = {}, target = host) =>
  target.play({
    playbook: 'playbooks/restore-rancher.yml',
    variables: {
      rancher_backup_restore_dry_run: false,
      rancher_backup_restore_confirm: target.system,
      ...variables,
    },
  })

beforeAll(async () => {
  host = new RancherHost()
  await host.raise({ STAND_IN_STOP_SECONDS: '1' })
  await host.shell(`echo first > ${host.data}/mark`)
  const { exitCode, output } = await host.play()
  expect(exitCode, output).toBe(0)
  await host.shell(`echo second > ${host.data}/mark; touch ${host.data}/later`)
}, 300_000)
afterAll(() => host.fallForGood())

const mark = () => host.run(['cat', `${host.data}/mark`])
const set = (text: string) => host.shell(`echo ${text} > ${host.data}/mark`)

/** Rancher runs, and nothing of a restore is left. */
async function expectTidy(): Promise<void> {
  await host.untilHealthy(60)
  expect(await host.run(['ls', '-A', host.data])).not.toContain('.fragalysis-restore')
  expect(await host.run(['ls', host.staging])).not.toContain('restore.json')
}

describe('a dry run', { timeout: 300_000 }, () => {
  const dry = (variables: Record<string, unknown> = {}) =>
    host.play({ playbook: 'playbooks/restore-rancher.yml', variables })

  test('is the default: it says what would happen, and touches nothing', async () => {
    const before = [await host.startedAt(), await host.run(['ls', '-A', host.data]), await mark()]
    const { exitCode, output } = await dry()
    expect(exitCode, output).toBe(0)
    const { receipt } = (await host.receipts())[0] ?? {}
    const told = output.replaceAll(/\s+/g, ' ')
    expect(told).toContain(`${receipt?.object.key} is complete`)
    expect(told).toContain(`of Rancher v2.9.3 and taken ${receipt?.taken}`)
    expect(told).toContain(`${host.container} would be stopped`)
    expect(told).toMatch(/free and needs [\d.]+ MiB \(the archive [\d.]+ MiB, the restored data/)
    expect(told).toContain('Nothing was touched')
    expect([await host.startedAt(), await host.run(['ls', '-A', host.data]), await mark()]).toEqual(before)
    expect((await host.run(['ls', host.staging])).split('\n')).toEqual(['run.json'])
  })

  test('finds a copy by its time, lists all, and says if there is none', async () => {
    const { receipt } = (await host.receipts())[0] ?? {}
    const listed = await dry({ rancher_backup_restore_copy: 'NONE' })
    expect(listed.exitCode, listed.output).toBe(0)
    expect(listed.output).toContain(receipt?.object.key)
    const early = await dry({ rancher_backup_restore_copy: '2020-01-31T18:00:00Z' })
    expect(early.exitCode).toBe(2)
    expect(early.output).toContain(`the oldest is ${receipt?.taken}`)
  })

  test('needs confirmation: the name must be typed', async () => {
    const { exitCode, output } = await restore({ rancher_backup_restore_confirm: 'another' })
    expect(exitCode).toBe(2)
    expect(output).toContain('it was not confirmed')
    expect(await mark()).toBe('second')
  })
})

describe('a restore', { timeout: 300_000 }, () => {
  test('of a damaged archive does not touch Rancher', async () => {
    const [stored] = await host.receipts()
    const key = stored?.receipt.object.key ?? ''
    const { Body } = await host.get(key)
    const archive = Buffer.from((await Body?.transformToByteArray()) ?? [])
    const damaged = Buffer.from(archive)
    damaged.writeUInt8(damaged.readUInt8(damaged.length >> 1) ^ 1, damaged.length >> 1)
    await host.store.s3.send(new PutObjectCommand({ Bucket: host.bucket, Key: key, Body: damaged }))
    const before = await host.startedAt()
    const { exitCode, output } = await restore()
    await host.store.s3.send(new PutObjectCommand({ Bucket: host.bucket, Key: key, Body: archive }))
    expect(exitCode).toBe(2)
    expect(output).toContain('does not match its receipt')
    expect(await host.startedAt()).toBe(before)
    expect(await mark()).toBe('second')
  })

  test('of another version is refused', async () => {
    await host.docker('rm', '--force', host.container)
    await host.makeRancher({ CATTLE_SERVER_VERSION: 'v2.10.0', STAND_IN_STOP_SECONDS: '1' })
    const { exitCode, output } = await restore()
    expect(exitCode).toBe(2)
    expect(output).toContain('rancher_backup_restore_accept_version')
    expect(await mark()).toBe('second')
    await host.docker('rm', '--force', host.container)
    await host.makeRancher({ STAND_IN_STOP_SECONDS: '1' })
  })

  test('restores what the archive contains, and nothing else', async () => {
    const { exitCode, output } = await restore()
    expect(output).toContain('is restored')
    expect(exitCode).toBe(0)
    expect(await mark()).toBe('first')
    expect(await host.run(['ls', host.data])).not.toContain('later')
    await expectTidy()
    expect(await host.run(['stat', '--format', '%u %g %a', `${host.data}/management-state/odd/owned`])).toBe(
      '1234 5678 4750',
    )
  })

  test('is rolled back if Rancher does not become healthy', async () => {
    await set('third')
    const aside = `${host.data}/.fragalysis-restore`
    const sick = await host.at(
      'unpack',
      `until [ -d ${aside}/k3s ]; do sleep 0.01; done; touch ${aside}/stay-unhealthy`,
    )
    const { exitCode, output } = await restore({ rancher_backup_healthy_timeout_seconds: 5 })
    await sick.done
    expect(exitCode, output).toBe(2)
    expect(output).toContain('it is healthy with its previous data')
    expect(await mark()).toBe('third')
    expect(await host.running(`${host.container}-guard`)).toBe(false)
    await expectTidy()
  })

  test.for(['stop', 'start'])('that is killed at "%s" is rolled back by the guard', async step => {
    await set('fourth')
    const met = await host.at(step, 'kill -KILL $agent')
    const { exitCode } = await restore({ rancher_backup_healthy_timeout_seconds: 8 })
    await met.done
    expect(exitCode).toBe(2)
    await host.guardEnded(120)
    expect(await mark()).toBe('fourth')
    await expectTidy()
  })

  test('goes to a new host, whose Rancher never ran', async () => {
    const other = new RancherHost()
    await host.docker('stop', host.container)
    try {
      await other.like(host)
      const { exitCode, output } = await restore({}, other)
      expect(exitCode, output).toBe(0)
      await until('it is healthy', 60, () => other.healthy())
      expect(await other.run(['cat', `${other.data}/mark`])).toBe('first')
    } finally {
      await other.fall()
      await host.docker('start', host.container)
    }
  })
})
