import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type ProjectCopy, projectCopy } from '../support/project-copy.ts'

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })

let project: ProjectCopy
beforeEach(async () => {
  project = await projectCopy()
})
afterEach(() => project?.end())

const file = 'inventories/production/host_vars/awx.yml'

it('every rule about playbooks, roles and schedules fires when an edit breaks it', async () => {
  await rm(join(project.folder, 'playbooks/drill-rancher.yml'))
  await project.edit('playbooks/restore-rancher.yml', /hosts: .*/, 'hosts: media')
  await project.edit('src/kinds/rancher.ts', 'timeoutSeconds = 4 * 3600', 'timeoutSeconds = 700')
  await project.edit(
    'backups.config.ts',
    "every: 'week', on: 'friday', at: '18:00'",
    "every: 'week', on: 'sunday', at: '05:20'",
  )
  expect((await project.backups('generate')).code).toBe(0)
  // After that: these options are generated from their tables.
  const specs = 'roles/rancher_backup/meta/argument_specs.yml'
  await project.edit(specs, 'rancher_backup_accept_previous', 'renamed')
  const option = 'rancher_backup_ignore_window:\n        type: '
  await project.edit(specs, `${option}bool`, `${option}int`)
  const { code, out, err } = await project.backups('validate')
  const found = out.split('\n').filter(line => line.includes('[awx-'))
  const rancher = 'rancher-server'
  expect(
    found.filter(line => !line.includes('starts within')),
    err,
  ).toEqual([
    expect.stringMatching(
      /Test restore: rancher-server.*there is no `playbooks\/drill-rancher.yml`.*awx-playbook-unknown/,
    ),
    `error ${file}: controller_templates (Restore: ${rancher}).limit: no play of playbooks/restore-rancher.yml runs on a host of \`${rancher}\` → correct \`hosts\` in playbooks/restore-rancher.yml [awx-limit-empty]`,
    `error ${file}: controller_templates (Back up: ${rancher}).survey_spec (rancher_backup_ignore_window): the role refuses the answer \`no\`, which the survey offers → offer only what is int [awx-survey-breaks-role]`,
    `error ${file}: controller_templates (Back up: ${rancher}).survey_spec (rancher_backup_ignore_window): the role refuses the answer \`yes\`, which the survey offers → offer only what is int [awx-survey-breaks-role]`,
    expect.stringContaining('no role has an option `rancher_backup_accept_previous`'),
    `error ${file}: controller_templates (Back up: ${rancher}).timeout: the job ends after 700 s, before its work, which may take 720 s → give the role a limit below 700 s, or the template a longer timeout [awx-timeout-too-short]`,
    `error ${file}: controller_templates (Restore: ${rancher}).timeout: the job ends after 700 s, before its work, which may take 720 s → give the role a limit below 700 s, or the template a longer timeout [awx-timeout-too-short]`,
  ])
  expect(found.filter(line => line.includes('starts within')).length).toBeGreaterThan(0)
  expect(code).toBe(1)
})

describe('a config whose generated files are not there', () => {
  it('is one line, with the command that makes them', async () => {
    const folder = join(project.folder, 'other')
    await mkdir(folder)
    await writeFile(join(folder, 'my.config.ts'), "export { default } from '../backups.config.ts'\n")
    const before = await project.backups('validate', '--config', 'other/my.config.ts')
    const told = before.out.split('\n').filter(line => line.includes('generated-differs'))
    expect(told).toHaveLength(1)
    expect(told[0]).toContain('run `npm run generate -- --config other/my.config.ts` and commit what it writes')
    const check = await project.backups('generate', '--check', '--config', 'other/my.config.ts')
    expect([check.code, check.out.split('\n').length > 5]).toEqual([1, true])
    const made = await project.backups('generate', '--config', 'other/my.config.ts')
    expect(made.out).toContain('written other/inventories/production/hosts.yml')
    expect(made.out).not.toMatch(/written inventories/)
    expect((await project.backups('generate', '--check', '--config', 'other/my.config.ts')).code).toBe(0)
  })
})

it('a problem that is found after the shape of the config has its line, too', async () => {
  const source = await readFile(join(project.folder, 'backups.config.ts'), 'utf8')
  const text = source.replace('postgres: [15, 17, 18]', 'postgres: [15, 99]')
  await writeFile(join(project.folder, 'postgres.config.ts'), text)
  const { out, code } = await project.backups('validate', '--config', 'postgres.config.ts', '--format', 'github')
  const line = text.split('\n').findIndex(line => line.includes('postgres: [15, 99]')) + 1
  expect(out).toMatch(new RegExp(`::error file=[^,]*postgres\\.config\\.ts,line=${line},title=postgres-not-in-image`))
  expect(code).toBe(1)
})

it('a new, correct system is one line until `generate` has run', async () => {
  await writeFile(
    join(project.folder, 'added.config.ts'),
    `import production from './backups.config.ts'
const config: any = structuredClone(production)
const { replaces, ...database } = config.systems.find((system: any) => system.name === 'production-stack-db')
config.systems.push({ ...database, name: 'added-db', bucket: 'added-db', volume: { claim: 'added-db', size: '1Gi' } })
export default config
`,
  )
  const { code, out, err } = await project.backups('validate', '--config', 'added.config.ts')
  expect(out.split('\n'), err).toEqual([
    expect.stringMatching(
      /^error .* → run `npm run generate -- --config .*` and commit what it writes \[generated-differs\]$/,
    ),
  ])
  expect(code).toBe(1)
})
