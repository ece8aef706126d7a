import type { Argv } from 'yargs'
import { definitions } from '../src/awx/definitions.ts'
import { configure } from '../src/configure/configure.ts'
import { reportPlan, summarise } from '../src/plan/report.ts'
import { exitCodes } from '../src/report/failure.ts'
import { colourful, configOption, requireConfig } from './options.ts'

export const command = 'configure'
export const describe = 'Configure the AWX at CONTROLLER_HOST as the config says'
export const builder = (args: Argv) =>
  args
    .options({
      ...configOption,
      credentials: { type: 'string', describe: 'The credentials file: AWX credential → its inputs' },
      check: { type: 'boolean', default: false, describe: 'Change nothing, show what would change' },
      'remove-surplus': {
        type: 'boolean',
        default: false,
        describe: 'Remove objects that carry our mark but are not in the config, and roles granted by hand',
      },
      rotate: {
        type: 'string',
        array: true,
        default: [] as string[],
        describe: 'A credential whose secrets are written again',
      },
    })
    .example('$0 configure --credentials secrets.yml', 'the first time, and whenever a credential is new')
    .example('$0 configure --check', '+ would be created, ~ would be changed, - is surplus')
    .epilogue('Exit codes: 0 AWX is as the config says, 1 it is not, 2 config or usage error, 3 AWX is unreachable.')

interface Args {
  config: string
  credentials?: string
  check: boolean
  removeSurplus: boolean
  rotate: string[]
}

export async function handler({ config: file, ...request }: Args): Promise<void> {
  const config = await requireConfig(file)
  const asTheConfigSays = await configure(definitions(config), { credentials: undefined, ...request }, process.env, {
    differences(comparison) {
      process.stdout.write(reportPlan(comparison, 'text', colourful(process.stdout)))
      process.stderr.write(`configure: ${summarise(comparison)}\n`)
    },
    progress: line => process.stderr.write(`configure: ${line}\n`),
  })
  if (!asTheConfigSays) process.exitCode = exitCodes.findings
}
