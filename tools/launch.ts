import { stripVTControlCharacters } from 'node:util'
import type { Argv } from 'yargs'
import { launch } from '../src/launch/launch.ts'
import { processTerminal } from '../src/launch/terminal.ts'
import { liveLines } from './live.ts'
import { colourful, configOption, inventoryOption, requireConfig } from './options.ts'

export const command = 'launch <template>'
export const describe = 'Run a job template or a workflow on the AWX that CONTROLLER_HOST names, or here as AWX would'
export const builder = (args: Argv) =>
  args
    .positional('template', { type: 'string', demandOption: true, describe: "The job template's or workflow's name" })
    .options({
      ...configOption,
      local: { type: 'boolean', default: false, describe: 'Run it here with ansible-playbook, without AWX' },
      ...inventoryOption,
      credentials: { type: 'string', describe: 'With --local: the credentials file, AWX credential → its inputs' },
      answer: { type: 'string', array: true, default: [] as string[], describe: 'A survey answer, variable=value' },
      check: { type: 'boolean', default: false, describe: 'With --local: change nothing, say what would change' },
      approve: {
        type: 'boolean',
        default: false,
        describe: "With --local: give all of a workflow's approvals in advance instead of at the terminal",
      },
    })
    .example('$0 launch "Back up: rancher-server" --answer rancher_backup_ignore_window=yes', 'on AWX')
    .example('$0 launch "Back up: rancher-server" --local --credentials secrets.yml', 'here')
    .example('$0 launch "Recover everything: production"', 'a workflow; approvals are given on AWX')

interface Args {
  template: string
  config: string
  local: boolean
  inventory: string
  credentials?: string
  answer: string[]
  check: boolean
  approve: boolean
}

export async function handler({ config: file, answer, ...args }: Args): Promise<void> {
  const config = await requireConfig(file)
  const terminal = processTerminal('launch', colourful(process.stdout))
  const live = await liveLines(kindOfWork(args), () => 'launch: ')
  try {
    await launch(
      config,
      { ...args, answers: answer },
      {
        ...terminal,
        progress: live.log,
        output(line) {
          live.above(() => terminal.output(line))
          const task = taskOf(line)
          if (task !== undefined) live.at(task)
        },
        confirm(question, signal) {
          live.pause()
          return terminal.confirm(question, signal)
        },
      },
    )
    await live.succeeded()
  } finally {
    live.end()
  }
}

/** Each kind of launch takes its own time: on AWX, here, and without changing anything. */
function kindOfWork({ template, local, check }: Pick<Args, 'template' | 'local' | 'check'>): string {
  const name = template.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')
  return ['launch', ...(local ? ['local'] : []), ...(check ? ['check'] : []), name].join('-')
}

/** The task that ansible-playbook says it begins. */
function taskOf(line: string): string | undefined {
  return /^(?:TASK|RUNNING HANDLER) \[(.+)\] \**$/.exec(stripVTControlCharacters(line))?.[1]
}
