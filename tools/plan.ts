import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Argv } from 'yargs'
import { projectRoot } from '../src/ansible/venv.ts'
import { openController } from '../src/awx/controller.ts'
import { type Definitions, definitions } from '../src/awx/definitions.ts'
import { readCredentials } from '../src/launch/credentials.ts'
import { compareWithAwx } from '../src/plan/awx.ts'
import { compareWithBuckets } from '../src/plan/buckets.ts'
import { compareWithClusters } from '../src/plan/clusters.ts'
import { missingCollections, neededCollections } from '../src/plan/collections.ts'
import type { Comparison } from '../src/plan/difference.ts'
import { reportPlan, summarise } from '../src/plan/report.ts'
import { CommandFailure, exitCodes } from '../src/report/failure.ts'
import { colourful, configOption, inventoryOption, requireConfig } from './options.ts'

const parts = ['awx', 'clusters', 'buckets'] as const
type Part = (typeof parts)[number]

export const command = 'plan'
export const describe = 'Show how AWX, the clusters and the buckets differ from the config; reads only'
export const builder = (args: Argv) =>
  args
    .options({
      ...configOption,
      ...inventoryOption,
      only: { choices: parts, array: true, default: [...parts] as Part[], describe: 'Which of the three' },
      credentials: { type: 'string', describe: 'The credentials file, for clusters and buckets' },
      format: { choices: ['text', 'json'] as const, default: 'text' as const, describe: 'Output format' },
    })
    .example('$0 plan --credentials secrets.yml', 'all three; AWX is the one that CONTROLLER_HOST names')
    .example('$0 plan --only awx', '+ would be created, ~ differs, - is surplus')
    .epilogue('Exit codes: 0 no differences, 1 differences, 2 config or usage error, 3 something is unreachable.')

interface Args {
  config: string
  inventory: string
  only: Part[]
  credentials?: string
  format: 'text' | 'json'
}

export async function handler(args: Args): Promise<void> {
  const config = await requireConfig(args.config)
  const all = definitions(config)
  const credentials = args.credentials === undefined ? {} : await readCredentials(args.credentials)
  const interrupt = new AbortController()
  process.once('SIGINT', () => interrupt.abort())
  const compare: Record<Part, () => Promise<Comparison>> = {
    awx: () => comparedAwx(all),
    clusters: () => compareWithClusters(all, args.inventory, credentials, interrupt.signal),
    buckets: () => compareWithBuckets(config, credentials),
  }
  const found = await Promise.all(args.only.map(part => reached(part, compare[part])))
  const whole: Comparison = {
    differences: found.flatMap(({ differences }) => differences),
    compared: found.reduce((sum, { compared }) => sum + compared, 0),
    unreachable: found.flatMap(({ unreachable }) => unreachable),
  }
  process.stdout.write(reportPlan(whole, args.format, colourful(process.stdout)))
  for (const { what, why, next } of whole.unreachable) process.stderr.write(`plan: ${what}: ${why}\n  → ${next}\n`)
  process.stderr.write(`plan: ${summarise(whole)}\n`)
  if (whole.unreachable.length > 0) process.exitCode = exitCodes.unreachable
  else if (whole.differences.length > 0) process.exitCode = exitCodes.findings
}

async function comparedAwx(all: Definitions): Promise<Comparison> {
  const controller = openController(process.env)
  const compared = await compareWithAwx(all, controller)
  const needed = neededCollections(await readFile(join(projectRoot, 'collections/requirements.yml'), 'utf8'))
  const missing = await missingCollections(all, controller, needed)
  return {
    ...compared,
    differences: [...compared.differences, ...missing],
    compared: compared.compared + needed.length,
  }
}

/** If one part is unreachable, the others are still reported. */
async function reached(part: Part, compare: () => Promise<Comparison>): Promise<Comparison> {
  try {
    return await compare()
  } catch (error) {
    if (!(error instanceof CommandFailure) || error.exitCode !== exitCodes.unreachable) throw error
    return { differences: [], compared: 0, unreachable: [{ what: part, why: error.message, next: error.next }] }
  }
}
