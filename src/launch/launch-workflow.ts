import type { Definitions, Workflow, WorkflowNode } from '../awx/definitions.ts'
import { CommandFailure, exitCodes } from '../report/failure.ts'
import { type LaunchOptions, launchLocal } from './launch-local.ts'
import { findTemplate } from './launchable.ts'

/** The approval of a step: what is asked, and for how many seconds. */
export type Approval = NonNullable<WorkflowNode['approval_node']>

/** How a workflow is run here. Its jobs' answers are its own. */
export interface WorkflowOptions extends Omit<LaunchOptions, 'answers'> {
  /** Takes a line of progress: the start and end of each step. */
  readonly progress: (line: string) => void
  /** Whether a person approves the next step. */
  readonly approve: (approval: Approval) => Promise<boolean>
}

/**
 * Runs a workflow's jobs here with ansible-playbook, in the order and on the conditions that AWX would.
 *
 * @returns whether AWX would call it successful: every step that failed has a step for that
 * @throws CommandFailure if a step names no job template, or a credential is missing
 */
export async function launchWorkflowLocal(
  definitions: Definitions,
  workflow: Workflow,
  options: WorkflowOptions,
): Promise<boolean> {
  const run = async (node: WorkflowNode): Promise<boolean> => {
    if (node.approval_node) {
      const approved = await options.approve(node.approval_node)
      options.progress(`${node.approval_node.name}: ${approved ? 'approved' : 'denied'}`)
      return approved
    }
    const template = findTemplate(definitions, node.unified_job_template ?? '')
    options.progress(`${template.name}: started`)
    const { exitCode, signal } = await launchLocal(definitions, template, {
      ...options,
      answers: Object.fromEntries(Object.entries(node.extra_data ?? {}).map(([key, value]) => [key, String(value)])),
    })
    options.progress(`${template.name}: ${exitCode === 0 ? 'succeeded' : `failed (${signal ?? exitCode})`}`)
    if (options.signal.aborted) {
      throw new CommandFailure(
        exitCodes.findings,
        `\`${workflow.name}\` was stopped during \`${template.name}\``,
        'see its output',
      )
    }
    return exitCode === 0
  }
  const ended = await runNodes(workflow.nodes, run)
  return workflow.nodes.every(
    ({ identifier, failure_nodes, always_nodes }) =>
      ended.get(identifier) !== false || failure_nodes.length + always_nodes.length > 0,
  )
}

/**
 * Runs the nodes of a workflow one after the other: each when all that may lead to it have ended or are left out, and
 * one of them leads to it.
 *
 * @returns node → whether it succeeded; a node that nothing led to is left out
 */
export async function runNodes(
  nodes: readonly WorkflowNode[],
  run: (node: WorkflowNode) => Promise<boolean>,
): Promise<Map<string, boolean>> {
  const ended = new Map<string, boolean>()
  const waiting = new Set(nodes)
  const leadsTo = ({ success_nodes, failure_nodes, always_nodes }: WorkflowNode, well?: boolean) => [
    ...(well === false ? [] : success_nodes),
    ...(well === true ? [] : failure_nodes),
    ...always_nodes,
  ]
  for (;;) {
    const open = [...waiting]
    const due = open.find(node => !open.some(other => leadsTo(other).includes(node.identifier)))
    if (!due) return ended
    waiting.delete(due)
    const parents = nodes.filter(node => leadsTo(node).includes(due.identifier))
    const led = parents.some(parent => {
      const well = ended.get(parent.identifier)
      return well !== undefined && leadsTo(parent, well).includes(due.identifier)
    })
    if (parents.length === 0 || led) ended.set(due.identifier, await run(due))
  }
}
