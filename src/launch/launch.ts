import { stripVTControlCharacters } from 'node:util'
import { openController } from '../awx/controller.ts'
import { type Definitions, definitions, type Workflow } from '../awx/definitions.ts'
import type { Config } from '../config/index.ts'
import { CommandFailure, exitCodes } from '../report/failure.ts'
import { readCredentials } from './credentials.ts'
import { launchOnController } from './launch-controller.ts'
import { launchLocal } from './launch-local.ts'
import { type Approval, launchWorkflowLocal } from './launch-workflow.ts'
import { findLaunchable, isWorkflow, type Launchable, readAnswers, surveyAnswers } from './launchable.ts'
import type { Terminal } from './terminal.ts'

/** A launch as a user asks for it. */
export interface LaunchRequest {
  /** The name of a job template or a workflow. */
  readonly template: string
  /** The inventory's folder, for a local run. */
  readonly inventory: string
  /** Run it here with ansible-playbook, without AWX. */
  readonly local: boolean
  /** The credentials file, for a local run. */
  readonly credentials?: string | undefined
  /** Survey answers, `variable=value` each. */
  readonly answers: readonly string[]
  /** Change nothing, say what would change; for a local run. */
  readonly check: boolean
  /** Give every approval of a workflow beforehand; for a local run. */
  readonly approve: boolean
}

/**
 * Launches a job template or a workflow, on the AWX that the environment names or here, and follows it to its end.
 *
 * @throws CommandFailure if it cannot be launched, does not succeed, or can no longer be followed
 */
export async function launch(config: Config, request: LaunchRequest, terminal: Terminal): Promise<void> {
  const all = definitions(config)
  const launchable = findLaunchable(all, request.template)
  if (request.local) return here(request, all, launchable, terminal)
  if (!process.env.CONTROLLER_HOST) {
    throw new CommandFailure(
      exitCodes.unreachable,
      'CONTROLLER_HOST is not set',
      "set CONTROLLER_HOST to AWX's address, or add --local to run it here",
    )
  }
  if (request.check) {
    throw new CommandFailure(
      exitCodes.usage,
      '--check needs --local: no job template accepts it at launch',
      'add --local',
    )
  }
  if (request.approve) {
    throw new CommandFailure(
      exitCodes.usage,
      '--approve needs --local: on AWX a person approves, in their own name',
      'leave it out, or add --local',
    )
  }
  return onAwx(request, launchable, terminal)
}

async function here(
  request: LaunchRequest,
  all: Definitions,
  launchable: Launchable,
  terminal: Terminal,
): Promise<void> {
  const answers = readAnswers(request.answers)
  const options = {
    inventory: request.inventory,
    credentials: request.credentials === undefined ? {} : await readCredentials(request.credentials),
    check: request.check,
    log: terminal.output,
    signal: terminal.interrupt,
  }
  if (isWorkflow(launchable)) {
    surveyAnswers(launchable, answers)
    const succeeded = await launchWorkflowLocal(all, launchable, {
      ...options,
      progress: terminal.progress,
      approve: approver(request, launchable, terminal),
    })
    if (!succeeded)
      throw new CommandFailure(exitCodes.findings, `\`${launchable.name}\` failed`, 'see its output above')
    return
  }
  const { exitCode, signal } = await launchLocal(all, launchable, { ...options, answers })
  if (exitCode !== 0) {
    throw new CommandFailure(
      exitCodes.findings,
      `\`${launchable.name}\` failed (ansible-playbook: ${signal ?? exitCode})`,
      'see its output above',
    )
  }
}

/** Who approves a workflow's steps here: nobody in check mode, `--approve`, or the user at the terminal. */
function approver(
  request: LaunchRequest,
  workflow: Workflow,
  terminal: Terminal,
): (approval: Approval) => Promise<boolean> {
  if (request.check || request.approve) return async () => true
  if (!terminal.interactive && workflow.nodes.some(node => node.approval_node)) {
    throw new CommandFailure(
      exitCodes.usage,
      `\`${workflow.name}\` asks for approvals, but there is no terminal`,
      'run it at a terminal, or add --approve to give all of them in advance',
    )
  }
  return ({ name, description, timeout }) => {
    // As on AWX, no timeout means to wait without end.
    const late = timeout > 0 ? [AbortSignal.timeout(timeout * 1000)] : []
    const signal = AbortSignal.any([terminal.interrupt, ...late])
    return terminal.confirm(`\n${name}\n${description}\nApprove? (y: continue; n: end the workflow) `, signal)
  }
}

async function onAwx(request: LaunchRequest, launchable: Launchable, terminal: Terminal): Promise<void> {
  const { status, address } = await launchOnController(openController(process.env), launchable, {
    answers: readAnswers(request.answers),
    // AWX colours the output of its jobs.
    log: line => terminal.output(terminal.colour ? line : stripVTControlCharacters(line)),
    progress: terminal.progress,
    interrupt: terminal.interrupt,
    // If nobody can be asked, a job that may have stopped Rancher is left to finish.
    confirmCancel: async () =>
      terminal.interactive && (await terminal.confirm('\nCancel it on AWX? (y: cancel it; n: leave it running) ')),
  })
  if (status === 'successful') return
  if (status === 'left') {
    throw new CommandFailure(exitCodes.findings, `\`${launchable.name}\` continues on AWX, unwatched`, `see ${address}`)
  }
  throw new CommandFailure(
    exitCodes.findings,
    `\`${launchable.name}\` ended as ${status}`,
    `see its output above, or ${address}`,
  )
}
