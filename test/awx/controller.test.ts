import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { ansibleEnvironment } from '../../src/ansible/playbook.ts'
import { ensureVenv, projectRoot } from '../../src/ansible/venv.ts'
import { type Controller as Api, openController } from '../../src/awx/controller.ts'
import { type Controller, startController } from '../support/controller/controller.ts'

// The stand-in refuses what AWX's own tables refuse: otherwise nothing it accepts would say anything.

let standIn: Controller
let api: Api
const ids: Record<string, number> = {}

beforeAll(async () => {
  standIn = await startController({ playbooks: ['playbooks/there.yml'] })
  api = openController({ CONTROLLER_HOST: standIn.url, CONTROLLER_OAUTH_TOKEN: standIn.token })
  const make = async (key: string, path: string, body: object) => {
    ids[key] = (await api.post(path, body)).id
  }
  await make('organization', 'organizations/', { name: 'Ours' })
  const { organization } = ids
  await make('project', 'projects/', { name: 'Project', organization, scm_type: 'git' })
  await make('inventory', 'inventories/', { name: 'Inventory', organization })
  const { project, inventory } = ids
  const playbook = 'playbooks/there.yml'
  // AWX knows no playbook of a project that it has not fetched.
  await expect(api.post('job_templates/', { name: 'X', project, inventory, playbook })).rejects.toThrow('Playbook not')
  await api.post(`projects/${project}/update/`)
  await make('template', 'job_templates/', { name: 'Template', project, inventory, playbook, survey_enabled: true })
  const question = { question_name: 'Q', type: 'text', variable: 'q', required: true, default: 'x' }
  await api.post(`job_templates/${ids.template}/survey_spec/`, { name: '', description: '', spec: [question] })
  const [machine] = await api.list('credential_types/', { name: 'Machine' })
  ids.machine = machine?.id ?? 0
  const credential_type = ids.machine
  await make('credential', 'credentials/', { name: 'One', organization, credential_type, inputs: { username: 'u' } })
  await make('other', 'credentials/', { name: 'Two', organization, credential_type, inputs: { username: 'u' } })
  await api.post(`job_templates/${ids.template}/credentials/`, { id: ids.credential })
})
afterAll(() => standIn?.close())

const rule = 'DTSTART:20260102T180000Z RRULE:FREQ=DAILY;INTERVAL=1'

it.each<[string, () => Promise<unknown>, string]>([
  ['an unknown field', () => api.post('organizations/', { name: 'X', colour: 'red' }), 'colour'],
  ['a field missing', () => api.post('teams/', { name: 'X' }), '{"organization":["This field is required."]}'],
  ['a wrong type', () => api.post('organizations/', { name: 'X', max_hosts: 'many' }), 'A valid integer is required.'],
  [
    'a wrong choice',
    () => api.post('projects/', { name: 'X', organization: ids.organization, scm_type: 'cvs' }),
    'is not a valid choice.',
  ],
  ['a name too long', () => api.post('organizations/', { name: 'x'.repeat(513) }), 'no more than 512 characters'],
  ['a broken reference', () => api.post('teams/', { name: 'X', organization: 9999 }), 'object does not exist'],
  [
    'a message of two lines',
    () =>
      api.post('notification_templates/', {
        name: 'X',
        organization: ids.organization,
        notification_type: 'mattermost',
        notification_configuration: { mattermost_url: 'https://chat.example', mattermost_no_verify_ssl: false },
        messages: { error: { message: 'one\ntwo' } },
      }),
    'Messages cannot contain newlines',
  ],
  [
    'a message of an approval with a line break',
    () =>
      api.post('notification_templates/', {
        name: 'X',
        organization: ids.organization,
        notification_type: 'mattermost',
        notification_configuration: { mattermost_url: 'https://chat.example', mattermost_no_verify_ssl: false },
        messages: { workflow_approval: { denied: { message: 'one\ntwo' } } },
      }),
    'Messages cannot contain newlines (found newline in denied event)',
  ],
  ['a duplicate', () => api.post('organizations/', { name: 'Ours' }), 'already exists'],
  [
    'a playbook that is not there',
    () => api.post('job_templates/', { name: 'X', project: ids.project, inventory: ids.inventory, playbook: 'no.yml' }),
    'Playbook not found for project.',
  ],
  [
    'a second credential of a type',
    () => api.post(`job_templates/${ids.template}/credentials/`, { id: ids.other }),
    'Cannot assign multiple Machine credentials.',
  ],
  [
    "an input that is not the type's",
    () => api.post('credentials/', { name: 'X', credential_type: ids.machine, inputs: { usrname: 'u' } }),
    "'usrname' was unexpected",
  ],
  [
    'a key that is none',
    () => api.post('credentials/', { name: 'X', credential_type: ids.machine, inputs: { ssh_key_data: 'key' } }),
    'Invalid certificate or key',
  ],
  [
    'a survey whose default is no choice',
    () =>
      api.post(`job_templates/${ids.template}/survey_spec/`, {
        name: '',
        description: '',
        spec: [
          { question_name: 'Q', type: 'multiplechoice', variable: 'q', required: true, default: 'z', choices: ['a'] },
        ],
      }),
    'Default choice must be answered from the choices listed.',
  ],
  [
    'a schedule without INTERVAL',
    () =>
      api.post('schedules/', { name: 'X', unified_job_template: ids.template, rrule: rule.replace(';INTERVAL=1', '') }),
    'INTERVAL required in rrule.',
  ],
  [
    'a schedule that leaves a required question open',
    () => api.post('schedules/', { name: 'X', unified_job_template: ids.template, rrule: rule }),
    "'q' value missing",
  ],
  [
    'a schedule that sets what is not asked for',
    () =>
      api.post('schedules/', {
        name: 'X',
        unified_job_template: ids.template,
        rrule: rule,
        extra_data: { q: 'x' },
        limit: 'all',
      }),
    'Field is not configured to prompt on launch.',
  ],
  [
    'an injector that uses an unknown input',
    () =>
      api.post('credential_types/', {
        name: 'X',
        kind: 'cloud',
        inputs: { fields: [{ id: 'a', label: 'A', type: 'string' }] },
        injectors: { env: { A: '{{ b }}' } },
      }),
    'uses an undefined field (b)',
  ],
  ['a filter that AWX does not know', () => api.list('teams/', { colour: 'red' }), "team has no field named 'colour'"],
])('refuses %s', async (_, request, message) => {
  await expect(request()).rejects.toThrow(message)
})

