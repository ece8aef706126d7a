import { type AwxRule, type Finding, placeOf } from './rule.ts'

export const approvalHangs: AwxRule = {
  id: 'awx-approval-hangs',
  description:
    'An approval without a timeout waits for ever; one in a workflow that a schedule launches waits at night, and the schedule stands behind it.',
  check({ controller_workflows, controller_schedules }) {
    const scheduled = new Map(
      controller_schedules.map(({ unified_job_template, name }) => [unified_job_template, name]),
    )
    return controller_workflows.flatMap(({ name, nodes }) =>
      nodes.flatMap(({ identifier, approval_node }): Finding[] => {
        if (!approval_node) return []
        const path = placeOf('controller_workflows', name, `nodes (${identifier})`)
        const schedule = scheduled.get(name)
        return [
          ...(approval_node.timeout > 0
            ? []
            : [{ path: `${path}.timeout`, message: 'waits for ever', suggest: 'give it a timeout in seconds' }]),
          ...(schedule === undefined
            ? []
            : [
                {
                  path,
                  message: `waits for a person, and the schedule \`${schedule}\` launches it when none is there`,
                  suggest: 'schedule a workflow without approvals, or launch this one by hand',
                },
              ]),
        ]
      }),
    )
  },
}
