import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type Definitions, definitions } from '../../src/awx/definitions.ts'
import { compareWithAwx } from '../../src/plan/awx.ts'
import { reportPlan } from '../../src/report/plan.ts'
import { type Surroundings, surroundings } from './surroundings.ts'

// A run of the play is some sixty modules, each a Python of its own: half a minute, minutes on a busy machine.
vi.setConfig({ testTimeout: 900_000 })

let awx: Surroundings
let all: Definitions
beforeAll(async () => {
  awx = await surroundings()
  const made = definitions(awx.config, 'production')
  // In a century: a schedule of a test must not come due on a real AWX.
  const controller_schedules = made.controller_schedules.map(schedule => ({
    ...schedule,
    rrule: schedule.rrule.replace(/2026(\d{4}T)/, '2126$1'),
  }))
  all = { ...made, controller_schedules }
})
afterAll(() => awx?.end())

const plan = async (wanted = all) => reportPlan(await compareWithAwx(wanted, awx.api), 'text', false)

describe('configure-awx and plan, on an AWX that holds nothing of ours', () => {
  it('plan: everything is missing', async () => {
    const { differences } = await compareWithAwx(all, awx.api)
    const objects = Object.entries(all).filter(([name]) => name !== 'controller_roles')
    expect(differences.every(({ sign }) => sign === '+')).toBe(true)
    expect(differences.length).toBeGreaterThan(
      objects.flatMap(([, list]) => (Array.isArray(list) ? list : [])).length - 3,
    )
  })

  it('a credential without its secrets stops it, and the message says where they go', async () => {
    const { exitCode, output } = await awx.configure(all, {}, false)
    expect(exitCode).toBe(2)
    expect(output.replaceAll(/\s+/g, ' ')).toContain(
      '"Kubernetes: development" lacks bearer_token, ssl_ca_cert: set KUBERNETES_DEVELOPMENT_BEARER_TOKEN',
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

  it('a second run changes nothing, and needs no secrets', async () => {
    const { exitCode, recap } = await awx.configure(all, {}, false)
    expect({ exitCode, changed: recap?.changed }).toEqual({ exitCode: 0, changed: 0 })
  })
})

describe('after a hand changed AWX', () => {
  const template = 'Back up: rancher-server'
  it('plan shows the field, and what nobody defined', async () => {
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

  it('one run puts back what differs, writes the secrets that it is told to, and shows what is surplus', async () => {
    const { recap, output } = await awx.configure(without(gone), { awx_objects_rotate: ['Store: production'] })
    expect(recap?.changed).toBe(3)
    expect(output.match(/^changed: .*$/gm)).toEqual([
      'changed: [awx]',
      `changed: [awx] => (item=${template})`,
      `changed: [awx] => (item=${template})`,
    ])
    expect(output.replaceAll(/\s+/g, ' ')).toContain(`AWX has job templates that the config does not name: ${gone}.`)
    expect(await plan(without(gone))).toBe(
      [
        `- AWX job template ${gone}: is ours by its mark, and the config does not name it`,
        `- AWX role Backup operators: Execute on job_template ${gone}`,
        '',
      ].join('\n'),
    )
  })

  it('what is surplus goes when that is asked for', async () => {
    const { recap, output } = await awx.configure(without(gone), { awx_objects_remove_surplus: true }, false)
    expect(recap?.changed).toBe(1)
    expect(output.match(/^changed: .*$/gm)).toEqual([`changed: [awx] => (item=${gone})`])
    expect(await plan(without(gone))).toBe('')
  })
})

const gone = 'Back up: infra-db-development'

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
