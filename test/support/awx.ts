import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import production from '../../backups.config.ts'
import { type HostRecap, runPlaybook } from '../../src/ansible/playbook.ts'
import { projectRoot } from '../../src/ansible/venv.ts'
import { type Controller as Api, type LiveObject, openController } from '../../src/awx/controller.ts'
import { type Definitions, definitions } from '../../src/awx/definitions.ts'
import type { Config } from '../../src/config/index.ts'
import { writeFolder } from '../../src/generate/folder.ts'
import { inventoryFiles } from '../../src/inventory/files.ts'
import { inventory } from '../../src/inventory/inventory.ts'
import { type Controller, startController } from './controller/controller.ts'

/**
 * The AWX under test: the one named by `CONTROLLER_HOST`, in an organisation for these tests
 * (`BACKUPS_TEST_ORGANISATION`, by default the one below) that they delete again; otherwise the stand-in.
 */
export interface Surroundings {
  /** Set if the tests run against the stand-in. */
  readonly standIn: Controller | undefined
  readonly environment: Readonly<Record<string, string>>
  readonly api: Api
  readonly config: Config
  /** The credentials file with a value for every input. */
  secretsFile(definitions: Definitions): Promise<string>
  /** Changes a field as a user would in AWX's pages; refuses an object outside the tests' organisation. */
  change(path: string, fields: Readonly<Record<string, unknown>>): Promise<void>
  /** Runs configure-awx with these definitions. */
  configure(definitions: Definitions, options?: ConfigureOptions): Promise<Configured>
  end(): Promise<void>
}

export interface ConfigureOptions {
  readonly extraVars?: Readonly<Record<string, unknown>>
  /** Whether it gets the credentials file; the default is yes. */
  readonly secrets?: boolean
  /** Changes nothing, and reports what it would change. */
  readonly check?: boolean
}

export interface Configured {
  readonly exitCode: number | undefined
  readonly recap: HostRecap | undefined
  readonly output: string
}

const organisation = process.env.BACKUPS_TEST_ORGANISATION ?? 'Tests of the Fragalysis backups'

// AWX checks whether a value is a valid key.
const { privateKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  publicKeyEncoding: { type: 'pkcs1', format: 'pem' },
})

/** A value for every input of every credential; none is valid anywhere. */
function secretsFor({ controller_credentials: all }: Definitions): Record<string, Record<string, string>> {
  const value = (input: string) => (input === 'ssh_key_data' ? privateKey : `a ${input} of the tests`)
  return Object.fromEntries(
    all.map(({ name, sources }) => [
      name,
      Object.fromEntries(Object.keys(sources).map(input => [input, value(input)])),
    ]),
  )
}

/** Opens an AWX for the systems of production, or for some of them by name. */
export async function surroundings(systems?: readonly string[]): Promise<Surroundings> {
  const real = process.env.CONTROLLER_HOST !== undefined
  const playbooks = (await readdir(join(projectRoot, 'playbooks'))).map(file => `playbooks/${file}`)
  const some = production.systems.filter(({ name }) => systems === undefined || systems.includes(name))
  const config: Config = { ...production, systems: some, ...(real && { organisation }) }
  const standIn = real ? undefined : await startController({ playbooks })
  const environment = standIn
    ? { CONTROLLER_HOST: standIn.url, CONTROLLER_OAUTH_TOKEN: standIn.token }
    : (Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith('CONTROLLER_'))) as Record<
        string,
        string
      >)
  process.stderr.write(
    `AWX of these tests: ${standIn ? 'the stand-in in test/support/controller' : environment.CONTROLLER_HOST}\n`,
  )
  const folder = await mkdtemp(join(tmpdir(), 'backups-awx-'))
  const api = openController(environment)
  const neighbour = standIn && (await addNeighbour(api, config))

  return {
    standIn,
    environment,
    api,
    config,
    async configure(all, options = {}) {
      const { extraVars = {}, secrets = true } = options
      await writeFolder(folder, inventoryFiles(inventory(config, { ...all })))
      const file = join(folder, 'secrets.json')
      await writeFile(file, JSON.stringify(secrets ? secretsFor(all) : {}), { mode: 0o600 })
      const play = await runPlaybook(
        {
          playbook: 'playbooks/configure-awx.yml',
          inventory: join(folder, 'hosts.yml'),
          extraVars: { ...(secrets && { awx_objects_credentials_file: file }), ...extraVars },
          environment,
          ...(options.check && { check: true }),
        },
        { log: () => {} },
      )
      return { exitCode: play.exitCode, recap: play.recap.awx, output: play.output }
    },
    async secretsFile(all) {
      const file = join(folder, 'all-secrets.json')
      await writeFile(file, JSON.stringify(secretsFor(all)), { mode: 0o600 })
      return file
    },
    async change(path, fields) {
      const { summary_fields: on } = await api.get(path)
      const template = on.unified_job_template as { id: number } | undefined
      const owner =
        on.organization ?? (template && (await api.get(`job_templates/${template.id}/`)).summary_fields.organization)
      const name = (owner as { name?: string } | undefined)?.name
      if (name !== config.organisation) throw new Error(`${path} belongs to ${name}, which these tests may not change`)
      await api.patch(path, fields)
    },
    async end() {
      await rm(folder, { recursive: true })
      if (neighbour !== undefined) await neighbour()
      if (standIn) await standIn.close()
      else await removeOrganisation(api)
    },
  }
}

