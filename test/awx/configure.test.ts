import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { projectRoot } from '../../src/ansible/venv.ts'
import { type Definitions, definitions } from '../../src/awx/definitions.ts'
import type { Config } from '../../src/config/index.ts'
import { compareWithAwx } from '../../src/plan/awx.ts'
import { reportPlan } from '../../src/plan/report.ts'
import { type Surroundings, surroundings } from '../support/awx.ts'

// A run of the play is some sixty modules, each a Python of its own: half a minute, minutes on a busy machine.
vi.setConfig({ testTimeout: 900_000 })

let awx: Surroundings
let all: Definitions

/** An AWX that holds nothing of ours, for the tests of a `describe`. */
function onAwx(systems?: readonly string[]): void {
  beforeAll(async () => {
    awx = await surroundings(systems)
    const made = definitions(awx.config)
    // In a century: a schedule of a test must not come due on a real AWX.
    const controller_schedules = made.controller_schedules.map(schedule => ({
      ...schedule,
      rrule: awx.standIn ? schedule.rrule : schedule.rrule.replace(/2026(\d{4}T)/, '2126$1'),
    }))
    all = { ...made, controller_schedules }
  })
  afterAll(() => awx?.end())
}

const plan = async (wanted = all) => reportPlan(await compareWithAwx(wanted, awx.api), 'text', false)

describe('configure-awx and plan, for all of production', () => {
  onAwx()

  it('plan: everything is missing', async () => {
    const { differences } = await compareWithAwx(all, awx.api)
    const objects = Object.entries(all).filter(([name]) => name !== 'controller_roles')
    expect(differences.every(({ sign }) => sign === '+')).toBe(true)
    expect(differences.length).toBeGreaterThan(
      objects.flatMap(([, list]) => (Array.isArray(list) ? list : [])).length - 3,
    )
  })

  it('makes everything; nothing secret is printed', async () => {
    const { exitCode, recap, output } = await awx.configure(all)
    expect(exitCode, output.slice(-2000)).toBe(0)
    expect(recap?.changed).toBeGreaterThan(10)
    expect(output).not.toMatch(/a (bearer_token|ssl_ca_cert|secret_access_key) of the tests|PRIVATE KEY/)
  })

  it('plan: all is as the config says', async () => {
    expect(await plan()).toBe('')
  })

  it('a second run changes nothing, needs no secrets, and shows what the config no longer names', async () => {
    const { exitCode, recap, output } = await awx.configure(without(gone), { secrets: false })
    expect({ exitCode, changed: recap?.changed }).toEqual({ exitCode: 0, changed: 0 })
    expect(output.replaceAll(/\s+/g, ' ')).toContain(`AWX has job templates that the config does not name: ${gone}.`)
    expect(await plan(without(gone))).toBe(
      [
        `- AWX job template ${gone}: has our mark, and the config does not name it`,
        `- AWX role Backup operators: Execute on job_template ${gone}`,
        '',
      ].join('\n'),
    )
  })

  it('the command prints nothing and exits 0; with another config it prints JSON and exits 1', async () => {
    const same = await planCommand(awx.config, [])
    // On a real AWX the schedules are those of another century.
    expect([same.exitCode, same.stdout.includes('job template')], same.stderr).toEqual([awx.standIn ? 0 : 1, false])
    const other = { ...awx.config, executionEnvironment: 'quay.io/ansible/awx-ee:24.6.2' }
    const { exitCode, stdout } = await planCommand(other, ['--format', 'json'])
    expect(exitCode).toBe(1)
    expect(JSON.parse(stdout).differences).toContainEqual({
      sign: '~',
      where: 'AWX',
      kind: 'execution environment',
      name: `${awx.config.organisation} backups`,
      fields: [{ field: 'image', is: awx.config.executionEnvironment, wanted: 'quay.io/ansible/awx-ee:24.6.2' }],
    })
  })
})

async function planCommand(config: Config, args: string[]) {
  const folder = await mkdtemp(join(tmpdir(), 'backups-plan-'))
  try {
    const file = join(folder, 'backups.config.mjs')
    await writeFile(file, `export default ${JSON.stringify(config)}`)
    return await execa(
      'node',
      [join(projectRoot, 'tools/backups.js'), 'plan', '--only', 'awx', '--config', file, ...args],
      {
        env: { ...awx.environment },
        reject: false,
      },
    )
  } finally {
    await rm(folder, { recursive: true })
  }
}

// Two systems are quicker, and have every kind of object.
const two = ['rancher-server', 'production-stack-media']

