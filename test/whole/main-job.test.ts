import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, it } from 'vitest'
import production from '../../backups.config.ts'
import { projectRoot } from '../../src/ansible/venv.ts'
import { recoveryOrder } from '../../src/kinds/index.ts'
import { standingLab } from '../../src/lab/lab.ts'
import { launcher } from '../../src/lab/launch.ts'
import type { MainJobRow } from '../../src/lab/main-job.ts'
import { storeOf } from '../../src/lab/receipts.ts'
import type { RecoveryRow } from '../../src/lab/recover.ts'
import { inParallel } from '../../src/store/parallel.ts'
import { drillSystem, readReceipts } from '../../src/store/receipt.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'backups-main-job-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** `npm run lab` as a user runs it; the rows of its table. */
async function lab<Row = MainJobRow>(
  ...args: string[]
): Promise<{ code: number | undefined; rows: Row[]; err: string }> {
  const result = await execa('node', [join(projectRoot, 'tools/backups.js'), 'lab', '--format', 'json', ...args], {
    cwd: projectRoot,
    reject: false,
  })
  return { code: result.exitCode, rows: result.stdout ? JSON.parse(result.stdout) : [], err: result.stderr }
}

it('npm run lab deploys, backs up and restores every system of the config, and one more, encrypted, that is added there alone', async () => {
  const before = await execa('git', ['status', '--porcelain'], { cwd: projectRoot })
  const config = join(folder, 'six.config.ts')
  await writeFile(
    config,
    `import production from ${JSON.stringify(join(projectRoot, 'backups.config.ts'))}
import { defineConfig } from ${JSON.stringify(join(projectRoot, 'src/config/index.ts'))}
export default defineConfig({
  ...production,
  systems: [
    ...production.systems,
    {
      kind: 'database',
      name: 'staging-stack-db',
      description: "The staging stack's Django database",
      schedule: { every: 'day', at: '05:05' },
      keep: 7,
      bucket: 'staging-stack-backup',
      cluster: 'development',
      namespace: 'staging-stack',
      service: 'database',
      database: 'frag',
      user: 'admin',
      password: { secret: 'database', key: 'root_password' },
      volume: { claim: 'database-backup', size: '10Gi' },
      encrypt: {
        recipients: ['age16fhey6jtyffph0mcgkvu8qeznhv0tvlyq6axagdzy5rke6hz7f7snmdm56'],
        drillIdentity: {
          secret: 'staging-stack-key',
          key: 'identity',
          recipient: 'age1tp996kzka0zerdm2ndad7gqzm3x6vs9h49pu3v0ezekwks6dhuvsnhkprj',
        },
      },
    },
  ],
})
`,
  )
  const { code, rows, err } = await lab('--config', config)
  expect(
    rows.map(({ system, bucket, restored, why }) => ({ system, bucket, restored, why })),
    err.slice(-3000),
  ).toEqual(
    [...production.systems, { name: 'staging-stack-db', bucket: 'staging-stack-backup' }].map(({ name, bucket }) => ({
      system: name,
      bucket,
      restored: true,
      why: [],
    })),
  )
  expect(rows.every(row => row.bytes > 0 && row.object !== '')).toBe(true)
  expect(rows.at(-1)?.object).toMatch(/\.sql\.gz\.age$/)
  expect(code).toBe(0)
  expect((await execa('git', ['status', '--porcelain'], { cwd: projectRoot })).stdout).toBe(before.stdout)
}, 1_500_000)

it('the job templates of AWX run a drill of every restore and verify every copy', async () => {
  const standing = await standingLab(production)
  const launch = await launcher(standing, () => undefined, new AbortController().signal)
  const started = new Date()
  await inParallel(standing.config.systems, 3, async ({ name }) => {
    await launch(`Test restore: ${name}`)
    await launch(`Verify: ${name}`)
  })
  for (const system of standing.config.systems) {
    const drills = { bucket: system.bucket, system: drillSystem(system.name), newest: 1 }
    const [drill] = (await readReceipts(storeOf(system, standing), drills)).receipts
    expect(drill?.receipt.kind, system.name).toBe('drill')
    expect(new Date(drill?.receipt.start ?? 0).getTime(), system.name).toBeGreaterThan(started.getTime())
    expect(drill?.receipt.details.seconds, system.name).toBeGreaterThan(0)
    const copies = { bucket: system.bucket, system: system.name, newest: 1 }
    const [copy] = (await readReceipts(storeOf(system, standing), copies)).receipts
    if (copy?.receipt.kind === 'database') {
      // A drill restores into the server's own major; the image's self-test restores into the newest.
      const [from, into] = [copy.receipt.versions.server, drill?.receipt.details.server].map(major)
      expect(into, system.name).toBe(from)
    }
  }
}, 1_500_000)

it('npm run lab -- recover destroys everything but the buckets, and recovers every system', async () => {
  const { code, rows, err } = await lab<RecoveryRow>('recover')
  expect(
    rows.map(({ system, same, why }) => ({ system, same, why })),
    err.slice(-3000),
  ).toEqual(recoveryOrder(production.systems).map(({ name }) => ({ system: name, same: true, why: [] })))
  expect(rows.every(row => row.seconds > 0 && row.lost !== '' && row.back === row.lost)).toBe(true)
  expect(code).toBe(0)
}, 1_500_000)

function major(version: unknown): number {
  return Number.parseInt(String(version), 10)
}
