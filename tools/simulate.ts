import type { Argv } from 'yargs'
import { readCredentials } from '../src/launch/credentials.ts'
import { CommandFailure, exitCodes } from '../src/report/failure.ts'
import { type Fault, type FaultKind, faultKinds } from '../src/simulate/faults.ts'
import { brokenPromises } from '../src/simulate/promise.ts'
import { type Judged, reportOutcomes, reportTrials } from '../src/simulate/report.ts'
import { simulate } from '../src/simulate/simulate.ts'
import { trialsOf } from '../src/simulate/trials.ts'
import { memoryFolder } from '../src/status/memory.ts'
import { readStatus } from '../src/status/status.ts'
import { configOption, requireConfig } from './options.ts'

export const command = 'simulate [systems..]'
export const describe = 'Run the schedules through years in memory: what could be restored and lost, and every alarm'
export const builder = (args: Argv) =>
  args
    .positional('systems', {
      type: 'string',
      array: true,
      default: [] as string[],
      describe: 'Only these; default: all',
    })
    .options({
      ...configOption,
      years: { type: 'number', default: 1, describe: 'How many years' },
      from: { type: 'string', default: '2026-01-01', describe: 'The first day, UTC' },
      fault: {
        type: 'string',
        array: true,
        default: [] as string[],
        describe: `A fault to inject: <kind>@<UTC>[..<UTC>], of ${Object.keys(faultKinds).join(', ')}`,
      },
      trials: {
        type: 'boolean',
        default: true,
        describe: 'Without --fault: inject each kind of fault into each system',
      },
      credentials: {
        type: 'string',
        describe: 'Take sizes and durations from the buckets, with this credentials file',
      },
      format: { choices: ['text', 'json'] as const, default: 'text' as const, describe: 'The output format' },
    })
    .example('$0 simulate --years 3', 'healthy years, then each fault in each system and the time to its alarm')
    .example(
      '$0 simulate --fault cluster-away@2026-10-25T00:00Z..2026-10-25T06:00Z',
      'the control plane is down for a night',
    )
    .epilogue(
      'Exit codes: 0 promises kept and alarms right, 1 a promise broken, an alarm without a fault or a fault without its alarm, 2 config or usage error.',
    )

interface Args {
  config: string
  systems: string[]
  years: number
  from: string
  fault: string[]
  trials: boolean
  credentials?: string
  format: 'text' | 'json'
}

export async function handler(args: Args): Promise<void> {
  const config = await requireConfig(args.config)
  const from = moment(args.from)
  const to = new Date(from)
  to.setUTCFullYear(to.getUTCFullYear() + args.years)
  const faults = args.fault.map(faultOf)
  const unknown = args.systems.find(name => !config.systems.some(system => system.name === name))
  if (unknown) throw new CommandFailure(exitCodes.usage, `there is no system \`${unknown}\``, 'name one of the config')
  const systems = config.systems.filter(({ name }) => args.systems.length === 0 || args.systems.includes(name))
  const measured = args.credentials === undefined ? new Map() : await measure(args.credentials)

  const outcomes = systems.map((system): Judged => {
    process.stderr.write(`simulate: ${system.name}\n`)
    const outcome = simulate({ system, from, to, faults, ...measured.get(system.name) })
    return { ...outcome, broken: brokenPromises(system, outcome) }
  })
  const trials = args.trials && faults.length === 0 ? systems.flatMap(trialsOf) : []
  if (args.format === 'json') process.stdout.write(`${JSON.stringify({ outcomes, trials }, null, 2)}\n`)
  else {
    process.stdout.write(reportOutcomes(outcomes))
    if (trials.length > 0)
      process.stdout.write(`\nEach fault once in each system, and the time to its alarm:\n${reportTrials(trials)}`)
  }
  const broken = outcomes.filter(outcome => outcome.broken.length > 0).length
  const falseAlarms = faults.length > 0 ? 0 : outcomes.reduce((sum, { alarms }) => sum + alarms.length, 0)
  const missed = trials.filter(({ afterSeconds }) => afterSeconds === undefined).length
  process.stderr.write(
    `simulate: ${broken} systems break a promise, ${falseAlarms} false alarms, ${missed} of ${trials.length} faults missed\n`,
  )
  if (broken + falseAlarms + missed > 0) process.exitCode = exitCodes.findings

  async function measure(file: string) {
    const credentials = await readCredentials(file)
    const { rows } = await readStatus({ config, credentials, folder: memoryFolder(process.env), now: new Date() })
    return new Map(
      rows.flatMap(({ system, newest, runSeconds }) =>
        newest && runSeconds !== undefined
          ? [[system, { measured: { bytes: newest.bytes, seconds: runSeconds } }]]
          : [],
      ),
    )
  }
}

function faultOf(text: string): Fault {
  const [, kind = '', begin = '', end] = /^([\w-]+)@(.+?)(?:\.\.(.+))?$/.exec(text) ?? []
  if (!(kind in faultKinds)) {
    throw new CommandFailure(exitCodes.usage, `"${text}" is no fault`, `write <kind>@<UTC>[..<UTC>]; see --help`)
  }
  return { kind: kind as FaultKind, from: moment(begin), ...(end && { to: moment(end) }) }
}

function moment(text: string): Date {
  const at = new Date(/T/.test(text) && !/(Z|[+-]\d\d:?\d\d)$/.test(text) ? `${text}Z` : text)
  if (Number.isNaN(at.getTime()))
    throw new CommandFailure(exitCodes.usage, `"${text}" is no time`, 'write one such as 2026-03-29T01:00Z')
  return at
}
