import { expect, it } from 'vitest'
import type { WorkflowNode } from '../../../src/awx/vocabulary.ts'
import { runNodes } from '../../../src/launch/launch-workflow.ts'

const node = (identifier: string, links: Partial<WorkflowNode> = {}): WorkflowNode => ({
  identifier,
  success_nodes: [],
  failure_nodes: [],
  always_nodes: [],
  ...links,
})

it.each<[string, WorkflowNode[], string[], string[]]>([
  ['in order', [node('b'), node('a', { success_nodes: ['b'] })], [], ['a', 'b']],
  [
    'not after a failure',
    [node('a', { success_nodes: ['b'] }), node('b', { success_nodes: ['c'] }), node('c')],
    ['a'],
    ['a'],
  ],
  [
    'the path for a failure',
    [node('a', { success_nodes: ['b'], failure_nodes: ['c'] }), node('b'), node('c')],
    ['a'],
    ['a', 'c'],
  ],
  ['always', [node('a', { always_nodes: ['b'] }), node('b')], ['a'], ['a', 'b']],
  [
    'once, after all that lead to it',
    [
      node('a', { success_nodes: ['c'] }),
      node('c', { success_nodes: ['d'] }),
      node('b', { success_nodes: ['c', 'd'] }),
      node('d'),
    ],
    ['b'],
    ['a', 'b', 'c', 'd'],
  ],
])('nodes run %s', async (_, nodes, failing, expected) => {
  const ran: string[] = []
  const ended = await runNodes(nodes, async ({ identifier }) => {
    ran.push(identifier)
    return !failing.includes(identifier)
  })
  expect(ran).toEqual(expected)
  expect([...ended.keys()]).toEqual(expected)
})
