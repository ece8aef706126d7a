import type { CommandModule } from 'yargs'
import type { Environment } from '../store/client.ts'
import { agentKinds } from './kinds.ts'
import { conclude, Failure, type Result } from './run/outcome.ts'

const restores = agentKinds.flatMap(kind => kind.restore ?? [])

const variables = `Variables, in addition to those of dump and replicate:
  FROM_BACKUP                  LATEST, NONE (list the copies), or a time in UTC: the newest copy taken at or before it
  RESTORE_DRY_RUN              yes: check the whole copy, say what would happen, change nothing
  DO_NOT_STOP_ON_ERROR         yes: restore what can be restored, then fail
  RESTORE_KEEP_BEFORE          yes: keep what was replaced after the restore was checked (databases: yes, media: no)`

export const command: CommandModule = {
  command: 'restore',
  describe: 'Restore a database or a tree of files from a copy',
  builder: yargs =>
    yargs
      .example('FROM_BACKUP=NONE $0 restore', 'list the copies')
      .example(
        restores.flatMap(({ examples }) => examples.map(([example, does]) => [example, does] as [string, string])),
      )
      .example('RESTORE_DRY_RUN=yes … $0 restore', 'check the copy and say what would happen')
      .epilogue([variables, ...restores.map(kind => kind.variables)].join('\n')),
  handler: () => conclude('restore', process.env, stop => restore(process.env, stop)),
}

/** Restore the kind of system that the environment describes. */
export async function restore(env: Environment, stop: AbortSignal): Promise<Result> {
  const found = restores.find(({ isFor }) => isFor?.(env)) ?? restores.find(({ isFor }) => !isFor)
  if (!found) throw new Failure('environment', 'the environment describes nothing to restore: see --help')
  return await found.run(env, stop)
}
