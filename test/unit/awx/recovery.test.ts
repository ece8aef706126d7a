import { expect, it } from 'vitest'
import { recoveryNodes } from '../../../src/awx/recovery.ts'
import type { TemplateUse } from '../../../src/kinds/kind.ts'

const question = { question_name: '', question_description: '', type: 'text', required: true, choices: [] } as const

function use(name: string, recovery?: TemplateUse['recovery']): TemplateUse {
  return {
    name,
    description: '',
    playbook: '',
    limit: '',
    credentials: [],
    survey: [
      { ...question, variable: 'from', default: 'bucket' },
      { ...question, variable: 'confirm', default: '' },
    ],
    timeout: 1,
    scheduled: false,
    ...(recovery && { recovery }),
  }
}

it('asks before each restore, goes on in the order of the steps, and ends red at the first that fails', () => {
  const nodes = recoveryNodes([
    use('media', { step: 30, answers: { confirm: 'media' } }),
    use('backup'),
    use('database', { step: 10, answers: { confirm: 'database' } }),
  ])
  expect(nodes.map(({ identifier, success_nodes }) => [identifier, ...success_nodes])).toEqual([
    ['Approve: database', 'database'],
    ['database', 'Approve: media'],
    ['Approve: media', 'media'],
    ['media'],
  ])
  expect(nodes.flatMap(({ failure_nodes, always_nodes }) => [...failure_nodes, ...always_nodes])).toEqual([])
  expect(nodes.flatMap(({ approval_node }) => approval_node?.timeout ?? [])).toEqual([14400, 14400])
})

it('answers every question: as it is told, else by its default', () => {
  const [, node] = recoveryNodes([use('database', { step: 1, answers: { confirm: 'database' } })])
  expect(node?.extra_data).toEqual({ from: 'bucket', confirm: 'database' })
})
