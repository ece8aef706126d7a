import { afterAll, beforeAll, expect, test } from 'vitest'
import production from '../../../backups.config.ts'
import { type RancherSystem, rancher } from '../../../src/kinds/rancher.ts'
import { labImages } from '../../../src/lab/site.ts'
import { keyPair } from '../../support/age.ts'
import { RancherHost } from '../../support/rancher-host.ts'

let host: RancherHost
beforeAll(async () => {
  host = new RancherHost()
  await host.raise({ STAND_IN_STOP_SECONDS: '1' })
  await host.shell(`echo first > ${host.data}/mark`)
}, 300_000)
afterAll(() => host.fallForGood())

test('an encrypted archive: no plain copy stays, and drill, restore and the commands of the runbook open it with a key', {
  timeout: 300_000,
}, async () => {
  const [operator, forDrills, stranger] = [await keyPair(), await keyPair(), await keyPair()]
  const recipients = [operator.recipient, forDrills.recipient]
  const made = await host.play({ variables: { rancher_backup_recipients: recipients } })
  expect(made.exitCode, made.output).toBe(0)
  const { receipt } = (await host.receipts())[0] ?? {}
  const key = receipt?.object.key ?? ''
  expect(key).toMatch(/Z\.tar\.gz\.age$/)
  expect(receipt).toMatchObject({ details: { recipients }, counts: { files: expect.any(Number) } })
  const { Body } = await host.get(key)
  const archive = Buffer.from((await Body?.transformToByteArray()) ?? [])
  expect(archive.subarray(0, 21).toString()).toBe('age-encryption.org/v1')
  expect((await host.run(['ls', host.staging])).split('\n')).toEqual(['run.json'])

  const drill = (identity: string) =>
    host.play({ playbook: 'playbooks/drill-rancher.yml', environment: { BACKUP_IDENTITY: identity } })
  const shut = await drill(stranger.identity)
  expect(shut.exitCode).toBe(2)
  expect(shut.output.replaceAll(/\s+/g, ' ')).toContain('it is the key of none of its recipients')
  const drilled = await drill(forDrills.identity)
  expect(drilled.exitCode, drilled.output).toBe(0)

  await host.shell(`echo second > ${host.data}/mark`)
  const restored = await host.play({
    playbook: 'playbooks/restore-rancher.yml',
    variables: { rancher_backup_restore_dry_run: false, rancher_backup_restore_confirm: host.system },
    environment: { BACKUP_IDENTITY: operator.identity },
  })
  expect(restored.exitCode, restored.output).toBe(0)
  expect(await host.run(['cat', `${host.data}/mark`])).toBe('first')
  expect(await host.run(['ls', '-A', host.staging])).not.toMatch(/tar\.gz/)
  for (const { output } of [made, drilled, restored]) expect(output).not.toContain('AGE-SECRET-KEY')

  // By hand, up to the question whether to go on.
  const system = production.systems.find(({ kind }) => kind === 'rancher') as RancherSystem
  const { restore } = rancher.runbook(
    {
      ...system,
      bucket: host.bucket,
      encrypt: { recipients: [operator.recipient], drillRecipient: forDrills.recipient },
    },
    { ...production, agent: { ...production.agent, image: labImages.agent } },
  )
  const [commands = 'false'] = (/```bash\n\(\n(.*?)```/s.exec(restore)?.[1] ?? '').split('gzip -t')
  const opened = await host.shell(`
    printf '%s\\n' '${operator.identity}' > ${host.folder}/key
    export KEY=${host.folder}/key
    export RCLONE_CONFIG_STORE_ACCESS_KEY_ID=${host.environment().AWS_ACCESS_KEY_ID}
    export RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY=${host.environment().AWS_SECRET_ACCESS_KEY}
    ${commands.replaceAll(production.store.endpoint, host.storeEndpoint)}
    gzip -t /var/tmp/rancher.tar.gz
    tar xOzf /var/tmp/rancher.tar.gz var/lib/rancher/mark
    rm /var/tmp/rancher.tar.gz`)
  expect(opened.trim()).toMatch(/first$/)
})
