import yargs, { type CommandModule } from 'yargs'
import { hideBin } from 'yargs/helpers'
import { CommandFailure, exitCodes, systemFailure } from '../src/report/failure.ts'
import { nearest } from '../src/report/problem.ts'

const names = [
  'bench',
  'check',
  'configure',
  'copies',
  'generate',
  'heartbeats',
  'images',
  'init',
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
// A reader that wants no more, such as `head`, is no fault: the command goes on to its end and its exit code.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}

// Loading all commands, with the SDKs that some use, takes a second, and only --help needs them all.
const [first = ''] = hideBin(process.argv)
const asked = names.filter(name => name === first)
const help = `see \`backups ${asked.length > 0 ? `${first} ` : ''}--help\``
const commands = await Promise.all(
  (asked.length > 0 ? asked : names).map(async name => (await import(`./${name}.ts`)) as CommandModule),
)

try {
  const cli = yargs(hideBin(process.argv))
  await cli
    .scriptName('backups')
    .usage('$0 <command>: backups of Fragalysis, from one typed config to verified copies')
    .command(commands)
    .demandCommand(1, 'Name a command.')
    .strict()
    .fail((message, error) => {
      if (error) throw error
      const [, unknown = ''] = /^Unknown arguments?: ([^,]+)/.exec(message) ?? []
      const isCommand = asked.length === 0 && unknown !== '' && !first.startsWith('-')
      // What yargs knows of the command's options; its types leave the method out.
      const { key } = (cli as unknown as { getOptions(): { key: object } }).getOptions()
      const known = isCommand ? names : Object.keys(key)
      const word = isCommand ? first : unknown
      const near =
        word === '' ? undefined : (nearest(word, known)[0] ?? known.find(name => name.startsWith(word.slice(0, 3))))
      const named = isCommand ? near : `--${near}`
      throw new CommandFailure(
        exitCodes.usage,
        isCommand ? `there is no command \`${first}\`` : message,
        near === undefined ? help : `did you mean \`${named}\`? ${help.replace('see', 'See')}`,
      )
    })
    .epilogue('Exit codes: 0 success, 1 findings, 2 config or usage error, 3 an outside service is unreachable.')
    .wrap(Math.min(110, process.stdout.columns ?? 110))
    .parseAsync()
} catch (error) {
  const failure =
    systemFailure(error) ??
    new CommandFailure(
      exitCodes.usage,
      error instanceof Error ? error.message : String(error),
      'this is a fault of this software: report it, with what `BACKUPS_DEBUG=1` adds',
    )
  process.stderr.write(`backups: ${failure.message}\n  → ${failure.next}\n`)
  if (process.env.BACKUPS_DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`)
  process.exitCode = failure.exitCode
}
