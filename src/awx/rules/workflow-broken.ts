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
      const known = new Set(nodes.map(({ identifier }) => identifier))
      const inCircles = circles(nodes)
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
              .filter(next => !known.has(next))
              .map(next => ({
                path: at(node, key),
                message: `there is no node \`${next}\``,
                suggest: orNearest(next, [...known], 'name a node of this workflow'),
              })),
          ),
        ),
        ...nodes
          .filter(({ identifier }) => inCircles.has(identifier))
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

/** The names of the nodes from which a path leads back to them. Takes time by the nodes alone where there are none. */
function circles(nodes: readonly WorkflowNode[]): Set<string> {
  const open = new Map<string, string[]>()
  for (const node of nodes) open.set(node.identifier, [...(open.get(node.identifier) ?? []), ...nextOf(node)])
  const before = new Map<string, string[]>()
  const left = new Map<string, number>()
  for (const [name, next] of open) {
    left.set(name, next.filter(to => open.has(to)).length)
    for (const to of next) {
      const from = before.get(to)
      if (from) from.push(name)
      else before.set(to, [name])
    }
  }
  // What leads nowhere is in no circle, nor then what leads only to it.
  const ends = [...open.keys()].filter(name => left.get(name) === 0)
  for (let end = ends.pop(); end !== undefined; end = ends.pop()) {
    open.delete(end)
    for (const name of before.get(end) ?? []) {
      const links = (left.get(name) ?? 0) - 1
      left.set(name, links)
      if (links === 0) ends.push(name)
    }
  }
  return new Set([...open.keys()].filter(name => leadsTo(name, name, open)))
}

function leadsTo(from: string, name: string, links: ReadonlyMap<string, readonly string[]>): boolean {
  const seen = new Set<string>()
  const open = [...(links.get(from) ?? [])]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next === name) return true
    if (seen.has(next)) continue
    seen.add(next)
    open.push(...(links.get(next) ?? []))
  }
  return false
}
