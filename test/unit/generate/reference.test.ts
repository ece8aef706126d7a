import { join } from 'node:path'
import { expect, it } from 'vitest'
import { projectRoot } from '../../../src/ansible/venv.ts'
import { awxRules } from '../../../src/awx/rules/index.ts'
import { rules } from '../../../src/config/rules/index.ts'
import { compareFolder } from '../../../src/generate/folder.ts'
import { referencePages } from '../../../src/generate/reference.ts'

it('the committed reference matches the schemas and rules', async () => {
  expect(await compareFolder(join(projectRoot, 'docs/reference'), referencePages())).toEqual([])
})

it('every rule is in the reference, and no two have the same id', () => {
  const page = referencePages().get('rules.md') ?? ''
  const ids = [...rules, ...awxRules].map(({ id }) => id)
  expect(ids.filter(id => !page.includes(`### \`${id}\``))).toEqual([])
  expect(new Set(ids).size).toBe(ids.length)
})

it('describes every key of a config, nested ones too, and which are optional', () => {
  const page = referencePages().get('config.md') ?? ''
  expect(page).toContain('| `repository.url` | string | Where AWX fetches the playbooks |')
  expect(page).toContain('| `clusters[].api` | string, `^https://[^?]+$` |')
  expect(page).toContain('| `storeSecret` (optional) | object |')
  expect(page).toContain('[a schedule](#a-schedule)')
})
