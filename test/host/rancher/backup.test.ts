import { DeleteBucketCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { deleteKeys, listObjects } from '../../../src/store/list.ts'
import { chainProblems } from '../../../src/store/receipt.ts'
import { RancherHost, until } from '../../support/rancher-host.ts'

let host: RancherHost
beforeAll(async () => {
  host = new RancherHost()
  await host.raise()
})
afterAll(() => host.fallForGood())

describe('a run', { timeout: 300_000 }, () => {
  test('in check mode looks, and changes nothing', async () => {
    const before = await host.startedAt()
    const { exitCode, output } = await host.play({ args: ['--check'] })
    expect(exitCode, output).toBe(0)
    expect(output).toContain('changed=0')
    expect(await host.startedAt()).toBe(before)
  })

  test('stops Rancher for a moment, and leaves a verified copy with its receipt, and nothing else', async () => {
    const before = await host.startedAt()
    const { exitCode, output } = await host.play()
    expect(output).toContain('is verified')
    expect(exitCode).toBe(0)
    for (const step of ['copy while running', 'stop', 'copy what changed', 'start', 'upload and verify']) {
      expect(output).toMatch(new RegExp(`${step}: done in [\\d.]+ s`))
    }
    expect(await host.healthy()).toBe(true)
    expect(await host.startedAt()).not.toBe(before)

    const [stored] = await host.receipts()
    const receipt = stored?.receipt
    expect(receipt?.object.key).toMatch(/^rancher-data-backup-v2\.9\.3-lab-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ\.tar\.gz$/)
    expect(receipt?.versions.rancher).toBe('v2.9.3')
    expect(receipt?.details.stoppedSeconds).toBeGreaterThan(0)
    expect(Number(receipt?.details.healthySeconds)).toBeGreaterThan(Number(receipt?.details.stoppedSeconds))

    expect(await host.beats()).toEqual(['start', 'success'])
    expect((await host.run(['ls', host.staging])).split('\n')).toEqual(['run.json'])
    expect(await host.run(['ls', '-A', `/run/fragalysis-backups/${host.container}`])).toBe('')
    expect(await host.docker('ps', '--all', '--format', '{{.Names}}')).not.toContain(`${host.container}-guard`)
    const shown = await host.docker('inspect', `${host.container}-backup`)
    const log = await host.docker('logs', `${host.container}-backup`)
    for (const place of [shown, log, output]) {
      expect(place).not.toContain(process.env.BACKUPS_TEST_S3_SECRET_ACCESS_KEY ?? 'the secret')
    }
  })

  test("is restored completely by the commands of Rancher's documentation", async () => {
    expect(await restoredByHand(host)).toMatch(/^whole: /)
    const odd = `${host.folder}/restored/var/lib/rancher/management-state/odd`
    expect(await host.run(['stat', '--format', '%u %g %a', `${odd}/owned`])).toBe('1234 5678 4750')
    expect(await host.run(['stat', '--format', '%Y', `${odd}/quote'"`])).toBe('1234567890')
    expect(await host.run(['stat', '--format', '%h %F', `${odd}/hard link`])).toBe('2 regular file')
  })

  test('prunes to the number that is kept, and its receipts are a chain', async () => {
    const plays = [await host.play(), await host.play()]
    expect(plays.map(({ exitCode }) => exitCode)).toEqual([0, 0])
    // The outages of all three, over time.
    expect(plays[1]?.output.match(/\d\dZ {2}stopped \d+\.\d s, healthy after \d+\.\d s/g)).toHaveLength(3)
    const receipts = await host.receipts()
    expect(receipts).toHaveLength(3)
    expect(chainProblems(receipts)).toEqual([])
    const copies: string[] = []
    for await (const { key } of listObjects(host.store, { bucket: host.bucket, prefix: 'rancher-' })) copies.push(key)
    expect(copies).toEqual(
      receipts
        .slice(0, 2)
        .map(({ receipt }) => receipt.object.key)
        .sort(),
    )
  })

  test('whose upload fails is red, keeps the archive, and costs Rancher nothing more', async () => {
    const keys: string[] = []
    for await (const { key } of listObjects(host.store, { bucket: host.bucket })) keys.push(key)
    await deleteKeys(host.store, host.bucket, keys)
    const trap = await host.at('archive', 'true')
    const play = host.play()
    await trap.done
    await host.store.s3.send(new DeleteBucketCommand({ Bucket: host.bucket }))
    const { exitCode, output } = await play
    expect(exitCode).toBe(2)
    expect(output).toContain('NoSuchBucket')
    expect(await host.healthy()).toBe(true)
    expect(await host.run(['ls', host.staging])).toMatch(/rancher-data-backup-.*\.tar\.gz/)
    expect((await host.beats()).at(-1)).toBe('fail')
    expect((await host.runRecord())?.stoppedSeconds).toBeLessThan(10)
  })
})

describe('before anything is stopped, a run is refused', { timeout: 300_000 }, () => {
  let refused: RancherHost
  let before: string
  beforeAll(async () => {
    await host.fall()
    refused = new RancherHost()
    // With reflinks, for the runs below that are not refused.
    await refused.onFilesystem('xfs', 2)
    await refused.raise()
    before = await refused.startedAt()
  })
  afterAll(() => refused.fall())

  test.for([
    ['a time outside its window', { rancher_backup_window: closedWindow() }, 'outside the window'],
    ['data in another folder', { rancher_backup_data_directory: '/lab' }, 'set rancher_backup_data_directory'],
    ['a missing bucket', { rancher_backup_bucket: 'there-is-none' }, 'NoSuchBucket'],
    ['a store that does not answer', { rancher_backup_s3_endpoint: 'http://127.0.0.1:9' }, 'ECONNREFUSED'],
    ['too little space', { rancher_backup_staging_directory: '/lab/rancher-test/small' }, 'need'],
    ['an unhealthy Rancher', { rancher_backup_health_url: 'http://127.0.0.1:9/ping' }, 'is not healthy'],
    ['an unknown image', { rancher_backup_image: 'localhost/there-is:none' }, 'there-is'],
  ] as const)('refuses %s', async ([, variables, said]) => {
    await refused.shell('mkdir -p /lab/rancher-test/small; mount -t tmpfs -o size=64m tmpfs /lab/rancher-test/small')
    try {
      const { exitCode, output } = await refused.play({ variables })
      expect(output).toContain(said)
      expect(exitCode).toBe(2)
      expect(await refused.startedAt()).toBe(before)
    } finally {
      await refused.run(['umount', '/lab/rancher-test/small'])
    }
  })

  test('but a person can have it run outside its window', async () => {
    const { exitCode, output } = await refused.play({
      variables: { rancher_backup_window: closedWindow(), rancher_backup_ignore_window: 'yes' },
    })
    expect(output).toContain('is verified')
    expect(exitCode).toBe(0)
    before = await refused.startedAt()
    // By now its data, but for the database, have rested for long enough to be shared and not copied.
    expect((await refused.receipts())[0]?.receipt.details.engine).toBe('reflink')
    expect(await restoredByHand(refused)).toMatch(/^whole: /)
  })

  test('while another run is active, which is not touched', async () => {
    const first = refused.play()
    await until('the first is active', 60, () => refused.running(`${refused.container}-backup`))
    const second = await refused.play()
    expect(second.output).toContain('Another run has been active')
    expect(second.exitCode).toBe(2)
    expect((await first).exitCode).toBe(0)
  })

  test('if the credential is missing', async () => {
    const { exitCode, output } = await refused.play({ environment: { AWS_ACCESS_KEY_ID: '' } })
    expect(output).not.toContain(process.env.BACKUPS_TEST_S3_SECRET_ACCESS_KEY ?? 'the secret')
    expect(exitCode).toBe(2)
  })

  test('if Rancher is stopped, and it stays stopped', async () => {
    await refused.docker('stop', refused.container)
    const { exitCode, output } = await refused.play()
    expect(output).toContain('is only backed up while it runs')
    expect(exitCode).toBe(2)
    expect(await refused.running()).toBe(false)
  })

  test('if Rancher would be removed when stopped', async () => {
    await refused.docker('rm', refused.container)
    await refused.makeRancher({}, '--rm')
    const { exitCode, output } = await refused.play()
    expect(output).toContain('--rm')
    expect(exitCode).toBe(2)
    expect(await refused.running()).toBe(true)
  })
})

/**
 * Unpack the newest archive by the commands of Rancher's documentation, which has busybox do it, whose tar knows less
 * than GNU's. @returns what the stand-in says of the data
 */
async function restoredByHand(of: RancherHost): Promise<string> {
  const [stored] = await of.receipts()
  const { Body } = await of.get(stored?.receipt.object.key ?? '')
  await of.run(['mkdir', '-p', `${of.folder}/restored/var/lib/rancher`])
  await of.put(`${of.folder}/archive.tar.gz`, Buffer.from((await Body?.transformToByteArray()) ?? []))
  await of.shell(`
    cp /usr/bin/busybox ${of.folder}/restored/
    cd ${of.folder}/restored
    chroot . /busybox sh -c 'rm /var/lib/rancher/* -rf && exec /busybox tar pzxf -' < ${of.folder}/archive.tar.gz`)
  return await of.docker(
    ...['run', '--rm', '--network', 'none', '--volume', `${of.folder}/restored/var/lib/rancher:/copy:ro`],
    ...[of.image, 'verify', '/copy'],
  )
}

/** A window that was over two hours ago, today. */
function closedWindow() {
  const from = new Date(Date.now() - 2 * 3_600_000).toISOString().slice(11, 16)
  return { from, minutes: 60, timezone: 'UTC' }
}
