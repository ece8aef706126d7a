import { beforeAll, expect, it } from 'vitest'
import production from '../../backups.config.ts'
import { drillSystem } from '../../src/agent/drill-receipt.ts'
import { type Lab, standingLab } from '../../src/lab/lab.ts'
import { backUp, deployAll, type Launch, launcher } from '../../src/lab/launch.ts'
import { openStore } from '../../src/store/client.ts'
import { readReceipts } from '../../src/store/receipt.ts'
import { kindOf } from '../../src/systems/index.ts'

let lab: Lab
let launch: Launch
beforeAll(async () => {
  lab = await standingLab(production)
  launch = await launcher(lab, () => undefined, new AbortController().signal)
  await deployAll(lab, launch)
}, 600_000)

const rehearsed = production.systems.filter(system =>
  kindOf(system)
    .templates(system)
    .some(({ name }) => name.startsWith('Rehearse')),
)

it('every system has a job template that rehearses its restore', () => {
  expect(rehearsed).toEqual(production.systems)
})

it.each(rehearsed.map(({ name }) => name))(
  '%s is backed up, its restore rehearsed, and verified, by the job templates of AWX',
  async name => {
    const system = lab.config.systems.find(system => system.name === name)
    if (!system) throw new Error(`${name} is not in the lab`)
    const started = new Date()
    await backUp(system, launch)
    await launch(`Rehearse the restore: ${name}`)
    await launch(`Verify: ${name}`)

    const access = lab.storeOf(system)
    const store = openStore({
      RCLONE_S3_ENDPOINT: access.endpoint,
      AWS_ACCESS_KEY_ID: access.accessKeyId,
      AWS_SECRET_ACCESS_KEY: access.secretAccessKey,
    })
    const { receipts } = await readReceipts(store, { bucket: system.bucket, system: drillSystem(name), newest: 1 })
    const drill = receipts[0]?.receipt
    expect(drill?.kind).toBe('drill')
    expect(new Date(drill?.start ?? 0).getTime()).toBeGreaterThan(started.getTime())
    expect(drill?.details.seconds).toBeGreaterThan(0)
  },
  600_000,
)
