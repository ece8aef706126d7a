import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import production from '../../backups.config.ts'
import { projectRoot } from '../../src/ansible/venv.ts'
import { Unsafe } from '../../src/ansible/yaml.ts'
import { type Controller as Api, openController } from '../../src/awx/controller.ts'
import { type Definitions, definitions, type Workflow } from '../../src/awx/definitions.ts'
import { launchOnController, type WatchOptions } from '../../src/launch/launch-controller.ts'
import { launchWorkflowLocal, type WorkflowOptions } from '../../src/launch/launch-workflow.ts'
import { type Controller, type Run, startController } from '../support/controller/controller.ts'

// Always on the stand-in, as jobs are played here; a workflow without AWX is run by ansible-playbook for real.

const all = definitions(production)
const name = 'Recover everything: production'
const recovery = all.controller_workflows.find(workflow => workflow.name === name) as Workflow
const steps = recovery.nodes.flatMap(node => node.unified_job_template ?? [])
const [first = '', second = ''] = steps

describe('a workflow on AWX', () => {
  let standIn: Controller
  let api: Api
  let play: (run: Run) => Promise<'successful' | 'failed'>

  beforeAll(async () => {
    standIn = await startController({ run: run => play(run) })
    api = openController({ CONTROLLER_HOST: standIn.url, CONTROLLER_OAUTH_TOKEN: standIn.token })
    await put(api)
  })
  afterAll(() => standIn?.close())
  beforeEach(() => {
    play = async ({ template, log }) => {
      log(`output of ${template}`)
      return 'successful'
    }
  })

  /** Follows the workflow; `decide` answers each approval that it waits for. */
  async function launch(decide: (approval: string) => 'approve' | 'deny' | 'nothing', options: Partial<WatchOptions>) {
    const lines: string[] = []
    const progress: string[] = []
    const { status } = await launchOnController(api, recovery, {
      answers: {},
      log: line => lines.push(line),
      progress: line => {
        progress.push(line.replaceAll(/\d+(?=[:/]|$| is)|http:\S+?#|until \S+/g, 'N'))
        const waits = /^(.+): waits .*workflow_approvals\/(\d+)\//.exec(line)
        const answer = waits?.[1] ? decide(waits[1]) : 'nothing'
        if (answer !== 'nothing') void api.post(`workflow_approvals/${waits?.[2]}/${answer}/`)
      },
      interrupt: new AbortController().signal,
      confirmCancel: async () => false,
      poll: 10,
      ...options,
    })
    return { status, lines, progress }
  }

  it('tells people of each approval, and what became of it', async () => {
    const before = standIn.sent().length
    await launch(approval => (approval === `Approve: ${first}` ? 'approve' : 'deny'), {})
    await vi.waitFor(() => expect(standIn.sent()).toHaveLength(before + 4), { timeout: 20_000 })
    const said = standIn
      .sent()
      .slice(before)
      .map(({ body }) => JSON.parse(body))
    const told = [
      [first, 'running', 'waits for an answer.'],
      [first, 'approved', 'is approved. The recovery continues. To do: nothing.'],
      [second, 'running', 'To do: look at what the steps before it restored, then approve or deny it at http://'],
      [
        second,
        'denied',
        'is denied. The recovery has ended; what it restored before stays. To do: see docs/RUNBOOK.md',
      ],
    ] as const
    expect(said).toEqual(
      expect.arrayContaining(
        told.map(([step, status, text]) => ({
          job: `Approve: ${step}`,
          status,
          url: expect.stringMatching(/\/#\/jobs\/workflow\/\d+$/),
          text: expect.stringContaining(text),
        })),
      ),
    )
  })

  it('is followed step by step: approvals with where to give them, jobs with their output', async () => {
    const { status, lines, progress } = await launch(() => 'approve', {})
    expect(status).toBe('successful')
    expect(lines).toEqual(steps.map(step => `output of ${step}`))
    expect(progress.slice(0, 7)).toEqual([
      'workflow N: N/jobs/workflow/N/output',
      'workflow N is running',
      `Approve: ${first}: waits N for a person to approve or deny at N/workflow_approvals/N/details`,
      `Approve: ${first}: approved`,
      `${first}: job N: N/jobs/playbook/N/output`,
      expect.stringContaining(`${first} is `),
      expect.stringContaining(''),
    ])
    expect(progress.at(-1)).toBe('workflow N is successful')
    expect(progress.filter(line => line.includes('waits'))).toHaveLength(steps.length)
  })

  it('fails if a step fails, and runs none after it', async () => {
    play = async ({ template }) => (template === second ? 'failed' : 'successful')
    const { status, progress } = await launch(() => 'approve', {})
    expect(status).toBe('failed')
    expect(progress).toContain(`${second} is failed`)
    expect(progress.join('\n')).not.toContain(`Approve: ${steps[2]}`)
  })

  it('fails if a person denies an approval', async () => {
    const { status, lines, progress } = await launch(() => 'deny', {})
    expect({ status, lines }).toEqual({ status: 'failed', lines: [] })
    expect(progress).toContain(`Approve: ${first}: denied`)
  })

  it('is cancelled when that is confirmed, with the job that runs', async () => {
    let cancelled = false
    play = async run => {
      while (!run.cancelled.aborted) await sleep(5)
      cancelled = true
      return 'failed'
    }
    const interrupt = AbortSignal.timeout(200)
    const { status } = await launch(() => 'approve', { interrupt, confirmCancel: async () => true })
    expect({ status, cancelled }).toEqual({ status: 'canceled', cancelled: true })
  })

  it('asks no question of its own', async () => {
    await expect(launch(() => 'nothing', { answers: { x: '1' } })).rejects.toThrow('asks for no `x`')
  })

  it('keeps waiting if nobody answers or cancels', async () => {
    const { status } = await launch(() => 'nothing', { interrupt: AbortSignal.timeout(100) })
    expect(status).toBe('left')
  })
})

/** Makes the workflow, and what it launches, as configure-awx would. */
async function put(api: Api): Promise<void> {
  const organization = (await api.post('organizations/', { name: recovery.organization })).id
  const inventory = (await api.post('inventories/', { name: 'Inventory', organization })).id
  const project = (await api.post('projects/', { name: 'Project', organization, scm_type: 'git' })).id
  const workflow = await api.post('workflow_job_templates/', { name, organization })
  const [told] = all.controller_notifications
  const texts = JSON.stringify(told?.messages, (_, value) => (value instanceof Unsafe ? value.text : value))
  const notification = await api.post('notification_templates/', {
    name: told?.name,
    organization,
    notification_type: told?.notification_type,
    notification_configuration: told?.notification_configuration,
    messages: JSON.parse(texts),
  })
  await api.post(`${workflow.url}notification_templates_approvals/`, { id: notification.id })
  const ids = new Map<string, number>()
  for (const { identifier, unified_job_template, approval_node, extra_data } of recovery.nodes) {
    const template = all.controller_templates.find(t => t.name === unified_job_template)
    const made =
      template &&
      (await api.post('job_templates/', {
        name: template.name,
        playbook: template.playbook,
        inventory,
        project,
        survey_enabled: template.survey_enabled,
      }))
    if (made && template.survey_spec) await api.post(`${made.url}survey_spec/`, template.survey_spec)
    const node = await api.post('workflow_job_template_nodes/', {
      identifier,
      workflow_job_template: workflow.id,
      ...(made && { unified_job_template: made.id, extra_data }),
    })
    if (approval_node) await api.post(`${node.url}create_approval_template/`, approval_node)
    ids.set(identifier, node.id)
  }
  for (const { identifier, success_nodes } of recovery.nodes) {
    for (const next of success_nodes) {
      await api.post(`workflow_job_template_nodes/${ids.get(identifier)}/success_nodes/`, { id: ids.get(next) })
    }
  }
}

describe('a workflow here, without AWX', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'backups-workflow-'))
    await writeFile(join(folder, 'hosts.yml'), 'all: {hosts: {infra-db-production: {ansible_connection: local}}}\n')
    await writeFile(
      join(folder, 'says.yml'),
      `- name: Say what is asked
  hosts: all
  gather_facts: false
  tasks:
    - name: Fail if asked to
      ansible.builtin.assert:
        that: answer != 'fail'
    - name: Say it
      ansible.builtin.debug:
        msg: "the answer is {{ answer }}"
`,
    )
  })
  afterAll(() => rm(folder, { recursive: true }))

  const question = {
    question_name: 'Q',
    question_description: '',
    variable: 'answer',
    type: 'text' as const,
    min: 0,
    max: 9,
  }
  const node = { success_nodes: [], failure_nodes: [], always_nodes: [] }

  /** Runs a workflow of an approval, a job with an answer, and a second job after it. */
  async function run(answer: string, approve: WorkflowOptions['approve']) {
    const template = all.controller_templates.find(t => t.name === first)
    if (!template) throw new Error('the template is gone')
    const own = (called: string) => ({
      ...template,
      name: called,
      playbook: join(folder, 'says.yml'),
      limit: 'infra-db-production',
      credentials: [],
      timeout: 100,
      survey_spec: {
        name: '',
        description: '',
        spec: [{ ...question, required: true, default: '', choices: '' as const, new_question: true }],
      },
    })
    const workflow: Workflow = {
      ...recovery,
      nodes: [
        { ...node, identifier: 'last', unified_job_template: 'Last', extra_data: { answer: 'last' } },
        { ...node, identifier: 'ask', approval_node: approval, success_nodes: ['job'] },
        {
          ...node,
          identifier: 'job',
          unified_job_template: 'Job',
          extra_data: { answer },
          success_nodes: ['last'],
        },
      ],
    }
    const definitionsOfIt: Definitions = { ...all, controller_templates: [own('Job'), own('Last')] }
    const lines: string[] = []
    const progress: string[] = []
    const well = await launchWorkflowLocal(definitionsOfIt, workflow, {
      inventory: join(folder, 'hosts.yml'),
      credentials: {},
      log: line => lines.push(...(/the answer is [^"]+/.exec(line) ?? [])),
      progress: line => progress.push(line),
      approve,
      signal: new AbortController().signal,
    })
    return { well, lines, progress }
  }
  const approval = { name: 'Approve: it', description: 'Really?', timeout: 60 }

  it('runs its jobs in order with their answers, after the approval', async () => {
    const asked: unknown[] = []
    const result = await run('first', async question => {
      asked.push(question)
      return true
    })
    expect(asked).toEqual([approval])
    expect(result).toEqual({
      well: true,
      lines: ['the answer is first', 'the answer is last'],
      progress: ['Approve: it: approved', 'Job: started', 'Job: succeeded', 'Last: started', 'Last: succeeded'],
    })
  })

  it('takes an answer as text, whatever Ansible would make of it', async () => {
    expect((await run('{{ 7*7 }}', async () => true)).lines[0]).toBe('the answer is {{ 7*7 }}')
  })

  it('ends at the first job that fails', async () => {
    const { well, progress } = await run('fail', async () => true)
    expect({ well, progress }).toEqual({
      well: false,
      progress: ['Approve: it: approved', 'Job: started', 'Job: failed (2)'],
    })
  })

  it('runs nothing without approval', async () => {
    expect(await run('first', async () => false)).toEqual({
      well: false,
      lines: [],
      progress: ['Approve: it: denied'],
    })
  })

  it.each([
    [['--local'], 'add --approve to give all of them in advance'],
    [['--approve'], '--approve needs --local'],
    [['--local', '--approve', '--answer', 'x=1'], 'asks for no `x`'],
  ])('the command with %j and no terminal ends with 2, and says what to do', async (args, said) => {
    const { exitCode, stderr } = await execa('node', [join(projectRoot, 'tools/backups.js'), 'launch', name, ...args], {
      cwd: projectRoot,
      env: { CONTROLLER_HOST: 'http://127.0.0.1:9' },
      reject: false,
      stdin: 'ignore',
    })
    expect(exitCode, stderr).toBe(2)
    expect(stderr).toContain(said)
  })

  it('the command asks at the terminal, and runs nothing after a no', async () => {
    // `script` gives it a terminal.
    const command = `node ${join(projectRoot, 'tools/backups.js')} launch '${name}' --local`
    const running = execa('script', ['-qec', command, '/dev/null'], { cwd: projectRoot, reject: false, all: true })
    let shown = ''
    running.all.on('data', (text: Buffer) => {
      if (!shown.includes('Approve?') && `${shown}${text}`.includes('Approve?')) running.stdin.write('n\r')
      shown += text
    })
    const { exitCode } = await running
    expect(exitCode, shown).toBe(1)
    expect(shown).toContain(`Approve: ${first}: denied`)
    expect(shown).not.toContain(': started')
  })
})
