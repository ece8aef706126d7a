import { inRecoveryOrder, type RecoveryStage, type TemplateUse } from '../kinds/kind.ts'
import type { WorkflowNode } from './vocabulary.ts'

/** How long an approval waits, in seconds: half a shift, so that a forgotten one fails the same day. */
const approvalTimeout = 4 * 3600

/** A job template with the stage of a full recovery that it belongs to. */
export interface StagedUse {
  readonly use: TemplateUse
  readonly stage: RecoveryStage
}

/**
 * The steps of a full recovery: each job of it after a person's approval, stage by stage, one at a time. There is no
 * failure path: the workflow fails at the first step that fails, is denied or times out.
 */
export function recoveryNodes(uses: readonly StagedUse[]): WorkflowNode[] {
  const steps = inRecoveryOrder(uses, ({ stage }) => stage).flatMap(({ use }) =>
    use.recovery ? [{ use, answers: use.recovery.answers }] : [],
  )
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
        // AWX requires an answer to every required question, even one with a default.
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
