import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { load } from 'js-yaml'
import { afterAll, beforeAll, expect, it } from 'vitest'
import production from '../../../backups.config.ts'
import { ensureVenv, projectRoot } from '../../../src/ansible/venv.ts'
import type { Config } from '../../../src/config/index.ts'
import { inventoryOf } from '../../../src/generate/inventories.ts'

// The ssh server of the lab's Docker host, and the variables that the config makes for it. AWX switches the check of host
// keys off for its jobs; the tests do the same.

const state = process.env.BACKUPS_TEST_LAB_STATE ?? ''
const bin = await ensureVenv(() => {})
let folder: string
let address: string
let hostKey: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'host-key-test-'))
  const [host = '', type, body] = (await readFile(join(state, 'ssh/known_hosts'), 'utf8')).trim().split(' ')
  address = host
  hostKey = `${type} ${body}`
  const credentials = load(await readFile(join(state, 'credentials.yml'), 'utf8')) as Record<
    string,
    { ssh_key_data: string }
  >
  await writeFile(join(folder, 'key'), credentials['Host: rancher-server']?.ssh_key_data ?? '', { mode: 0o600 })
})
afterAll(() => rm(folder, { recursive: true }))

/** A public key of a pair made for this test. */
async function anotherKey(name: string): Promise<string> {
  const file = join(folder, name)
  await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file])
  const [type, body] = (await readFile(`${file}.pub`, 'utf8')).split(' ')
  return `${type} ${body}`
}

/** Connects to the host as a job on AWX would, with these keys in the config. */
async function connect(hostKeys: string[]) {
  const config: Config = {
    ...production,
    systems: production.systems.map(system =>
      system.kind === 'rancher' ? { ...system, host: address, hostKeys } : system,
    ),
  }
  const variables = inventoryOf(config).hosts['rancher-server']
  const inventory = join(folder, 'hosts.json')
  await writeFile(inventory, JSON.stringify({ all: { hosts: { 'rancher-server': variables } } }))
  const { exitCode, all } = await execa(
    join(bin, 'ansible'),
    [
      'rancher-server',
      `--inventory=${inventory}`,
      '--module-name=ansible.builtin.raw',
      "--args=echo connec''ted",
      '--user=root',
      `--private-key=${join(folder, 'key')}`,
    ],
    {
      cwd: projectRoot,
      all: true,
      reject: false,
      env: {
        PATH: process.env.PATH,
        HOME: folder,
        ANSIBLE_HOST_KEY_CHECKING: 'False',
        ANSIBLE_SSH_CONTROL_PATH_DIR: await mkdtemp(join(folder, 'c')),
      },
      extendEnv: false,
    },
  )
  return { exitCode, output: all }
}

it('the host with the key of the config is connected to', async () => {
  const { exitCode, output } = await connect([hostKey])
  expect(output).toContain('connected')
  expect(exitCode).toBe(0)
})

it('one of several keys is enough, as when a host gets a new one', async () => {
  expect(await connect([await anotherKey('new'), hostKey])).toMatchObject({ exitCode: 0 })
})

it('a host with another key is not, although AWX checks none', async () => {
  const { exitCode, output } = await connect([await anotherKey('wrong')])
  expect(output).toMatch(/Host key verification failed/)
  expect(output).not.toContain('connected')
  expect(exitCode).not.toBe(0)
})
