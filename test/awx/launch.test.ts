import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import production from '../../backups.config.ts'
import { projectRoot } from '../../src/ansible/venv.ts'
import { type Controller as Api, openController } from '../../src/awx/controller.ts'
import { definitions, type JobTemplate } from '../../src/awx/definitions.ts'
import { launchOnController, type WatchOptions } from '../../src/launch/launch-controller.ts'
import { findTemplate } from '../../src/launch/launch-local.ts'
import { type Controller, type Run, startController } from './controller/controller.ts'

// Always on the stand-in: what a job prints and how it ends is played here, so that each end can be seen.

const all = definitions(production, 'production')
const rancher = findTemplate(all, 'Back up: rancher-server')
let standIn: Controller
let api: Api
let play: (run: Run) => Promise<'successful' | 'failed'>

beforeAll(async () => {
  standIn = await startController({ run: run => play(run) })
  api = openController({
    CONTROLLER_HOST: standIn.url,
    CONTROLLER_USERNAME: standIn.user,
    CONTROLLER_PASSWORD: standIn.password,
  })
  const organization = (await api.post('organizations/', { name: rancher.organization })).id
  const inventory = (await api.post('inventories/', { name: rancher.inventory, organization })).id
  const project = (await api.post('projects/', { name: rancher.project, organization, scm_type: 'git' })).id
  const { name, playbook, survey_spec: survey } = rancher
  const template = await api.post('job_templates/', { name, playbook, inventory, project, survey_enabled: true })
  await api.post(`${template.url}survey_spec/`, survey)
})
afterAll(() => standIn?.close())

async function launch(options: Partial<WatchOptions> = {}, template: JobTemplate = rancher) {
  const lines: string[] = []
  const progress: string[] = []
  const end = await launchOnController(api, template, {
    answers: {},
    log: line => lines.push(line),
    progress: line => progress.push(line.replaceAll(/\d+/g, 'N')),
    interrupt: new AbortController().signal,
    confirmCancel: async () => false,
    poll: 20,
    ...options,
  })
  return { status: end.status, lines, progress }
}

describe('launch on AWX', () => {
  it('follows the output while the job runs, and tells how it ended', async () => {
    let printed = 0
    const seen: number[] = []
    play = async ({ log, extraVars }) => {
      log(`ignore the window: ${extraVars.rancher_backup_ignore_window}`)
      for (let line = 1; line <= 300; line++) {
        log(`line ${line}`)
        printed = line
        if (line % 100 === 0) await sleep(60)
      }
      return 'successful'
    }
    const { status, lines, progress } = await launch({
      answers: { rancher_backup_ignore_window: 'yes' },
      log: line => {
        lines300.push(line)
        seen.push(printed)
      },
    })
    expect(status).toBe('successful')
    expect(lines).toEqual([])
    expect(lines300).toEqual(['ignore the window: yes', ...Array.from({ length: 300 }, (_, i) => `line ${i + 1}`)])
    expect(seen[0], 'the first line is shown before the last is printed').toBeLessThan(300)
    expect(progress).toEqual([
      expect.stringMatching(/^job N: http:\/\/N\.N\.N\.N:N\/#\/jobs\/playbook\/N\/output$/),
      'job N is running',
      'job N is successful',
    ])
  })
  const lines300: string[] = []

  it('a survey default is the answer that is not given', async () => {
    play = async ({ log, extraVars }) => {
      log(`ignore the window: ${extraVars.rancher_backup_ignore_window}`)
      return 'failed'
    }
    expect(await launch()).toMatchObject({ status: 'failed', lines: ['ignore the window: no'] })
  })

  it.each([
    [{ window: 'no' }, '`Back up: rancher-server` asks for no `window`'],
    [{ rancher_backup_ignore_window: 'perhaps' }, '`rancher_backup_ignore_window` may not be `perhaps`'],
  ])('refuses the answers %j before it launches', async (answers, message) => {
    standIn.requests()
    await expect(launch({ answers })).rejects.toThrow(message)
    expect(standIn.requests()).toEqual([])
  })

  it('says so when AWX does not have the template', async () => {
    await expect(launch({}, findTemplate(all, 'Back up: infra-db-production'))).rejects.toThrow(
      'has no job template `Back up: infra-db-production` in the organisation Fragalysis',
    )
  })
})

describe('somebody wants to stop', () => {
  const untilCancelled: typeof play = async ({ log, cancelled }) => {
    log('working')
    while (!cancelled.aborted) await sleep(10)
    return 'failed'
  }

  it('cancels the job when that is confirmed, and waits for its end', async () => {
    play = untilCancelled
    const interrupt = AbortSignal.timeout(100)
    let asked = 0
    const end = await launch({
      interrupt,
      confirmCancel: async () => {
        asked += 1
        return true
      },
    })
    expect({ status: end.status, asked }).toEqual({ status: 'canceled', asked: 1 })
  })

  it('leaves the job alone when it is not', async () => {
    play = untilCancelled
    standIn.requests()
    expect((await launch({ interrupt: AbortSignal.timeout(100) })).status).toBe('left')
    expect(standIn.requests().filter(request => request.includes('cancel'))).toEqual([])
  })
})

describe('the command', () => {
  const run = (args: string[], environment: Record<string, string> = {}) =>
    execa('node', [join(projectRoot, 'tools/backups.js'), 'launch', rancher.name, ...args], {
      cwd: projectRoot,
      env: { CONTROLLER_HOST: standIn.url, CONTROLLER_OAUTH_TOKEN: standIn.token, ...environment },
      reject: false,
      stdin: 'ignore',
    })

  it.each([
    ['successful', 0],
    ['failed', 1],
  ] as const)('a job that is %s ends it with %i', async (status, exitCode) => {
    play = async ({ log }) => {
      log('the output')
      return status
    }
    const result = await run([])
    expect(result.stdout).toBe('the output')
    expect(result.exitCode, result.stderr).toBe(exitCode)
  })

  it('an AWX that does not let it in ends it with 3', async () => {
    const result = await run([], { CONTROLLER_OAUTH_TOKEN: 'wrong' })
    expect(result.exitCode).toBe(3)
    expect(result.stderr).toContain('look at CONTROLLER_OAUTH_TOKEN')
  })

  it('at Ctrl-C where nobody can be asked, the job runs on', async () => {
    let started = () => {}
    const running = new Promise<void>(resolve => {
      started = resolve
    })
    play = async ({ cancelled }) => {
      started()
      while (!cancelled.aborted) await sleep(10)
      return 'failed'
    }
    const command = run([])
    await running
    await sleep(300)
    // The terminal would send it to both; here the one that watches gets it.
    command.kill('SIGTERM')
    const result = await command
    expect(result.stderr).toContain('runs on, unwatched')
  })
})
