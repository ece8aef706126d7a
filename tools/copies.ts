import type { Argv } from 'yargs'
import { readCredentials } from '../src/launch/credentials.ts'
import { storeCredential, storeEnvironment } from '../src/launch/stores.ts'
import { CommandFailure, exitCodes } from '../src/report/failure.ts'
import { memoryFolder } from '../src/status/memory.ts'
import { reportCopies } from '../src/status/report-copies.ts'
import { readSystem } from '../src/status/status.ts'
import { openStore } from '../src/store/client.ts'
import { chosenStore, configOption, requireConfig } from './options.ts'

export const command = 'copies <system>'
export const describe = 'List the copies of a system that can be restored; reads only'
export const builder = (args: Argv) =>
  args
    .positional('system', { type: 'string', demandOption: true, describe: "The system's name" })
    .options({
      ...configOption,
      credentials: { type: 'string', describe: 'The credentials file, as for `plan`' },
      format: { choices: ['text', 'json'] as const, default: 'text' as const, describe: 'The output format' },
      store: { type: 'string', describe: 'The second copies in this store, one of `otherStores`' },
    })
    .example('$0 copies infra-db-production --credentials secrets.yml', 'newest first')

interface Args {
  config: string
  system: string
  credentials?: string
  store?: string
  format: 'text' | 'json'
}

export async function handler(args: Args): Promise<void> {
  const given = args.credentials === undefined ? {} : await readCredentials(args.credentials)
  const { config, credentials } = chosenStore(await requireConfig(args.config), given, args.store)
  const system = config.systems.find(({ name }) => name === args.system)
  if (!system) {
    const names = config.systems.map(({ name }) => name).join(', ')
    throw new CommandFailure(exitCodes.usage, `there is no system \`${args.system}\``, `name one of ${names}`)
  }
  const environment = storeEnvironment(config, system, credentials)
  if (!environment) {
    const missing = `the credential \`${storeCredential(system)}\` is missing`
    throw new CommandFailure(exitCodes.unreachable, missing, 'add it to the file that --credentials names')
  }
  const store = openStore(environment)
  const { assessment, findings } = await readSystem(store, system, memoryFolder(process.env), new Date())
  store.s3.destroy()
  const [first] = findings
  if (!assessment) throw new CommandFailure(exitCodes.unreachable, first?.message ?? 'no answer', first?.next ?? '')
  process.stdout.write(reportCopies(assessment, args.format, new Date()))
  for (const { message } of findings) process.stderr.write(`copies: ${message}\n`)
}
