import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { projectRoot } from '../../../src/ansible/venv.ts'
import { readRoleOptions } from '../../../src/awx/project.ts'
import { mergedTables, roleOptionFiles } from '../../../src/generate/role-options.ts'
import { kinds } from '../../../src/kinds/index.ts'
import { type OptionTable, surveyOf, variableOf } from '../../../src/kinds/options.ts'

const tables: readonly OptionTable[] = Object.values(kinds).flatMap(kind => kind.options)

test('the role files hold every option, as its table defines it', async () => {
  const roles = join(projectRoot, 'roles')
  for (const [path, text] of await roleOptionFiles(roles))
    expect(text, path).toBe(await readFile(join(roles, path), 'utf8'))
  const options = await readRoleOptions(projectRoot)
  for (const table of mergedTables()) {
    for (const option of table.options) {
      const found = options.get(variableOf(table, option.name))
      expect(found, option.name).toBeDefined()
      expect(String(found?.default), option.name).toBe(
        option.type === 'boolean' ? String(option.default === 'yes') : option.default,
      )
    }
  }
})

test('the agent reads every variable that an option sets', async () => {
  const folder = join(projectRoot, 'src/agent')
  const files = (await readdir(folder, { recursive: true })).filter(path => path.endsWith('.ts'))
  const sources = (await Promise.all(files.map(path => readFile(join(folder, path), 'utf8')))).join('\n')
  const unread = tables
    .flatMap(table => table.options)
    .flatMap(({ environment }) => environment ?? [])
    .filter(name => !sources.includes(`'${name}'`) && !sources.includes(`env.${name}`))
  expect(unread).toEqual([])
})

test('a survey asks what is not left to a variable, with a default that it accepts', () => {
  for (const table of tables) {
    for (const question of surveyOf(table)) {
      if (question.choices.length > 0) expect(question.choices).toContain(question.default)
      if (question.required) expect(question.default).not.toBe('')
    }
  }
})
