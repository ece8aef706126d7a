import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import type { Argv } from 'yargs'
import { projectRoot } from '../src/ansible/venv.ts'
import { openController } from '../src/awx/controller.ts'
import { type Definitions, definitions, type Workflow } from '../src/awx/definitions.ts'
import { type Environment, environments } from '../src/generate/environments.ts'
import { readCredentials } from '../src/launch/credentials.ts'
import { launchOnController } from '../src/launch/launch-controller.ts'
import { answersTo, findLaunchable, isWorkflow, type Launchable, launchLocal } from '../src/launch/launch-local.ts'
import { type Approval, launchWorkflowLocal } from '../src/launch/launch-workflow.ts'
import { exitCodes, Failure } from '../src/report/failure.ts'
import { configOption, requireConfig } from './options.ts'

export const command = 'launch <template>'
export const describe = 'Run a job template or a workflow on the AWX that CONTROLLER_HOST names, or here as AWX would'
export const builder = (args: Argv) =>
  args
    .positional('template', { type: 'string', demandOption: true, describe: "The job template's or workflow's name" })
    .options({
      ...configOption,
      environment: {
        choices: Object.keys(environments) as Environment[],
        default: 'production' as Environment,
        describe: 'Whose inventory',
      },
      local: { type: 'boolean', default: false, describe: 'Run it here with ansible-playbook, without AWX' },
      credentials: { type: 'string', describe: 'With --local: the credentials file, AWX credential → its inputs' },
      answer: { type: 'string', array: true, default: [] as string[], describe: 'A survey answer, variable=value' },
      check: { type: 'boolean', default: false, describe: 'With --local: change nothing, say what would change' },
      approve: {
        type: 'boolean',
        default: false,
        describe: "With --local: give all of a workflow's approvals beforehand, instead of at the terminal",
      },
    })
    .example('$0 launch "Back up: rancher-server" --answer rancher_backup_ignore_window=yes', 'on AWX')
    .example('$0 launch "Back up: rancher-server" --local --credentials secrets.yml', 'here')
    .example('$0 launch "Recover everything: production"', 'a workflow; approvals are given on AWX')

interface Args {
  template: string
  config: string
  environment: Environment
  local: boolean
  credentials?: string
  answer: string[]
  check: boolean
  approve: boolean
}

export async function handler(args: Args): Promise<void> {
  const config = environments[args.environment](await requireConfig(args.config))
  const all = definitions(config, args.environment)
  const launchable = findLaunchable(all, args.template)
  if (args.local) return here(args, all, launchable)
  if (!process.env.CONTROLLER_HOST) {
    throw new Failure(
      exitCodes.unreachable,
      'no AWX is named',
      "set CONTROLLER_HOST to AWX's address, or add --local to run it here",
    )
  }
  if (args.check) {
    throw new Failure(exitCodes.broken, '--check is for --local: no template lets a launch choose it', 'add --local')
  }
  if (args.approve) {
    throw new Failure(
      exitCodes.broken,
      '--approve is for --local: on AWX a person approves, under a name of their own',
      'leave it out, or add --local',
    )
  }
  return onAwx(args, launchable)
}

async function here(args: Args, all: Definitions, launchable: Launchable): Promise<void> {
  const interrupt = new AbortController()
  process.once('SIGINT', () => interrupt.abort())
  process.once('SIGTERM', () => interrupt.abort())
  const answers = Object.fromEntries(args.answer.map(pair))
  const options = {
    inventory: join(projectRoot, 'inventories', args.environment),
    credentials: args.credentials === undefined ? {} : await readCredentials(args.credentials),
    check: args.check,
    log: (line: string) => process.stdout.write(`${line}\n`),
    signal: interrupt.signal,
  }
  if (isWorkflow(launchable)) {
    answersTo(launchable, answers)
    const well = await launchWorkflowLocal(all, launchable, {
      ...options,
      progress: line => process.stderr.write(`launch: ${line}\n`),
      approve: approver(args, launchable, interrupt.signal),
    })
    if (!well) throw new Failure(exitCodes.findings, `\`${args.template}\` did not end well`, 'see its output above')
    return
  }
  const { exitCode, signal } = await launchLocal(all, launchable, { ...options, answers })
  if (exitCode !== 0) {
    throw new Failure(
      exitCodes.findings,
      `\`${args.template}\` failed (ansible-playbook: ${signal ?? exitCode})`,
      'see its output above',
    )
  }
}

/** Who approves a workflow's steps here: nobody in check mode, `--approve`, or whoever sits at the terminal. */
function approver(args: Args, workflow: Workflow, interrupt: AbortSignal): (approval: Approval) => Promise<boolean> {
  if (args.check || args.approve) return async () => true
  if (!process.stdin.isTTY && workflow.nodes.some(node => node.approval_node)) {
    throw new Failure(
      exitCodes.broken,
      `\`${workflow.name}\` asks for approvals, and there is no terminal to ask at`,
      'run it at a terminal, or add --approve to give all of them beforehand',
    )
  }
  return ({ name, description, timeout }) => {
    // No timeout is to wait for ever, as on AWX.
    const late = timeout > 0 ? [AbortSignal.timeout(timeout * 1000)] : []
    const signal = AbortSignal.any([interrupt, ...late])
    return confirm(`\n${name}\n${description}\nApprove? (y: go on; n: end the workflow) `, signal)
  }
}

async function onAwx(args: Args, launchable: Launchable): Promise<void> {
  const interrupt = new AbortController()
  const stop = () => interrupt.abort()
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  const { status, address } = await launchOnController(openController(process.env), launchable, {
    answers: Object.fromEntries(args.answer.map(pair)),
    log: line => process.stdout.write(`${line}\n`),
    progress: line => process.stderr.write(`launch: ${line}\n`),
    interrupt: interrupt.signal,
    confirmCancel,
  })
  if (status === 'successful') return
  if (status === 'left') {
    throw new Failure(exitCodes.findings, `\`${args.template}\` runs on, unwatched`, `see ${address}`)
  }
  throw new Failure(
    exitCodes.findings,
    `\`${args.template}\` ended as ${status}`,
    `see its output above, or ${address}`,
  )
}

/** Where nobody can be asked, a job that may stop Rancher is left to end well. */
async function confirmCancel(): Promise<boolean> {
  if (!process.stdin.isTTY) return false
  return await confirm('\nCancel it on AWX? (y: cancel it; n: leave it running) ')
}

/** Asks at the terminal; Ctrl-C there, and the signal, are a no. */
async function confirm(question: string, signal?: AbortSignal): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  const left = new AbortController()
  terminal.once('SIGINT', () => left.abort())
  try {
    const answer = await terminal.question(question, {
      signal: signal ? AbortSignal.any([signal, left.signal]) : left.signal,
    })
    return /^y(es)?$/i.test(answer.trim())
  } catch {
    return false
  } finally {
    terminal.close()
  }
}

function pair(text: string): [string, string] {
  const at = text.indexOf('=')
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)]
  throw new Failure(exitCodes.broken, `the answer \`${text}\` is no variable=value`, 'write --answer variable=value')
}
