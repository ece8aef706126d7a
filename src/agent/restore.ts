import type { CommandModule } from 'yargs'
import type { Environment } from '../store/client.ts'
import { agentKinds } from './kinds.ts'
import { conclude, Failure, type Result } from './run/outcome.ts'

const variables = `Variables, in addition to those of dump and replicate:
  FROM_BACKUP                  LATEST, NONE (list the copies), or a time in UTC: the newest copy taken at or before it
  RESTORE_DRY_RUN              yes: check the whole copy, say what would happen, change nothing
  DO_NOT_STOP_ON_ERROR         yes: restore what can be restored, then fail
  RESTORE_KEEP_BEFORE          yes: keep what was replaced after the restore was checked (databases: yes, media: no)
 of a database (PGHOST is set):
  RESTORE_FROM                 bucket or volume
  RESTORE_WORK                 a folder with room for the copy (/recovery)
  DATABASE, RESTORE_INTO       the database, and the name to restore it under, beside the existing one
  RESTORE_REPLACE              yes: databases that contain something may be replaced
  RESTORE_END_CONNECTIONS      yes: end other sessions
  LATEST_BACKUP_MAXIMUM_AGE_H  hours; refuse a latest copy that is older
  DATABASE_EXPECTED_COUNT      how many databases the copy of a server must contain at least
 of media (/volume-b is the target, /volume-a the replica):
  RESTORE_FROM                 bucket (by manifest), replica, or objects (a bucket without a manifest)
  RESTORE_PATHS                folders or files, one a line; empty: all`

export const command: CommandModule = {
  command: 'restore',
  describe: 'Restore a database or a tree of files from a copy',
  builder: yargs =>
    yargs
      .example('FROM_BACKUP=NONE $0 restore', 'list the copies')
      .example('PGHOST=… USE_RCLONE=yes USE_RCLONE_BUCKET_AND_PATH=… $0 restore', 'the latest dump of the bucket')
      .example('S3_BUCKET_NAME=… RESTORE_PATHS=folder/file $0 restore', 'one file of the media, from the latest copy')
      .example('RESTORE_FROM=replica $0 restore', '/volume-a → /volume-b, only what differs')
      .example('RESTORE_DRY_RUN=yes … $0 restore', 'check the copy and say what would happen')
      .epilogue(variables),
  handler: () => conclude('restore', process.env, stop => restore(process.env, stop)),
}

/** Restore the kind of system that the environment describes. */
export async function restore(env: Environment, stop: AbortSignal): Promise<Result> {
  const restores = agentKinds.flatMap(kind => kind.restore ?? [])
  const found = restores.find(({ isFor }) => isFor?.(env)) ?? restores.find(({ isFor }) => !isFor)
  if (!found) throw new Failure('environment', 'the environment describes nothing to restore: see --help')
  return await found.run(env, stop)
}
