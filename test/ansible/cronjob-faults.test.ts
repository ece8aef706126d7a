import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadAll } from 'js-yaml'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runPlaybook } from '../../src/ansible/playbook.ts'

// The faults of the CronJobs in use, by their numbers in the contract: shown with a CronJob as the template in use
// makes it, then not to be in any CronJob of production.

/** As much of a CronJob as the faults are about. */
interface CronJob {
  metadata: { name: string }
  spec: {
    schedule: string
    timeZone?: string
    startingDeadlineSeconds?: number
    jobTemplate: {
      spec: {
        activeDeadlineSeconds?: number
        backoffLimit?: number
        template: { spec: { initContainers?: Container[]; containers: Container[] } }
      }
    }
  }
}
interface Container {
  env: { name: string; value?: string; valueFrom?: { secretKeyRef?: { name: string; key: string } } }[]
}

let rendered: string
let cronJobs: CronJob[]
const inUse: CronJob = {
  metadata: { name: 'postgres-backup-hourly' },
  spec: {
    schedule: '7 3 * * *',
    startingDeadlineSeconds: 180,
    jobTemplate: {
      spec: { template: { spec: { containers: [{ env: [{ name: 'PGADMINPASS', value: 'in plain sight' }] }] } } },
    },
  },
}

beforeAll(async () => {
  rendered = await mkdtemp(join(tmpdir(), 'faults-rendered-'))
  const run = await runPlaybook(
    {
      playbook: 'playbooks/render-backups.yml',
      inventory: 'inventories/production',
      extraVars: { backup_cronjob_render_directory: rendered },
    },
    { log: () => {} },
  )
  expect(run.exitCode, run.output).toBe(0)
  const files = await readdir(rendered)
  const documents = await Promise.all(files.map(async file => loadAll(await readFile(join(rendered, file), 'utf8'))))
  cronJobs = (documents.flat() as (CronJob & { kind: string })[]).filter(({ kind }) => kind === 'CronJob')
  expect(cronJobs.length).toBeGreaterThanOrEqual(4)
}, 120_000)
afterAll(() => rm(rendered, { recursive: true }))

const DAY = 24

describe('10: promised copies are kept', () => {
  interface Tier {
    keep: number
    /** Hours between two runs. */
    every: number
    prior?: { tier: string; count: number }
  }

  /** Hours that the oldest copy reaches back after so many years of runs that make or promote a copy. */
  function oldest(tiers: Record<string, Tier>, years = 3): number {
    const held: Record<string, number[]> = Object.fromEntries(Object.keys(tiers).map(name => [name, []]))
    const end = years * 365 * DAY
    for (let hour = 0; hour < end; hour += 1) {
      for (const [name, { keep, every, prior }] of Object.entries(tiers)) {
        if (hour % every !== 0) continue
        const copies = held[name] ?? []
        const from = prior ? (held[prior.tier] ?? []) : []
        if (!prior) copies.push(hour)
        else if (from.length === prior.count && !copies.includes(from[0] ?? -1)) copies.push(from[0] ?? 0)
        copies.splice(0, Math.max(0, copies.length - keep))
      }
    }
    return end - Math.min(...Object.values(held).flat())
  }

  const tiers = (weekly: number, monthly: number): Record<string, Tier> => ({
    hourly: { keep: 24, every: 1 },
    daily: { keep: 7, every: DAY, prior: { tier: 'hourly', count: 24 } },
    weekly: { keep: 4, every: weekly, prior: { tier: 'daily', count: 7 } },
    monthly: { keep: 24, every: monthly, prior: { tier: 'weekly', count: 4 } },
  })

  test('tiers reach back as far as their names say only on crons of their own', () => {
    expect(oldest(tiers(DAY, DAY)) / DAY).toBeLessThan(60)
    expect(oldest(tiers(7 * DAY, 28 * DAY)) / DAY).toBeGreaterThan(600)
  })

  test('each CronJob of production makes its copies itself, as often as its cron says, so its count is its reach', () => {
    const every: Record<string, number> = { '51 * * * *': 1, '7 3 * * *': DAY }
    const dumps = cronJobs.flatMap(({ metadata, spec }) => {
      const [container] = spec.jobTemplate.spec.template.spec.containers
      const env = Object.fromEntries(container?.env.map(({ name, value }) => [name, value]) ?? [])
      return env.PGHOST && env.BACKUP_COUNT ? [{ name: metadata.name, schedule: spec.schedule, env }] : []
    })
    expect(dumps.length).toBeGreaterThanOrEqual(3)
    for (const { name, schedule, env } of dumps) {
      expect(env.BACKUP_TYPE, name).toBe('hourly')
      const hours = every[schedule] ?? Number.NaN
      const keep = Number(env.BACKUP_COUNT)
      expect(oldest({ hourly: { keep, every: hours } }, 1), name).toBeGreaterThanOrEqual(keep * hours - hours)
    }
  })
})

describe('11: a control plane that is down for an hour loses no day', () => {
  // Kubernetes starts a missed run only within this time, and otherwise waits for the next.
  const survives = (job: CronJob, away: number) =>
    (job.spec.startingDeadlineSeconds ?? Number.POSITIVE_INFINITY) >= away

  test('with the CronJob in use it does', () => {
    expect(survives(inUse, 3600)).toBe(false)
    expect([inUse.spec.timeZone, inUse.spec.jobTemplate.spec.activeDeadlineSeconds]).toEqual([undefined, undefined])
  })

  test('with ours it does not, and every limit is said', () => {
    for (const job of cronJobs) {
      const hourly = job.spec.schedule.endsWith('* * * *')
      expect(survives(job, hourly ? 600 : 3600), job.metadata.name).toBe(true)
      expect(job.spec.timeZone).toMatch(/\w+\/\w+/)
      expect(job.spec.jobTemplate.spec).toMatchObject({ activeDeadlineSeconds: expect.any(Number), backoffLimit: 0 })
    }
  })
})

describe('12: no CronJob contains a password or key', () => {
  const SECRET = /PASS|SECRET|ACCESS_KEY_ID|TOKEN/
  const inPlain = (job: CronJob): string[] => {
    const { initContainers = [], containers } = job.spec.jobTemplate.spec.template.spec
    return [...initContainers, ...containers].flatMap(({ env }) =>
      env.filter(({ name, value }) => SECRET.test(name) && value !== undefined).map(({ name }) => name),
    )
  }

  test('in the one in use it does', () => expect(inPlain(inUse)).toEqual(['PGADMINPASS']))

  test('in none of ours, and each that needs one refers to a secret', () => {
    for (const job of cronJobs) {
      expect(inPlain(job), job.metadata.name).toEqual([])
      expect(JSON.stringify(job)).toContain('secretKeyRef')
    }
  })
})
