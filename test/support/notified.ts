import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runPlaybook } from '../../src/ansible/playbook.ts'
import { Unsafe } from '../../src/ansible/yaml.ts'
import { type Controller, openController } from '../../src/awx/controller.ts'
import { definitions } from '../../src/awx/definitions.ts'
import type { Config } from '../../src/config/index.ts'
import { writeFolder } from '../../src/generate/folder.ts'
import { inventoryFiles } from '../../src/inventory/files.ts'
import { inventory } from '../../src/inventory/inventory.ts'
import { type Run, startController } from './controller/controller.ts'

/** What AWX posted to the webhook. */
export type Message = Readonly<Record<'job' | 'system' | 'status' | 'text' | 'url', string>>

/** A stand-in for AWX with the job templates of a config, and somebody who is told by its webhook. */
export interface NotifiedAwx {
  readonly api: Controller
  /**
   * Ends a job of the template so, and waits until what it sends has arrived. With an environment, the job is really
   * played in it; so are our own jobs about messages.
   */
  run(template: string, ends?: 'successful' | 'failed' | Readonly<Record<string, string>>): Promise<void>
  /** What has arrived since the last call. */
  messages(): Message[]
  /** Takes no message any more. */
  away(): Promise<void>
  end(): Promise<void>
}

export async function startNotifiedAwx(production: Config): Promise<NotifiedAwx> {
  let arrived: Message[] = []
  const receiver = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    arrived.push(JSON.parse(text) as Message)
    response.end()
  })
  await new Promise<void>(resolve => receiver.listen(0, '127.0.0.1', resolve))
  const webhook = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`
  const config: Config = { ...production, notifications: { webhook } }
  const all = definitions(config)
  const folder = await mkdtemp(join(tmpdir(), 'backups-notified-'))
  await writeFolder(folder, inventoryFiles(inventory(config, { ...all })))

  let ends: 'successful' | 'failed' | Readonly<Record<string, string>> = 'successful'
  const play = async (run: Run) => {
    const template = all.controller_templates.find(({ name }) => name === run.template)
    if (!template || (typeof ends === 'string' && template.limit !== 'awx')) return ends as 'successful' | 'failed'
    const { exitCode, output } = await runPlaybook(
      {
        playbook: template.playbook,
        inventory: join(folder, 'hosts.yml'),
        limit: template.limit,
        extraVars: { ...run.extraVars, awx_job_id: run.id },
        environment: {
          CONTROLLER_HOST: standIn.url,
          CONTROLLER_OAUTH_TOKEN: standIn.token,
          ANSIBLE_SHOW_CUSTOM_STATS: 'true',
          ANSIBLE_CALLBACK_RESULT_FORMAT: 'json',
          ...(typeof ends === 'object' && ends),
        },
      },
      { log: run.log },
    )
    Object.assign(run.artifacts, JSON.parse(/^\tRUN: (\{.*\})$/m.exec(output)?.[1] ?? '{}'))
    return exitCode === 0 ? 'successful' : 'failed'
  }
  const standIn = await startController({ run: play })
  const api = openController({ CONTROLLER_HOST: standIn.url, CONTROLLER_OAUTH_TOKEN: standIn.token })
  const organization = (await api.post('organizations/', { name: config.organisation })).id
  const place = {
    inventory: (await api.post('inventories/', { name: all.controller_inventories[0]?.name, organization })).id,
    project: (await api.post('projects/', { name: 'project', organization, scm_type: 'git' })).id,
  }
  const told = new Map<string, number>()
  for (const { sources, messages, ...template } of all.controller_notifications) {
    const body = { ...template, organization, messages: plain(messages) }
    told.set(template.name, (await api.post('notification_templates/', body)).id)
  }
  for (const template of all.controller_templates) {
    const { name, playbook, limit, survey_enabled, survey_spec } = template
    const made = await api.post('job_templates/', { name, playbook, limit, survey_enabled, ...place })
    if (survey_spec) await api.post(`${made.url}survey_spec/`, survey_spec)
    for (const when of ['started', 'success', 'error'] as const) {
      const link = `notification_templates_${when}` as const
      for (const to of template[link]) await api.post(`${made.url}${link}/`, { id: told.get(to) })
    }
  }

  const stopReceiver = () =>
    new Promise<void>(resolve => {
      receiver.close(() => resolve())
      receiver.closeAllConnections()
    })
  return {
    api,
    async run(template, how = 'successful') {
      ends = how
      await api.post(`job_templates/${standIn.find('job_templates', template)?.id}/launch/`)
      await standIn.idle()
    },
    messages: () => {
      const before = arrived
      arrived = []
      return before
    },
    away: stopReceiver,
    async end() {
      await stopReceiver()
      await standIn.close()
      await rm(folder, { recursive: true })
    },
  }
}

/** Messages as AWX keeps them. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, inner) => (inner instanceof Unsafe ? inner.text : inner)))
}
