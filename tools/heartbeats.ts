import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Argv } from 'yargs'
import { checksOf } from '../src/heartbeats/checks.ts'
import { addresses, makeChecks } from '../src/heartbeats/healthchecks.ts'
import { CommandFailure, exitCodes } from '../src/report/failure.ts'
import { configOption, requireConfig } from './options.ts'

export const command = 'heartbeats'
export const describe = "Make the checks of the dead-man's switch, one a system, with the periods of the schedules"
export const builder = (args: Argv) =>
  args
    .options({
      ...configOption,
      to: {
        type: 'string',
        demandOption: true,
        describe: 'A folder for the Secrets and credentials with the addresses',
      },
    })
    .example('HEALTHCHECKS_API_KEY=… $0 heartbeats --to secrets', 'then apply the Secrets, and run `configure`')
    .epilogue('Exit codes: 0 success, 2 config or usage error, 3 Healthchecks is unreachable or refuses.')

export async function handler(args: { config: string; to: string }): Promise<void> {
  const config = await requireConfig(args.config)
  const key = process.env.HEALTHCHECKS_API_KEY
  if (!config.heartbeats) {
    throw new CommandFailure(exitCodes.usage, 'the config has no `heartbeats`', 'add it, with the address of the API')
  }
  if (!key) {
    throw new CommandFailure(
      exitCodes.usage,
      'HEALTHCHECKS_API_KEY is not set',
      'set it to a read-write key of the project',
    )
  }
  const made = await makeChecks(config.heartbeats.api, key, checksOf(config))
  const { credentials, secrets } = addresses(made, config.heartbeats.secret)
  await mkdir(args.to, { recursive: true, mode: 0o700 })
  const write = (name: string, value: object) =>
    writeFile(join(args.to, name), `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 })
  await write('heartbeat-credentials.json', credentials)
  const clusters = Map.groupBy(secrets, ({ cluster }) => cluster)
  for (const [cluster, of] of clusters) {
    const items = of.map(({ manifest }) => manifest)
    await write(`heartbeats-${cluster}.json`, { apiVersion: 'v1', kind: 'List', items })
  }
  for (const { check, isNew } of made) {
    process.stdout.write(
      `${isNew ? '+' : ' '} ${check.name}: ${check.schedule} (${check.timezone}), grace ${check.graceSeconds} s\n`,
    )
  }
  process.stderr.write(
    `heartbeats: ${made.length} checks; the addresses are in ${args.to}: \`kubectl apply --filename\` the Secrets, and pass the credentials to \`configure\`\n`,
  )
}
