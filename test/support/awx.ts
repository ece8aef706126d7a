import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import production from '../../backups.config.ts'
import { type HostRecap, runPlaybook } from '../../src/ansible/playbook.ts'
import { projectRoot } from '../../src/ansible/venv.ts'
import { type Controller as Api, openController } from '../../src/awx/controller.ts'
import type { Definitions } from '../../src/awx/definitions.ts'
import type { Config } from '../../src/config/index.ts'
import { writeFolder } from '../../src/generate/folder.ts'
import { inventoryFiles } from '../../src/inventory/files.ts'
import { inventory } from '../../src/inventory/inventory.ts'
import { type Controller, startController } from './controller/controller.ts'

/**
 * The AWX that these tests speak to: the one that `CONTROLLER_HOST` names, in an organisation of the tests' own
 * (`BACKUPS_TEST_ORGANISATION`, by default the one below) that they remove again; else the stand-in.
 */
export interface Surroundings {
  /** Set where the tests run against the stand-in. */
  readonly standIn: Controller | undefined
  readonly environment: Readonly<Record<string, string>>
  readonly api: Api
  readonly config: Config
  /** Runs configure-awx over these definitions. */
  configure(definitions: Definitions, options?: ConfigureOptions): Promise<Configured>
  end(): Promise<void>
}

export interface ConfigureOptions {
  readonly extraVars?: Readonly<Record<string, unknown>>
  /** Whether it gets the credentials file; by default it does. */
  readonly secrets?: boolean
  /** Changes nothing, and says what it would change. */
  readonly check?: boolean
}

export interface Configured {
  readonly exitCode: number | undefined
  readonly recap: HostRecap | undefined
  readonly output: string
}

const organisation = process.env.BACKUPS_TEST_ORGANISATION ?? 'Tests of the Fragalysis backups'

// AWX looks whether a key is one.
const { privateKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  publicKeyEncoding: { type: 'pkcs1', format: 'pem' },
})

/** A value for every input of every credential; none opens anything. */
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
    async end() {
      await rm(folder, { recursive: true })
      if (standIn) await standIn.close()
      else await removeOrganisation(api)
    },
  }
}

/** All that the tests made on a real AWX; credential types stay, they belong to no organisation. */
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
