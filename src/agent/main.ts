#!/usr/bin/env node
import yargs, { type CommandModule } from 'yargs'
import { hideBin } from 'yargs/helpers'
import type { Environment } from '../store/client.ts'
import { agentKinds } from './kinds.ts'
import { conclude, exitCodesHelp, Failure } from './run/outcome.ts'
import { asksForRestore } from './run/restore-settings.ts'
import { secretsFrom } from './run/secrets.ts'

// Only the command that runs is loaded: all of them would take another 15 MB.
const commands: Record<string, () => Promise<{ command: CommandModule }>> = {
  restore: () => import('./restore.ts'),
  verify: () => import('./verify.ts'),
  drill: () => import('./drill.ts'),
  'set-aside': () => import('./set-aside.ts'),
  'second-copy': () => import('./second-copy.ts'),
  undelete: () => import('./undelete.ts'),
  ...Object.assign({}, ...agentKinds.map(kind => kind.commands)),
}

/** Variables that imply a command, the older images' included; the first that is set counts. */
const implied = { ...Object.assign({}, ...agentKinds.map(kind => kind.impliedBy)) } as Record<string, string>

/**
 * The command that an environment implies, as with the older images: `FROM_BACKUP` (of the recovery image) implies
 * restore, and each kind names the variables that imply its backup.
 *
 * @throws Failure environment when it implies none
 */
export function commandOf(env: Environment): string {
  if (asksForRestore(env)) return 'restore'
  const found = Object.keys(implied).find(name => env[name])
  if (found) return implied[found] as string
  const choices = Object.entries(implied).map(([name, command]) => `${name} for ${command}`)
  throw new Failure(
    'environment',
    `no command: give one (see --help), or set ${choices.join(', ')}, FROM_BACKUP for restore`,
  )
}

Object.assign(process.env, secretsFrom(process.env))

const args = hideBin(process.argv)
if (args.length === 0) {
  try {
    args.push(commandOf(process.env))
  } catch (error) {
    await conclude('agent', process.env, () => Promise.reject(error))
  }
}

const wanted = Object.entries(commands).filter(([name]) => name === args[0])
const modules = await Promise.all((wanted.length > 0 ? wanted : Object.entries(commands)).map(([, load]) => load()))

await yargs(args)
  .scriptName('agent')
  .usage('$0 <command>\n\nMakes, restores and checks the copies of one system. All settings are in the environment.')
  .command(modules.map(({ command }) => command))
  .demandCommand(1, 'Name a command.')
  .strict()
  .wrap(null)
  .epilogue(exitCodesHelp())
  .fail((message, error) => {
    if (error) throw error
    process.stderr.write(`${message}\nSee --help.\n`)
    process.exit(2)
  })
  .parseAsync()
