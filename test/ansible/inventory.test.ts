import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import production from '../../backups.config.ts'
import { runPlaybook } from '../../src/ansible/playbook.ts'
import { projectRoot } from '../../src/ansible/venv.ts'
import type { Config } from '../../src/config/index.ts'
import { compareFolder, writeFolder } from '../../src/generate/folder.ts'
import { inventoriesOf, inventoryOf } from '../../src/generate/inventories.ts'
import { checkInventory } from '../../src/inventory/check.ts'
import { inventoryFiles } from '../../src/inventory/files.ts'
import { inventory } from '../../src/inventory/inventory.ts'
import { labConfig, withSecondStore } from '../../src/lab/config.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'backups-inventory-'))
})
afterEach(() => rm(folder, { recursive: true }))

it('the committed inventory matches the config', async () => {
  expect(await compareFolder(join(projectRoot, 'inventories'), inventoriesOf(production))).toEqual([])
})

describe.each([
  ['production', production],
  ['the lab', labConfig(production)],
  ['the lab with second copies', withSecondStore(labConfig(production))],
])('the inventory of %s', (_, config) => {
  it('is read by ansible-inventory exactly as it is meant', async () => {
    const meant = inventoryOf(config)
    await writeFolder(folder, inventoryFiles(meant))
    expect(await checkInventory(folder, meant)).toEqual([])
  }, 600_000)
})

it('values that YAML 1.1 and 1.2 read differently reach Ansible as they are', async () => {
  const words = [
    'yes',
    'no',
    'on',
    'off',
    'y',
    'n',
    'null',
    '~',
    '0755',
    '12:30:45',
    '1e3',
    '0x1f',
    '1_000',
    '2026-01-02',
    '2026-13-01',
    '2026-01-31T24:00:00Z',
    '',
    ' a ',
    '#',
    '- x',
    '{{ a }}',
    "it's",
    'a: b',
    '=',
    '<<',
    'ü\u0001\n',
  ]
  const meant = {
    groups: { all_words: ['h'] },
    hosts: { h: { words, keys: Object.fromEntries(words.map(w => [w, w])) } },
  }
  await writeFolder(folder, inventoryFiles(meant))
  expect(await checkInventory(folder, meant)).toEqual([])
}, 600_000)

it('no text of the config is ever evaluated by Ansible', async () => {
  const config = structuredClone(production)
  const witness = join(folder, 'evaluated')
  const attack = `{{ lookup('pipe', 'touch ${witness}') }}`
  for (const system of config.systems) system.description = attack
  config.repository.branch = `{% set x = ${attack.slice(3, -3)} %}`
  const meant = inventoryOf(config)
  await writeFolder(folder, inventoryFiles(meant))
  expect(await checkInventory(folder, meant)).toEqual([])
  const playbook = join(folder, 'print.yml')
  await writeFile(
    playbook,
    "- name: Print\n  hosts: awx\n  gather_facts: false\n  tasks:\n    - name: Print\n      ansible.builtin.debug:\n        msg: '{{ [controller_templates, controller_schedules, controller_projects] }}'\n",
  )
  const { exitCode, output } = await runPlaybook({ playbook, inventory: join(folder, 'hosts.yml') }, { log: () => {} })
  expect(exitCode, output).toBe(0)
  expect(output).toContain("lookup('pipe'")
  await expect(stat(witness)).rejects.toThrow('ENOENT')
}, 600_000)

it('a generated file that was edited, is missing or stale is found, and put right', async () => {
  const files = inventoryFiles(inventory(production, {}))
  await writeFolder(folder, files)
  await writeFile(
    join(folder, 'host_vars/infra-db-production.yml'),
    `${(files.get('host_vars/infra-db-production.yml') ?? '').split('\n')[0]}\nbackup_cronjob_schedule: never\n`,
  )
  await writeFile(join(folder, 'host_vars/gone.yml'), '# Made from backups.config.ts by `npm run generate`.\n---\n')
  await writeFile(join(folder, 'host_vars/by-hand.yml'), '---\n')
  await rm(join(folder, 'host_vars/rancher-server.yml'))
  expect((await compareFolder(folder, files)).map(({ path, message }) => `${path} ${message.split(':')[0]}`)).toEqual([
    'host_vars/rancher-server.yml is missing',
    'host_vars/infra-db-production.yml differs at line 2',
    'host_vars/gone.yml is no longer generated',
  ])
  expect(await writeFolder(folder, files)).toEqual({
    written: ['host_vars/rancher-server.yml', 'host_vars/infra-db-production.yml'],
    removed: ['host_vars/gone.yml'],
  })
  expect(await writeFolder(folder, files)).toEqual({ written: [], removed: [] })
  expect(await readFile(join(folder, 'host_vars/by-hand.yml'), 'utf8')).toBe('---\n')
})

