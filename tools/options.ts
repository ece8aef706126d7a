import { join } from 'node:path'
import { projectRoot } from '../src/ansible/venv.ts'
import type { Config } from '../src/config/index.ts'
import { loadConfig } from '../src/config/index.ts'
import type { CredentialInputs } from '../src/launch/credentials.ts'
import { secondCredentials, secondOf } from '../src/launch/stores.ts'
import { CommandFailure, exitCodes } from '../src/report/failure.ts'
import { type Format, formats, reportProblems } from '../src/report/problems.ts'

export const configOption = {
  config: { type: 'string', default: 'backups.config.ts', describe: 'The config file' },
} as const

export const inventoryOption = {
  inventory: {
    type: 'string',
    default: join(projectRoot, 'inventories/production'),
    defaultDescription: 'inventories/production',
    describe: "The config's inventory, as `generate` writes it",
  },
} as const

export const formatOption = {
  format: { choices: formats, default: 'text' as Format, describe: 'The format of problems' },
} as const

/** Whether to use colours on a stream. */
export function colourful(stream: NodeJS.WriteStream): boolean {
  return process.env.NO_COLOR === undefined && process.env.CI === undefined && stream.isTTY === true
}

/** The config. If it is invalid, prints its problems to standard error and throws a `CommandFailure`. */
export async function requireConfig(file: string): Promise<Config> {
  const { config, problems } = await loadConfig(file)
  process.stderr.write(reportProblems(problems, 'text', colourful(process.stderr)))
  if (!config)
    throw new CommandFailure(exitCodes.usage, `${file} is not a valid config`, 'fix the problems listed above')
  return config
}

/** The config and credentials of the first copies; with a store, those of the second copies in it. */
export function chosenStore(config: Config, credentials: CredentialInputs, store: string | undefined) {
  if (store === undefined) return { config, credentials }
  const names = (config.otherStores ?? []).map(({ name }) => name)
  if (!names.includes(store)) {
    throw new CommandFailure(
      exitCodes.usage,
      `there is no store \`${store}\` in \`otherStores\``,
      names.length > 0 ? `name one of ${names.join(', ')}` : 'add it to the config, and `second` to its systems',
    )
  }
  return { config: secondOf(config, store), credentials: secondCredentials(credentials) }
}
