import { join } from 'node:path'
import type { Argv } from 'yargs'
import { projectRoot } from '../src/ansible/venv.ts'
import { readCredentials } from '../src/awx/credentials.ts'
import { definitions } from '../src/awx/definitions.ts'
import { findTemplate, launchLocal } from '../src/awx/launchLocal.ts'
import { type Environment, environments } from '../src/inventory/environments.ts'
import { exitCodes, Failure } from '../src/report/failure.ts'
import { configOption, requireConfig } from './options.ts'

export const command = 'launch <template>'
export const describe = 'Run a job template, as AWX would'
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
      credentials: { type: 'string', describe: 'The credentials file: AWX credential → its inputs' },
      answer: { type: 'string', array: true, default: [] as string[], describe: 'A survey answer, variable=value' },
      check: { type: 'boolean', default: false, describe: 'Change nothing, say what would change' },
    })
    .example('$0 launch "Back up: rancher-server" --local --credentials secrets.yml', '')

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
  if (!args.local) {
    throw new Failure(exitCodes.broken, 'launching on an AWX is not there yet', 'add --local to run it here')
  }
  const config = environments[args.environment](await requireConfig(args.config))
  const all = definitions(config, args.environment)
  const interrupt = new AbortController()
  process.once('SIGINT', () => interrupt.abort())
  process.once('SIGTERM', () => interrupt.abort())
  const { exitCode, signal } = await launchLocal(all, findTemplate(all, args.template), {
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

function pair(text: string): [string, string] {
  const at = text.indexOf('=')
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)]
  throw new Failure(exitCodes.broken, `the answer \`${text}\` is no variable=value`, 'write --answer variable=value')
}