it('a file made by hand is not overwritten, and nothing else is written then', async () => {
  const files = inventoryFiles(inventory(production, {}))
  await mkdir(join(folder, 'host_vars'))
  await writeFile(join(folder, 'host_vars/infra-db-production.yml'), 'mine: true\n')
  await expect(writeFolder(folder, files)).rejects.toThrow('infra-db-production.yml was not generated')
  expect(await readdir(folder)).toEqual(['host_vars'])
})

it('a variable that a file beside the inventory adds or changes is found', async () => {
  const meant = inventory(production, {})
  await writeFolder(folder, inventoryFiles(meant))
  await mkdir(join(folder, 'group_vars'))
  await writeFile(join(folder, 'group_vars/media.yml'), 'backup_cronjob_suspend: true\n')
  const found = await checkInventory(folder, meant)
  expect(found.map(({ ruleId, message }) => `${ruleId} ${message}`)).toEqual([
    'inventory-read-differently `backup_cronjob_suspend` is set for `production-stack-media`, and the config does not set it',
  ])
}, 600_000)

it('an inventory that is read in parts is read as a whole: each host, each variable, and a host too many', async () => {
  const names = Array.from({ length: 1100 }, (_, index) => `system-${index}`)
  const meant = { groups: { backups: names }, hosts: Object.fromEntries(names.map(name => [name, { own: name }])) }
  await writeFolder(folder, inventoryFiles(meant))
  expect(await checkInventory(folder, meant)).toEqual([])
  const more = { ...meant, groups: { backups: [...names, 'by-hand'] } }
  await writeFolder(folder, inventoryFiles(more))
  await writeFile(join(folder, 'host_vars/system-700.yml'), 'own: other\n')
  expect((await checkInventory(folder, meant)).map(({ message }) => message)).toEqual([
    'Ansible resolves `own` to another value than the config has',
    'Ansible finds other hosts in the group `backups`',
  ])
}, 600_000)

it('a sixth system in the config alone gets its host, its groups, its job template and its credentials', () => {
  const sixth: Config = structuredClone(production)
  const stack = sixth.systems.find(s => s.name === 'production-stack-db')
  if (stack?.kind !== 'database') throw new Error('the config has no production-stack-db')
  sixth.systems.push({
    ...stack,
    name: 'staging-stack-db',
    cluster: 'development',
    namespace: 'staging-stack',
    bucket: 'staging-backup',
  })
  const made = inventoryOf(sixth)
  const groups = Object.entries(made.groups).filter(([, hosts]) => hosts.includes('staging-stack-db'))
  expect(groups.map(([name]) => name).sort()).toEqual([
    'backups',
    'cluster_development',
    'cronjobs',
    'database',
    'environment_development',
  ])
  expect(made.hosts['staging-stack-db']?.backup_cronjob_namespace).toBe('staging-stack')
  const templates = made.hosts.awx?.controller_templates as { name: string; limit: string; credentials: string[] }[]
  expect(templates.find(t => t.limit === 'staging-stack-db')).toMatchObject({
    name: 'Back up: staging-stack-db',
    credentials: ['Kubernetes: development'],
  })
})

it('a second copy has the variables of its store, and its keys are named apart from the first', () => {
  const { hosts } = inventoryOf(withSecondStore(labConfig(production)))
  const { backup_system_second, backup_system_environment } = hosts['production-stack-media'] as Record<string, never>
  expect(backup_system_second).toMatchObject({
    environment: {
      RCLONE_S3_ENDPOINT: 'http://10.213.7.10:30781',
      S3_BUCKET_NAME: 'fragalysis-stack-production-media-second',
    },
    secret_environment: expect.arrayContaining([
      { name: 'AWS_ACCESS_KEY_ID', secret: 'backup-second-store', key: 'access_key_id' },
    ]),
    copy_environment: {
      BACKUP_SECOND_BUCKET: 'fragalysis-stack-production-media-second',
      BACKUP_SECOND_COUNT: '1',
      BACKUP_SECOND_ENDPOINT: 'http://10.213.7.10:30781',
    },
    copy_secret_environment: [
      { name: 'BACKUP_SECOND_ACCESS_KEY_ID', secret: 'backup-second-store', key: 'access_key_id' },
      { name: 'BACKUP_SECOND_SECRET_ACCESS_KEY', secret: 'backup-second-store', key: 'secret_access_key' },
    ],
    // A day and a half for the first copy, and as much for the second; an hour of each for the run.
    maximum_age_hours: 74,
  })
  expect(backup_system_environment).toMatchObject({ S3_BUCKET_NAME: 'fragalysis-stack-production-media' })
  expect(hosts['rancher-server']).toMatchObject({
    rancher_backup_second: { bucket: 'nw-rancher-second', s3_endpoint: 'http://10.213.7.10:30781' },
  })
  expect(inventoryOf(production).hosts['production-stack-media']).not.toHaveProperty('backup_system_second')
})
