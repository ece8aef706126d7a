import type { TemplateUse } from '../kinds/kind.ts'
import type { WorkflowNode } from './vocabulary.ts'

/** How long an approval waits, in seconds: a person has a shift to look, and a forgotten one ends red the same day. */
const approvalTimeout = 4 * 3600

/**
 * The steps of a whole recovery: each restore after a person's approval, in the order that the kinds of systems give,
 * one at a time. There is no failure path: whatever fails, is denied or times out ends the workflow, red.
 */
export function recoveryNodes(uses: readonly TemplateUse[]): WorkflowNode[] {
  const steps = uses.flatMap(use => (use.recovery ? [{ use, ...use.recovery }] : [])).sort((a, b) => a.step - b.step)
  return steps.flatMap(({ use, answers }, index): WorkflowNode[] => {
    const next = steps[index + 1]
    return [
      {
        identifier: approvalOf(use),
        approval_node: {
          name: `Approve: ${use.name}`,
          description: `Step ${index + 1} of ${steps.length}. Approve to overwrite what is there; deny to end the recovery`,
          timeout: approvalTimeout,
        },
        success_nodes: [use.name],
        failure_nodes: [],
        always_nodes: [],
      },
      {
        identifier: use.name,
        unified_job_template: use.name,
        // AWX wants every required question answered, also where it has a default.
        extra_data: { ...defaultsOf(use), ...answers },
        success_nodes: next ? [approvalOf(next.use)] : [],
        failure_nodes: [],
        always_nodes: [],
      },
    ]
  })
}

const approvalOf = (use: TemplateUse) => `Approve: ${use.name}`

function defaultsOf({ survey }: TemplateUse): Record<string, string> {
  return Object.fromEntries(
    survey.filter(question => question.default !== '').map(question => [question.variable, question.default]),
  )
}
