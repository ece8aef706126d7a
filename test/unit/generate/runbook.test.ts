import { expect, test } from 'vitest'
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

test('every job template it tells to launch is one that AWX has, with the questions it answers', () => {
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
    'The bucket is gone',
    'AWX is gone',
  ]) {
    expect(text).toContain(`## ${page}\n`)
  }
})