/**
 * Adds a second organisation with objects of the same names to the stand-in: a lookup by name alone finds two, or the
 * wrong one.
 *
 * @returns a check, for the end, that none of it was changed
 */
async function addNeighbour(api: Api, config: Config): Promise<() => Promise<void>> {
  const all = definitions(config)
  const organization = (await api.post('organizations/', { name: 'Another organisation' })).id
  const made: LiveObject[] = []
  const add = async (path: string, body: object) => {
    const object = await api.post(path, body)
    made.push(object)
    return object.id
  }
  for (const { name } of all.controller_labels) await add('labels/', { name, organization })
  const [{ name = '' } = {}] = all.controller_inventories
  const inventory = await add('inventories/', { name, organization })
  const project = await add('projects/', { name, organization, scm_type: 'git' })
  await api.post(`projects/${project}/update/`)
  for (const { name, notification_type, notification_configuration } of all.controller_notifications) {
    await add('notification_templates/', { name, organization, notification_type, notification_configuration })
  }
  for (const { name } of all.controller_teams) await add('teams/', { name, organization })
  const types = await api.list('credential_types/')
  for (const { name, credential_type } of all.controller_credentials) {
    const type = types.find(type => type.name === credential_type)
    if (type) await add('credentials/', { name, organization, credential_type: type.id, inputs: {} })
  }
  for (const { name, playbook } of all.controller_templates) {
    const template = await add('job_templates/', { name, project, inventory, playbook })
    for (const schedule of all.controller_schedules.filter(s => s.unified_job_template === name)) {
      await add('schedules/', { name: schedule.name, unified_job_template: template, rrule: schedule.rrule })
    }
  }
  for (const { name } of all.controller_workflows) await add('workflow_job_templates/', { name, organization })
  const before = await Promise.all(made.map(({ url }) => api.get(url)))
  return async () => {
    expect(await Promise.all(made.map(({ url }) => api.get(url)))).toEqual(before)
  }
}

/** Everything that the tests created on a real AWX; credential types stay, as they belong to no organisation. */
async function removeOrganisation(api: Api): Promise<void> {
  const lists: [string, string][] = [
    ['workflow_job_templates/', 'organization__name'],
    ['job_templates/', 'organization__name'],
    ['inventories/', 'organization__name'],
    ['projects/', 'organization__name'],
    ['notification_templates/', 'organization__name'],
    ['credentials/', 'organization__name'],
    ['execution_environments/', 'organization__name'],
    ['teams/', 'organization__name'],
    ['organizations/', 'name'],
  ]
  for (const [list, field] of lists) {
    for (const { url } of await api.list(list, { [field]: organisation })) await api.delete(url)
  }
}
