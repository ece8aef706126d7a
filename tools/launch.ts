import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import type { Argv } from 'yargs'
import { projectRoot } from '../src/ansible/venv.ts'
import { openController } from '../src/awx/controller.ts'
import { readCredentials } from '../src/awx/credentials.ts'
import { type Definitions, definitions, type JobTemplate } from '../src/awx/definitions.ts'
import { launchOnController } from '../src/awx/launchController.ts'
import { findTemplate, launchLocal } from '../src/awx/launchLocal.ts'
import { type Environment, environments } from '../src/inventory/environments.ts'
import { exitCodes, Failure } from '../src/report/failure.ts'
import { configOption, requireConfig } from './options.ts'

export const command = 'launch <template>'
export const describe = 'Run a job template on the AWX that CONTROLLER_HOST names, or here as AWX would'
export const builder = (args: Argv) =>
  args
    .positional('template', { type: 'string', demandOption: true, describe: "The job template's name" })
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
    })
    .example('$0 launch "Back up: rancher-server" --answer rancher_backup_ignore_window=yes', 'on AWX')
    .example('$0 launch "Back up: rancher-server" --local --credentials secrets.yml', 'here')

interface Args {
  template: string
  config: string
  environment: Environment
  local: boolean
  credentials?: string
  answer: string[]
  check: boolean
}

export async function handler(args: Args): Promise<void> {
  const config = environments[args.environment](await requireConfig(args.config))
  const all = definitions(config, args.environment)
  const template = findTemplate(all, args.template)
  if (args.local) return here(args, all, template)
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
  return onAwx(args, template)
}

async function here(args: Args, all: Definitions, template: JobTemplate): Promise<void> {
  const interrupt = new AbortController()
  process.once('SIGINT', () => interrupt.abort())
  process.once('SIGTERM', () => interrupt.abort())
  const { exitCode, signal } = await launchLocal(all, template, {
    answers: Object.fromEntries(args.answer.map(pair)),
    inventory: join(projectRoot, 'inventories', args.environment),
    credentials: args.credentials === undefined ? {} : await readCredentials(args.credentials),
    check: args.check,
    log: line => process.stdout.write(`${line}\n`),
    signal: interrupt.signal,
  })
  if (exitCode !== 0) {
    throw new Failure(
      exitCodes.findings,
      `\`${args.template}\` failed (ansible-playbook: ${signal ?? exitCode})`,
      'see its output above',
    )
  }
}

async function onAwx(args: Args, template: JobTemplate): Promise<void> {
  const interrupt = new AbortController()
  const stop = () => interrupt.abort()
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  const { status, address } = await launchOnController(openController(process.env), template, {
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

/** Asks at the terminal; where there is none nobody can be asked, and a job that may stop Rancher is left to end well. */
async function confirmCancel(): Promise<boolean> {
  if (!process.stdin.isTTY) return false
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  // Ctrl-C at the question leaves the job alone.
  const left = new AbortController()
  terminal.once('SIGINT', () => left.abort())
  try {
    const answer = await terminal.question('\nCancel the job on AWX? (y: cancel it; n: leave it running) ', {
      signal: left.signal,
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
