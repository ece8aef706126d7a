import { expect, it } from 'vitest'
import production from '../../../backups.config.ts'
import { definitions } from '../../../src/awx/definitions.ts'
import { inventoryOf } from '../../../src/generate/inventories.ts'
import { inventoryFiles } from '../../../src/inventory/files.ts'
import { definitionLine } from '../../../src/validate/definition-line.ts'

const text = inventoryFiles(inventoryOf(production)).get('host_vars/awx.yml') ?? ''
const lines = text.split('\n')

it('every job template, schedule and workflow has the line with its name, in its own list', () => {
  const all = definitions(production)
  for (const list of ['controller_templates', 'controller_schedules', 'controller_workflows'] as const) {
    const from = lines.indexOf(`${list}:`)
    const seen = all[list].map(({ name }) => {
      const line = definitionLine(text, `${list} (${name}).timeout`) ?? 0
      expect(lines[line - 1]).toMatch(/^ {4}name: |^ {2}- name: /)
      expect(lines[line - 1]).toContain(name)
      expect(line - 1).toBeGreaterThan(from)
      return line
    })
    expect(new Set(seen).size).toBe(all[list].length)
  }
})

it('what has no name there has the line of its list, and what is not there has none', () => {
  expect(definitionLine(text, 'controller_templates (Nothing).limit')).toBe(lines.indexOf('controller_templates:') + 1)
  expect(definitionLine(text, 'controller_nothing (x)')).toBeUndefined()
})
