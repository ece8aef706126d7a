import yargs, { type CommandModule } from 'yargs'
import { hideBin } from 'yargs/helpers'
import { CommandFailure, exitCodes } from '../src/report/failure.ts'

const names = [
  'bench',
  'check',
  'configure',
  'copies',
  'generate',
  'heartbeats',
  'images',
  'lab',
  'launch',
  'lint',
  'plan',
  'report',
  'simulate',
  'status',
  'test',
  'validate',
]
// Loading all commands, with the SDKs that some use, takes a second, and only --help needs them all.
const asked = names.filter(name => name === process.argv[2])
const commands = await Promise.all(
  (asked.length > 0 ? asked : names).map(async name => (await import(`./${name}.ts`)) as CommandModule),
)

try {
  await yargs(hideBin(process.argv))
    .scriptName('backups')
    .usage('$0 <command>: backups of Fragalysis, from one typed config to verified copies')
    .command(commands)
    .demandCommand(1, 'Name a command.')
    .strict()
    .fail((message, error, parser) => {
      if (error) throw error
      throw new CommandFailure(
        exitCodes.usage,
        message,
        `see \`${parser.parsed ? 'backups <command> --help' : 'backups --help'}\``,
      )
    })
    .epilogue('Exit codes: 0 success, 1 findings, 2 config or usage error, 3 an outside service is unreachable.')
    .wrap(Math.min(110, process.stdout.columns ?? 110))
    .parseAsync()
} catch (error) {
  if (error instanceof CommandFailure) {
    process.stderr.write(`backups: ${error.message}\n  → ${error.next}\n`)
    process.exitCode = error.exitCode
  } else {
    process.stderr.write(`backups: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
    process.exitCode = exitCodes.usage
  }
}
