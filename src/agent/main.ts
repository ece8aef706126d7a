#!/usr/bin/env node
import yargs from 'yargs'
import { hideBin } from 'yargs/helpers'
import type { Environment } from '../store/client.ts'
import { command as drill } from './drill.ts'
import { command as dump } from './dump.ts'
import { command as guard } from './guard.ts'
import { conclude, exitCodesHelp, Failure } from './outcome.ts'
import { command as replicate } from './replicate.ts'
import { asksForRestore } from './restore/settings.ts'
import { command as restore } from './restore.ts'
import { command as snapshot } from './snapshot.ts'
import { command as verify } from './verify.ts'

/**
 * The command that an environment asks for, as the images in use find theirs: `FROM_BACKUP` → restore (the recovery
 * image), `REPLICATE_DIRECTION` → replicate, `PGHOST` or `BACKUP_TYPE` → dump.
 *
 * @throws Failure environment when it asks for none
 */
export function commandOf(env: Environment): string {
  if (asksForRestore(env)) return 'restore'
  if (env.REPLICATE_DIRECTION) return 'replicate'
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

await yargs(args)
  .scriptName('agent')
  .usage(
    '$0 <command>\n\nMoves and proves the copies of one backup system. What it works on, it finds in its environment.',
  )
  .command(dump)
  .command(replicate)
  .command(restore)
  .command(verify)
  .command(drill)
  .command(snapshot)
  .command(guard)
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
