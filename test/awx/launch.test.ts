import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer, request as forward } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import production from '../../backups.config.ts'
import { projectRoot } from '../../src/ansible/venv.ts'
import { type Controller as Api, openController } from '../../src/awx/controller.ts'
import { definitions, type JobTemplate } from '../../src/awx/definitions.ts'
import { launchOnController, type WatchOptions } from '../../src/launch/launch-controller.ts'
import { findTemplate } from '../../src/launch/launchable.ts'
import { type Controller, type Run, startController } from '../support/controller/controller.ts'

// Always on the stand-in: what a job prints and how it ends is played here, so that each end can be seen.

const all = definitions(production)
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
  it('follows the output while the job runs, and reports how it ended', async () => {
    let printed = 0
    const seen: number[] = []
    play = async ({ log, extraVars }) => {
      log(`ignore the window: ${extraVars.rancher_backup_ignore_window}`)
      for (let line = 1; line <= 300; line++) {
        log(`line ${line}`)
        printed = line
        if (line === 200) await vi.waitUntil(() => seen.length > 0, { timeout: 60_000, interval: 20 })
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

describe('an AWX that is unreachable for a moment', () => {
  /** A proxy in front of the stand-in that serves it below a path, and breaks the connections that a test chooses. */
  async function behindProxy(prefix: string, breaks: (method: string, count: number) => boolean) {
    let count = 0
    const server = createServer((request, response) => {
      count += 1
      if (breaks(request.method ?? '', count)) {
        request.socket.destroy()
        return
      }
      const path = request.url ?? ''
      if (!path.startsWith(`${prefix}/api/`)) {
        response.writeHead(404).end('nothing here')
        return
      }
      const { method, headers } = request
      const onward = forward(`${standIn.url}${path.slice(prefix.length)}`, { method, headers }, answer => {
        response.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(response)
      })
      request.pipe(onward)
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${prefix}`,
      close: () => {
        server.closeAllConnections()
        return new Promise(resolve => server.close(resolve))
      },
    }
  }
  const through = (url: string, patience: number) =>
    openController({ CONTROLLER_HOST: url, CONTROLLER_OAUTH_TOKEN: standIn.token }, { patience })

  it('is asked again, below the path that it is served at', async () => {
    play = async ({ log }) => {
      log('the output')
      return 'successful'
    }
    const proxy = await behindProxy('/awx', (method, count) => method === 'GET' && count % 2 === 0)
    try {
      api = through(`${proxy.url}/`, 60_000)
      expect(await launch()).toMatchObject({
        status: 'successful',
        lines: ['the output'],
        progress: [expect.stringMatching(/^job N: http:\/\/N\.N\.N\.N:N\/awx\/#\/jobs/), 'job N is successful'],
      })
    } finally {
      await proxy.close()
    }
  })

  it('that stays unreachable: the job continues, and the error names its address', async () => {
    let finish = () => {}
    play = () => new Promise(resolve => (finish = () => resolve('successful')))
    let launched = false
    const proxy = await behindProxy('', method => {
      const broken = launched
      launched ||= method === 'POST'
      return broken
    })
    try {
      api = through(proxy.url, 1000)
      const error = await launch().catch((error: unknown) => error)
      expect(error).toMatchObject({
        exitCode: 3,
        message: expect.stringMatching(/^job \d+ can no longer be watched, and continues on AWX: /),
        next: expect.stringMatching(/^see http:.*\/#\/jobs\/playbook\/\d+\/output for how it ends$/),
      })
    } finally {
      finish()
      await proxy.close()
    }
  })

  it('that breaks the connection of the launch itself is not asked for a second job', async () => {
    let launches = 0
    const proxy = await behindProxy('', method => method === 'POST' && ++launches > 0)
    try {
      api = through(proxy.url, 1000)
      await expect(launch()).rejects.toThrow('whether `Back up: rancher-server` was launched is not known')
      expect(launches).toBe(1)
    } finally {
      await proxy.close()
    }
  })

  afterAll(() => {
    api = through(standIn.url, 1000)
  })
})

describe('the user wants to stop', () => {
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
  it('a survey answer is text, never a template', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'backups-launch-'))
    try {
      const credentials = join(folder, 'credentials.json')
      const cluster = { host: 'https://127.0.0.1:9', bearer_token: 'x', ssl_ca_cert: 'x' }
      await writeFile(credentials, JSON.stringify({ 'Kubernetes: production': cluster }))
      const template = 'Restore: production-stack-db'
      const asked = findTemplate(all, template).survey_spec?.spec.filter(({ type }) => type === 'text') ?? []
      expect(asked.length).toBeGreaterThan(2)
      const answers = asked.flatMap(({ variable }) => [
        '--answer',
        `${variable}={{ lookup('pipe', 'touch ${folder}/${variable}') }}`,
      ])
      await execa(
        'node',
        [
          join(projectRoot, 'tools/backups.js'),
          'launch',
          template,
          '--local',
          '--credentials',
          credentials,
          ...answers,
        ],
        { cwd: projectRoot, reject: false, stdin: 'ignore' },
      )
      expect(await readdir(folder)).toEqual(['credentials.json'])
    } finally {
      await rm(folder, { recursive: true })
    }
  })

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
  ] as const)(
    'a job that is %s ends it with %i, and its output has no colour codes outside a terminal',
    async (status, exitCode) => {
      play = async ({ log }) => {
        log('\u001b[0;32mthe output\u001b[0m')
        return status
      }
      const result = await run([])
      expect(result.stdout).toBe('the output')
      expect(result.exitCode, result.stderr).toBe(exitCode)
    },
  )

  it('in a terminal its last line says how long it has been at a task and, by the last launch, how far it is', async () => {
    play = async ({ log }) => {
      for (const task of ['Look', 'Copy']) {
        log(`TASK [${task}] ****`)
        log('ok: [rancher-server]')
        await sleep(1700)
      }
      return 'successful'
    }
    const cache = await mkdtemp(join(tmpdir(), 'backups-launch-'))
    onTestFinished(() => rm(cache, { recursive: true }))
    const inTerminal = () =>
      execa(
        'script',
        ['--quiet', '--return', '--command', `node tools/backups.js launch '${rancher.name}'`, '/dev/null'],
        {
          cwd: projectRoot,
          env: { CONTROLLER_HOST: standIn.url, CONTROLLER_OAUTH_TOKEN: standIn.token, XDG_CACHE_HOME: cache },
          reject: false,
          stdin: 'ignore',
        },
      )
    const shown = (text: string) => text.replaceAll('\r\u001b[K', '⟲')
    const first = await inTerminal()
    expect(first.exitCode, first.stdout).toBe(0)
    expect(shown(first.stdout)).toMatch(/⟲launch: Look \(\d s\)⟲/)
    const second = await inTerminal()
    expect(shown(second.stdout)).toMatch(/⟲launch: Look \(\d s, \d+ %, about \d s left\)⟲/)
    // What a job prints stays as it is, each line on its own.
    expect(shown(second.stdout)).toMatch(/⟲TASK \[Copy\] \*\*\*\*\r\n/)
  })

  it('an AWX that refuses the login ends it with 3', async () => {
    const result = await run([], { CONTROLLER_OAUTH_TOKEN: 'wrong' })
    expect(result.exitCode).toBe(3)
    expect(result.stderr).toContain('check CONTROLLER_OAUTH_TOKEN')
  })

  it('at Ctrl-C without a terminal the job continues', async () => {
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
    expect(result.stderr).toContain('continues on AWX, unwatched')
  })
})
