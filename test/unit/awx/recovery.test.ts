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

it('waits for an approval before each job, follows the stages, and has no path past a failure', () => {
  const nodes = recoveryNodes([
    { stage: 'files', use: use('media', { answers: { confirm: 'media' } }) },
    { stage: 'files', use: use('backup') },
    { stage: 'database', use: use('database', { answers: { confirm: 'database' } }) },
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

it('answers every question: as the job says, else with its default', () => {
  const [, node] = recoveryNodes([{ stage: 'database', use: use('database', { answers: { confirm: 'database' } }) }])
  expect(node?.extra_data).toEqual({ from: 'bucket', confirm: 'database' })
})