it('hides secrets, and takes $encrypted$ back as "leave it"', async () => {
  const { organization, machine: credential_type } = ids
  const inputs = { username: 'u', password: 'p' }
  const made = await api.post('credentials/', { name: 'Secret', organization, credential_type, inputs })
  expect(made.inputs).toEqual({ username: 'u', password: '$encrypted$' })
  const kept = { username: 'v', password: '$encrypted$' }
  standIn.change('credentials', 'Secret', { inputs: kept })
  expect(standIn.find('credentials', 'Secret')?.inputs).toEqual(kept)
})

it('pages its lists', async () => {
  for (let n = 0; n < 60; n++) await api.post('labels/', { name: `label ${n}`, organization: ids.organization })
  const first = await api.get<{ count: number; next: string; results: unknown[] }>('labels/')
  expect([first.count, first.results.length, first.next]).toEqual([60, 25, '/api/v2/labels/?page=2'])
  expect(await api.list('labels/', { page_size: '7' })).toHaveLength(60)
})

it('finds an object by its named URL', async () => {
  expect((await api.get('inventories/Inventory++Ours/')).id).toBe(ids.inventory)
  expect((await api.get(`credentials/${encodeURIComponent('One++Machine+ssh++Ours')}/`)).id).toBe(ids.credential)
})

it('requires a token or a password', async () => {
  const stranger = openController({ CONTROLLER_HOST: standIn.url, CONTROLLER_OAUTH_TOKEN: 'guessed' })
  await expect(stranger.list('organizations/')).rejects.toThrow('401')
})

it('is found below a path, as behind a proxy: by our client, page by page, and by the modules of awx.awx', async () => {
  const proxy = createServer(async (request, response) => {
    if (!request.url?.startsWith('/tools/awx/')) return response.writeHead(404).end()
    const answer = await fetch(`${standIn.url}${request.url.slice('/tools/awx'.length)}`, {
      headers: { Authorization: request.headers.authorization ?? '' },
    })
    return response.writeHead(answer.status, { 'Content-Type': 'application/json' }).end(await answer.text())
  })
  await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void proxy.close())
  const environment = {
    CONTROLLER_HOST: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/tools/awx/`,
    CONTROLLER_OAUTH_TOKEN: standIn.token,
  }
  const below = openController(environment)
  expect(await below.list('labels/', { page_size: '7' })).toHaveLength(60)
  // In one page, as the roles ask: with a path the modules do not find a second one.
  const query = 'query_params={"page_size": 200}, return_all=true, return_objects=true'
  const asked = `msg={{ query("awx.awx.controller_api", "labels", ${query}) | length }}`
  const bin = await ensureVenv(() => {})
  const { stdout } = await execa(
    join(bin, 'ansible'),
    ['localhost', '--module-name', 'ansible.builtin.debug', '--args', asked],
    { cwd: projectRoot, env: ansibleEnvironment(bin, environment), extendEnv: false },
  )
  expect(stdout).toMatch(/msg: '?60'?/)
})
