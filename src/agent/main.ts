#!/usr/bin/env node
import yargs, { type CommandModule } from 'yargs'
import { hideBin } from 'yargs/helpers'
import type { Environment } from '../store/client.ts'
import { conclude, exitCodesHelp, Failure } from './run/outcome.ts'
import { asksForRestore } from './run/restore-settings.ts'

// Only the command that runs is loaded: all of them would take another 15 MB.
const commands: Record<string, () => Promise<{ command: CommandModule }>> = {
  dump: () => import('./database/backup.ts'),
  replicate: () => import('./media/backup.ts'),
  restore: () => import('./restore.ts'),
  verify: () => import('./verify.ts'),
  drill: () => import('./drill.ts'),
  selftest: () => import('./selftest.ts'),
  kit: () => import('./kit/backup.ts'),
  'set-aside': () => import('./set-aside.ts'),
  snapshot: () => import('./rancher/snapshot.ts'),
  guard: () => import('./rancher/guard.ts'),
}

/**
 * The command that an environment implies, as with the images in use: `FROM_BACKUP` → restore (the recovery
 * image), `REPLICATE_DIRECTION` → replicate, `BACKUP_KIT_ITEMS` → kit, `PGHOST` or `BACKUP_TYPE` → dump.
 *
 * @throws Failure environment when it asks for none
 */
export function commandOf(env: Environment): string {
  if (asksForRestore(env)) return 'restore'
  if (env.REPLICATE_DIRECTION) return 'replicate'
  if (env.BACKUP_KIT_ITEMS) return 'kit'
  if (env.PGHOST || env.BACKUP_TYPE) return 'dump'
  throw new Failure(
    'environment',
    'no command: give one (see --help), or set REPLICATE_DIRECTION for replicate, PGHOST or BACKUP_TYPE for dump, FROM_BACKUP for restore',
  )
}

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
