import { execa } from 'execa'
import { describe, expect, test } from 'vitest'
import config from '../../../backups.config.ts'
import { definitions } from '../../../src/awx/definitions.ts'
import { runbook } from '../../../src/generate/runbook.ts'
import { recoveryOrder } from '../../../src/kinds/index.ts'

const text = runbook(config)

test('names every system, bucket, namespace and Secret of the config', () => {
  for (const system of config.systems) {
    expect(text).toContain(`: ${system.name}\n`)
    expect(text).toContain(system.bucket)
    if (system.kind === 'database') expect(text).toContain(`${system.namespace}/${system.password.secret}`)
  }
})

test('every job template that it names exists on AWX, with the questions it answers', () => {
  const { controller_templates, controller_workflows } = definitions(config)
  const questions = new Map(
    controller_templates.map(template => [template.name, (template.survey_spec?.spec ?? []).map(q => q.variable)]),
  )
  const told = [...text.matchAll(/npm run launch -- "([^"<]+)"((?: --answer [^ ]+=(?:'[^']*'|<[^>]*>|[^ \n`]+))*)/g)]
  expect(told.length).toBeGreaterThan(8)
  for (const [, name = '', answers = ''] of told) {
    expect([...questions.keys()]).toContain(name)
    for (const [, variable] of answers.matchAll(/--answer ([^=]+)=/g)) expect(questions.get(name)).toContain(variable)
  }
  for (const [, name = ''] of text.matchAll(/"((?:Back up|Verify|Test restore): [a-z0-9-]+)"/g)) {
    expect([...questions.keys()]).toContain(name)
  }
  expect(controller_workflows.map(workflow => workflow.name)).toContain('Recover everything: production')
})

test('kits first, then Rancher, then servers of many databases, then one application, then media', () => {
  expect(recoveryOrder([...config.systems].reverse()).map(system => system.name)).toEqual([
    'kit-production-stack',
    'kit-awx',
    'kit-infra-production',
    'kit-infra-development',
    'rancher-server',
    'infra-db-production',
    'infra-db-development',
    'production-stack-db',
    'production-stack-media',
  ])
})

test('has the page of every mishap', () => {
  for (const page of [
    'One database is gone',
    'A file was deleted last week',
    'Rancher does not start',
    'Somebody deleted the copies',
    'The bucket is gone',
    'AWX is gone',
  ]) {
    expect(text).toContain(`## ${page}\n`)
  }
})

describe('commands without this software', () => {
  const blocks = [...text.matchAll(/```bash\n(\([\s\S]*?)```/g)].map(([, block = '']) => block)
  const changes = /^(load |one |createdb |docker stop|age .* apply|\$k (exec \S+ -- (rsync|rclone)|create namespace))/m

  test('are one subshell each that bash reads and that stops at the first error', async () => {
    expect(blocks.length).toBeGreaterThan(10)
    for (const block of blocks) {
      expect(block).toMatch(/^\(\nset -euo pipefail\n[\s\S]*\n\)\n$/)
      await execa('bash', ['-n'], { input: block })
    }
  })

  test('name their context, show what they change, and ask before they change it', () => {
    for (const block of blocks) {
      for (const [line] of block.matchAll(/^.*\bkubectl .*$/gm)) expect(line).toContain('--context ')
      const at = block.search(changes)
      if (at === -1) continue
      const before = block.slice(0, at)
      expect(before, block).toMatch(/^read -rp .*Type \S+ to continue/m)
      expect(before.slice(0, before.indexOf('read -rp')), block).toMatch(
        /psql .*server|df -h|get secrets|docker container inspect/,
      )
    }
    expect(blocks.filter(block => changes.test(block)).length).toBeGreaterThan(8)
  })

  test('forward a port of their own for each system, and end the forward', () => {
    const forwarding = blocks.filter(block => block.includes('port-forward'))
    for (const block of forwarding) expect(block).toContain("trap 'kill $forward")
    const systems = forwarding.map(block => [
      /Type (\S+) to continue/.exec(block)?.[1],
      /PGPORT=(\d+)/.exec(block)?.[1],
    ])
    const ports = new Map(systems.map(([system, port]) => [system, port]))
    expect(new Set(ports.values()).size).toBe(ports.size)
  })
})

test('says of each bucket that keeps versions how it comes back, and names the systems whose bucket does not', () => {
  const [first, ...others] = config.systems
  const protect = { mode: 'versioning', days: 30 } as const
  const systems = [{ ...first, protect } as (typeof config.systems)[number], ...others]
  const page = runbook({ ...config, systems })
  expect(page).toContain(
    '| rancher-server | `S3_BUCKET_NAME=nw-rancher BACKUP_PROTECT=versioning BACKUP_PROTECT_DAYS=30` |',
  )
  expect(page).toContain('FROM_BACKUP=<time, UTC> node src/agent/main.ts undelete')
  expect(page).toContain('protects no copies of `infra-db-development`,')
  expect(text).not.toContain('main.ts undelete')
})

test('has a page about the first store if systems have second copies, with jobs that AWX has', () => {
  const otherStores = [{ ...config.store, name: 'offsite', endpoint: 'https://s3.offsite.example' }]
  const second = { store: 'offsite', bucket: 'second', keep: 1, schedule: { every: 'day', at: '06:00' } } as const
  const with2 = {
    ...config,
    otherStores,
    systems: config.systems.map(system => ({ ...system, second: { ...second, bucket: `${system.bucket}-2` } })),
  } as typeof config
  const page = runbook(with2)
  expect(page).toContain('## The first store is gone\n')
  expect(page).toContain('| rancher-server | offsite, https://s3.offsite.example | `nw-rancher-2` |')
  expect(text).not.toContain('The first store is gone')
  const { controller_templates, controller_schedules, controller_credential_types } = definitions(with2)
  const questions = new Map(
    controller_templates.map(({ name, survey_spec }) => [name, survey_spec?.spec.map(q => q.variable) ?? []]),
  )
  expect(questions.get('Restore: rancher-server')).toContain('rancher_backup_restore_store')
  expect(questions.get('Restore: production-stack-media')).toContain('backup_system_store')
  expect(controller_schedules.map(({ name }) => name)).toContain('Second copy: kit-awx')
  expect(controller_credential_types.map(({ name }) => name)).toContain('Second S3 store')
  const before = definitions(config)
  expect(before.controller_credential_types.map(({ name }) => name)).not.toContain('Second S3 store')
  expect(JSON.stringify(before.controller_templates)).not.toContain('backup_system_store')
})
