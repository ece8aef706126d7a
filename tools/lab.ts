import { join } from 'node:path'
import type { Argv } from 'yargs'
import { projectRoot } from '../src/ansible/venv.ts'
import { endLab, raiseLab } from '../src/lab/lab.ts'
import { type MainJobRow, mainJob } from '../src/lab/main-job.ts'
import { type RecoveryRow, recover } from '../src/lab/recover.ts'
import { CommandFailure, exitCodes } from '../src/report/failure.ts'
import { table } from '../src/report/table.ts'
import { liveLines } from './live.ts'
import { configOption, requireConfig } from './options.ts'

export const command = 'lab [action]'
export const describe = 'Start the lab of real parts, back up every system there, restore every copy and compare'
export const builder = (args: Argv) =>
  args
    .positional('action', {
      choices: ['run', 'recover', 'up', 'down'] as const,
      default: 'run' as const,
      describe:
        'run: back up, restore, compare; recover: destroy everything but the buckets, recover, compare; up: only start the lab; down: remove it, except for the cache',
    })
    .options({
      config: { ...configOption.config, default: join(projectRoot, 'backups.config.ts') },
      from: {
        choices: ['first', 'second'] as const,
        default: 'first' as const,
        describe: 'recover: from which store; second: the first is destroyed as well',
      },
      files: { type: 'number', default: 3000, describe: 'How many files a media tree has' },
      kubeconfig: { type: 'string', describe: 'Your own cluster, used in place of every cluster of the config' },
      registry: {
        type: 'string',
        describe: 'With --kubeconfig: where images are pushed to, and that cluster pulls them from',
      },
      format: { choices: ['text', 'json'] as const, default: 'text' as const, describe: 'Output format' },
    })
    .example('$0 lab', 'deploy, back up, restore and compare every system')
    .example('$0 lab recover', 'destroy everything but the buckets, recover everything, compare')
    .example('$0 lab recover --from second', 'the same without the first store, from second copies')
    .example('$0 lab down', '')

interface Args {
  action: 'run' | 'recover' | 'up' | 'down'
  config: string
  files: number
  from: 'first' | 'second'
  kubeconfig?: string
  registry?: string
  format: 'text' | 'json'
}

export async function handler(args: Args): Promise<void> {
  const live = await liveLines(`lab-${args.action}`, seconds => {
    const minutes = String(Math.floor(seconds / 60)).padStart(2)
    return `lab ${minutes}:${String(seconds % 60).padStart(2, '0')} `
  })
  try {
    await work(args, live.log)
    await live.succeeded()
  } finally {
    live.end()
  }
}

async function work(args: Args, log: (line: string) => void): Promise<void> {
  if (args.action === 'down') return endLab(log, args.kubeconfig)
  if ((args.kubeconfig === undefined) !== (args.registry === undefined)) {
    throw new CommandFailure(exitCodes.usage, '--kubeconfig and --registry go together', 'give both, or neither')
  }
  const interrupt = new AbortController()
  process.once('SIGINT', () => interrupt.abort())
  process.once('SIGTERM', () => interrupt.abort())
  const lab = await raiseLab(await requireConfig(args.config), {
    log,
    signal: interrupt.signal,
    files: args.files,
    second: args.action === 'recover' && args.from === 'second',
    ...(args.kubeconfig !== undefined && { kubeconfig: args.kubeconfig }),
    ...(args.registry !== undefined && { registry: args.registry }),
  })
  if (args.action === 'up') return
  const print = <Row>(rows: readonly Row[], text: (rows: readonly Row[]) => string) =>
    process.stdout.write(args.format === 'json' ? `${JSON.stringify(rows, null, 2)}\n` : text(rows))
  if (args.action === 'recover') {
    const rows = await recover(lab, log, interrupt.signal, args.from)
    print(rows, recoveryAsText)
    finish(rows.filter(row => !row.same))
    return log(`${rows.length} systems destroyed and recovered`)
  }
  const rows = await mainJob(lab, log, interrupt.signal)
  print(rows, mainJobAsText)
  finish(rows.filter(row => !row.restored))
  log(`${rows.length} systems backed up, restored and compared`)
}

function finish(lost: readonly { readonly system: string }[]): void {
  if (lost.length === 0) return
  throw new CommandFailure(
    exitCodes.findings,
    `${lost.map(row => row.system).join(', ')}: not restored`,
    'see the table',
  )
}

function mainJobAsText(rows: readonly MainJobRow[]): string {
  return table(
    ['system', 'bucket', 'object', 'bytes', 'backup s', 'restore s', 'restored'],
    rows.map(row => [
      row.system,
      row.bucket,
      row.object,
      row.bytes,
      Math.round(row.backupSeconds),
      Math.round(row.seconds),
      row.restored ? 'yes' : `no: ${row.why.join('; ')}`,
    ]),
  )
}

function recoveryAsText(rows: readonly RecoveryRow[]): string {
  return table(
    ['system', 'lost', 'back', 'seconds', 'as it was'],
    rows.map(row => [
      row.system,
      row.lost,
      row.back,
      Math.round(row.seconds),
      row.same ? 'yes' : `no: ${row.why.join('; ')}`,
    ]),
  )
}
