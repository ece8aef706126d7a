import { repeated } from '../../config/rules/rule.ts'
import type { WorkflowNode } from '../vocabulary.ts'
import { type AwxRule, type Finding, orNearest, placeOf } from './rule.ts'

export const workflowBroken: AwxRule = {
  id: 'awx-workflow-broken',
  description:
    'AWX takes a workflow whose nodes have names of their own, launch one thing each, lead to nodes that are there, and never lead back.',
  check: ({ controller_workflows }) =>
    controller_workflows.flatMap(({ name, nodes }): Finding[] => {
      const at = (node: WorkflowNode, key?: string) =>
        `${placeOf('controller_workflows', name, `nodes (${node.identifier})`)}${key ? `.${key}` : ''}`
      const known = nodes.map(({ identifier }) => identifier)
      return [
        ...repeated(
          nodes,
          ({ identifier }) => identifier,
          node => ({ path: at(node), message: 'is defined twice', suggest: 'give each node a name of its own' }),
        ),
        ...nodes
          .filter(node => (node.unified_job_template === undefined) === (node.approval_node === undefined))
          .map(node => ({
            path: at(node),
            message: 'launches nothing, or two things',
            suggest: 'give it one of `unified_job_template` and `approval_node`',
          })),
        ...nodes.flatMap(node =>
          links.flatMap(key =>
            node[key]
              .filter(next => !known.includes(next))
              .map(next => ({
                path: at(node, key),
                message: `there is no node \`${next}\``,
                suggest: orNearest(next, known, 'name a node of this workflow'),
              })),
          ),
        ),
        ...nodes
          .filter(node => reaches(node, node.identifier, nodes))
          .map(node => ({
            path: at(node),
            message: 'leads back to itself',
            suggest: 'take away one of the links on the way',
          })),
      ]
    }),
}

const links = ['success_nodes', 'failure_nodes', 'always_nodes'] as const
const nextOf = (node: WorkflowNode) => links.flatMap(key => node[key])

/** Whether a path leads from a node to the one of this name. */
function reaches(from: WorkflowNode, name: string, nodes: readonly WorkflowNode[]): boolean {
  const seen = new Set<string>()
  const open = nextOf(from)
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next === name) return true
    if (seen.has(next)) continue
    seen.add(next)
    open.push(...nodes.filter(({ identifier }) => identifier === next).flatMap(nextOf))
  }
  return false
}