describe('in check mode, on an AWX that holds nothing', () => {
  onAwx(two)
  const before = async () => (await awx.api.list('organizations/', { name: awx.config.organisation })).length

  it('says which secrets are missing, and where they go', async () => {
    const { exitCode, output } = await awx.configure(all, { check: true, secrets: false })
    expect(exitCode).toBe(2)
    expect(output.replaceAll(/\s+/g, ' ')).toContain(
      '"Kubernetes: production" lacks bearer_token, ssl_ca_cert: set KUBERNETES_PRODUCTION_BEARER_TOKEN',
    )
  })

  it('names all that would be made, fails at nothing, and makes nothing', async () => {
    awx.standIn?.requests()
    const { exitCode, recap, output } = await awx.configure(all, { check: true })
    expect({ exitCode, ...recap }, output).toMatchObject({ exitCode: 0, failed: 0, ignored: 0, rescued: 0 })
    const named = new Set(output.match(/(?<=^changed: \[awx\] => \(item=).*(?=\)$)/gm))
    for (const { name } of [...all.controller_templates, ...all.controller_workflows, ...all.controller_schedules]) {
      expect(named).toContain(name)
    }
    expect(awx.standIn?.requests().filter(request => !request.startsWith('GET'))).toEqual(awx.standIn && [])
    expect(await before()).toBe(0)
  })
})

describe('after a hand changed AWX', () => {
  onAwx(two)

  it('first it is as it should be', async () => {
    const { exitCode, output } = await awx.configure(all)
    expect(exitCode, output.slice(-2000)).toBe(0)
    expect(await plan()).toBe('')
  })

  const template = 'Back up: rancher-server'
  it('plan shows the field, and what the config does not define', async () => {
    const [live] = await awx.api.list('job_templates/', { name: template, organization__name: awx.config.organisation })
    if (!live) throw new Error('the template is gone')
    await patch(live.url, { verbosity: 4, limit: 'all' })
    const [schedule] = await awx.api.list('schedules/', { unified_job_template__name: template })
    await patch(schedule?.url ?? '', { enabled: false })
    const store = (live.summary_fields.credentials as { id: number; name: string }[]).find(c =>
      c.name.startsWith('Store'),
    )
    await awx.api.post(`${live.url}credentials/`, { id: store?.id, disassociate: true })
    expect((await plan()).split('\n')).toEqual([
      '~ AWX job template Back up: rancher-server',
      '    verbosity: 4 → 0',
      '    limit: "all" → "rancher-server"',
      '    credentials: ["Host: rancher-server"] → ["Host: rancher-server","Store: rancher-server"]',
      '~ AWX schedule Back up: rancher-server',
      '    enabled: false → true',
      '',
    ])
  })

  it('one run puts back what differs, writes the secrets it is told to, and removes what it is asked to', async () => {
    const { recap, output } = await awx.configure(without(gone), {
      extraVars: { awx_objects_rotate: ['Store: production'], awx_objects_remove_surplus: true },
    })
    expect(recap?.changed).toBe(4)
    expect(output.match(/^changed: .*$/gm)).toEqual([
      'changed: [awx]',
      `changed: [awx] => (item=${template})`,
      `changed: [awx] => (item=${template})`,
      `changed: [awx] => (item=${gone})`,
    ])
    expect(await plan(without(gone))).toBe('')
  })
})

const gone = 'Back up: production-stack-media'

/** The definitions as if the config had never named a job template. */
function without(name: string): Definitions {
  return {
    ...all,
    controller_templates: all.controller_templates.filter(t => t.name !== name),
    controller_roles: all.controller_roles.map(grant => ({
      ...grant,
      ...(grant.job_templates && { job_templates: grant.job_templates.filter(t => t !== name) }),
    })),
  }
}

async function patch(path: string, body: unknown): Promise<void> {
  const { CONTROLLER_HOST = '', CONTROLLER_OAUTH_TOKEN, CONTROLLER_USERNAME, CONTROLLER_PASSWORD } = awx.environment
  const login = CONTROLLER_OAUTH_TOKEN
    ? `Bearer ${CONTROLLER_OAUTH_TOKEN}`
    : `Basic ${btoa(`${CONTROLLER_USERNAME}:${CONTROLLER_PASSWORD}`)}`
  const response = await fetch(new URL(path, CONTROLLER_HOST), {
    method: 'PATCH',
    headers: { Authorization: login, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  })
  expect(response.status).toBe(200)
}
