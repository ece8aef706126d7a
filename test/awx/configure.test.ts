import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { projectRoot } from '../../src/ansible/venv.ts'
import { type Definitions, definitions } from '../../src/awx/definitions.ts'
import type { Config } from '../../src/config/index.ts'
import { type ConfigureRequest, configure } from '../../src/configure/configure.ts'
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

  it('a second run changes nothing, needs no secrets, and is done in seconds', async () => {
    const seconds: number[] = []
    // Again if other tests took the processors meanwhile.
    while (seconds.length < 3 && !seconds.some(value => value < 20)) {
      awx.standIn?.requests()
      const started = performance.now()
      const { same, shown } = await configured(all, { credentials: undefined })
      seconds.push((performance.now() - started) / 1000)
      expect({ same, shown }).toEqual({ same: true, shown: '' })
      expect(awx.standIn?.requests().filter(request => !request.startsWith('GET'))).toEqual(awx.standIn && [])
    }
    expect(Math.min(...seconds), seconds.join()).toBeLessThan(20)
  })

  it('what the config no longer names is shown, and kept', async () => {
    const surplus = [
      `- AWX job template ${gone}: carries our mark, but is not in the config`,
      `- AWX role Backup operators: Execute on job_template ${gone}`,
      '',
    ].join('\n')
    expect(await configured(without(gone), { credentials: undefined })).toMatchObject({ same: false, shown: surplus })
    expect(await plan(without(gone))).toBe(surplus)
  })

  it('the command plan prints nothing and ends with 0; with another config it prints JSON and ends with 1', async () => {
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

describe('on an AWX that holds nothing', () => {
  onAwx(two)

  it('lists all missing secrets at once, before it changes anything', async () => {
    awx.standIn?.requests()
    const error = await configured(all, { credentials: undefined }).catch((error: unknown) => error)
    const sources = all.controller_credentials.flatMap(({ name, sources }) =>
      Object.entries(sources).map(([input, variable]) => `\`${name}\`: \`${input}\` (or the variable ${variable})`),
    )
    expect(error).toMatchObject({ exitCode: 2 })
    for (const line of sources) expect(String(error)).toContain(line)
    expect(awx.standIn?.requests().filter(request => !request.startsWith('GET'))).toEqual(awx.standIn && [])
  })

  it('refuses to rotate a credential that the config does not have', async () => {
    await expect(configured(all, { rotate: ['Store: prodution'] })).rejects.toThrow('no credential `Store: prodution`')
  })

  it('--check shows all that would be made, and makes nothing', async () => {
    awx.standIn?.requests()
    const { same, shown } = await configured(all, { check: true })
    expect(same).toBe(false)
    for (const { name } of [...all.controller_templates, ...all.controller_workflows, ...all.controller_schedules]) {
      expect(shown).toContain(`${name}\n`)
    }
    expect(awx.standIn?.requests().filter(request => !request.startsWith('GET'))).toEqual(awx.standIn && [])
  })

  it('the playbook in check mode fails at nothing and makes nothing', async () => {
    awx.standIn?.requests()
    const { exitCode, recap, output } = await awx.configure(all, { check: true })
    expect({ exitCode, ...recap }, output).toMatchObject({ exitCode: 0, failed: 0, ignored: 0, rescued: 0 })
    expect(awx.standIn?.requests().filter(request => !request.startsWith('GET'))).toEqual(awx.standIn && [])
  })
})

describe('after a hand changed AWX', () => {
  onAwx(two)

  it('first it is as it should be', async () => {
    expect((await configured(all, {})).same).toBe(true)
    expect(await plan()).toBe('')
  })

  const template = 'Back up: rancher-server'
  it('plan shows the field, and what the config does not define', async () => {
    const [live] = await awx.api.list('job_templates/', { name: template, organization__name: awx.config.organisation })
    if (!live) throw new Error('the template is gone')
    await awx.change(live.url, { verbosity: 4, limit: 'all' })
    const [schedule] = await awx.api.list('schedules/', {
      name: template,
      unified_job_template__organization__name: awx.config.organisation,
    })
    await awx.change(schedule?.url ?? '', { enabled: false })
    // An operator's own schedule is theirs: it is neither shown nor removed.
    const extra_data = all.controller_schedules.find(({ name }) => name === template)?.extra_data
    await awx.api.post('schedules/', { ...operators, unified_job_template: live.id, rrule: far, extra_data })
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

  it('a role granted by hand and a changed question are shown by name', async () => {
    const [live] = await awx.api.list('job_templates/', { name: template, organization__name: awx.config.organisation })
    const [team] = await awx.api.list('teams/', { organization__name: awx.config.organisation })
    const roles = live?.summary_fields.object_roles as Record<string, { id: number }>
    await awx.api.post(`roles/${roles.admin_role?.id}/teams/`, { id: team?.id })
    const path = `${live?.url}survey_spec/`
    const survey = await awx.api.get<{ spec: object[] }>(path)
    const [first, ...rest] = survey.spec
    await awx.api.post(path, { ...survey, spec: [{ ...first, question_name: 'Changed by hand?' }, ...rest] })
    const shown = await plan()
    expect(shown).toContain('- AWX role Backup operators: Admin on job_template Back up: rancher-server')
    expect(shown).toMatch(/^ {4}survey: rancher_backup_\w+: question_name: "Changed by hand\?" → "/m)
    expect(shown.split('\n').filter(line => line.includes('survey'))).toHaveLength(1)
  })

  it('one run puts back what differs, writes the named secrets, and removes what --remove allows', async () => {
    const { same, progress } = await configured(without(gone), { rotate: ['Store: production'], removeSurplus: true })
    expect(same).toBe(true)
    expect(progress.slice(1)).toEqual([
      'removed 3 objects that the config does not name',
      'wrote the secrets of Store: production again',
    ])
    expect(await plan(without(gone))).toBe('')
    expect(await awx.api.list('schedules/', { name: operators.name })).toHaveLength(1)
  })

  it('the command shows what would change, and ends with 1', async () => {
    if (!awx.standIn) return
    const folder = await mkdtemp(join(tmpdir(), 'backups-configure-'))
    try {
      const file = join(folder, 'backups.config.mjs')
      await writeFile(file, `export default ${JSON.stringify(awx.config)}`)
      const { exitCode, stderr } = await execa(
        'node',
        [join(projectRoot, 'tools/backups.js'), 'configure', '--check', '--config', file],
        { env: { ...awx.environment }, reject: false },
      )
      expect(exitCode, stderr).toBe(1)
      expect(stderr).toContain('2 missing, 0 different, 0 surplus')
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

const operators = { name: 'A look every Monday', description: 'Made by an operator' }
const far = 'DTSTART;TZID=Etc/UTC:21260101T080000 RRULE:FREQ=WEEKLY;INTERVAL=1'

/** Runs what `npm run configure` runs, over these definitions. */
async function configured(wanted: Definitions, request: Partial<ConfigureRequest>) {
  let shown = ''
  const progress: string[] = []
  const credentials = await awx.secretsFile(wanted)
  const same = await configure(
    wanted,
    { credentials, check: false, removeSurplus: false, rotate: [], ...request },
    awx.environment,
    {
      differences: comparison => {
        shown = reportPlan(comparison, 'text', false)
      },
      progress: line => progress.push(line),
    },
  )
  return { same, shown, progress }
}

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
