import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, it } from 'vitest'
import production from '../../backups.config.ts'
import { projectRoot } from '../../src/ansible/venv.ts'
import type { MainJobRow } from '../../src/lab/mainJob.ts'
import type { RecoveryRow } from '../../src/lab/recover.ts'
import { recoveryOrder } from '../../src/runbook/order.ts'

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

it('npm run lab deploys, backs up and restores every system of the config, and leaves the working tree alone', async () => {
  const before = await execa('git', ['status', '--porcelain'], { cwd: projectRoot })
  const { code, rows, err } = await lab()
  expect(
    rows.map(({ system, bucket, restored, why }) => ({ system, bucket, restored, why })),
    err.slice(-3000),
  ).toEqual(production.systems.map(({ name, bucket }) => ({ system: name, bucket, restored: true, why: [] })))
  expect(rows.every(row => row.bytes > 0 && row.object !== '')).toBe(true)
  expect(code).toBe(0)
  expect((await execa('git', ['status', '--porcelain'], { cwd: projectRoot })).stdout).toBe(before.stdout)
}, 1_500_000)

it('a sixth system, added in the config alone, is generated, deployed, run and restored', async () => {
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
    },
  ],
})
`,
  )
  const { code, rows, err } = await lab('--config', config)
  expect(rows.map(({ system, restored, why }) => ({ system, restored, why })).at(-1), err.slice(-3000)).toEqual({
    system: 'staging-stack-db',
    restored: true,
    why: [],
  })
  expect(rows).toHaveLength(production.systems.length + 1)
  expect(code).toBe(0)
}, 1_500_000)

it('npm run lab -- recover destroys everything but the buckets, and brings every system back as it was', async () => {
  const { code, rows, err } = await lab<RecoveryRow>('recover')
  expect(
    rows.map(({ system, same, why }) => ({ system, same, why })),
    err.slice(-3000),
  ).toEqual(recoveryOrder(production.systems).map(({ name }) => ({ system: name, same: true, why: [] })))
  expect(rows.every(row => row.seconds > 0 && row.lost !== '' && row.back === row.lost)).toBe(true)
  expect(code).toBe(0)
}, 1_500_000)
