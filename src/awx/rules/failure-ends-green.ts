import { type AwxRule, placeOf } from './rule.ts'

export const failureEndsGreen: AwxRule = {
  id: 'awx-failure-ends-green',
  description:
    'A workflow is green when the last node of its failure path succeeds: a recovery that failed and then told somebody counts as done.',
  check: ({ controller_workflows }) =>
    controller_workflows.flatMap(({ name, nodes }) =>
      nodes
        .filter(({ failure_nodes, always_nodes }) => failure_nodes.length + always_nodes.length > 0)
        .map(node => ({
          path: placeOf('controller_workflows', name, `nodes (${node.identifier})`),
          message: `after its failure the workflow goes on to ${[...node.failure_nodes, ...node.always_nodes].join(', ')}, and ends green if that succeeds`,
          suggest: 'let it end there, red; notifications tell of it',
        })),
    ),
}
