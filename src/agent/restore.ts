import type { CommandModule } from 'yargs'
import type { Environment } from '../store/client.ts'
import { conclude, type Result } from './outcome.ts'
import { restoreDatabase } from './restore/database.ts'
import { restoreMedia } from './restore/media.ts'
import { restoreSettings } from './restore/settings.ts'

export const command: CommandModule = {
  command: 'restore',
  describe: 'Bring a database or a tree of files back from a copy',
  builder: yargs =>
    yargs
      .example('FROM_BACKUP=NONE $0 restore', 'list the copies')
      .example('PGHOST=… USE_RCLONE=yes USE_RCLONE_BUCKET_AND_PATH=… $0 restore', 'the latest dump of the bucket')
      .example('S3_BUCKET_NAME=… RESTORE_PATHS=folder/file $0 restore', 'one file of the media, from the latest copy')
      .example('RESTORE_FROM=replica $0 restore', '/volume-a → /volume-b, only what differs')
      .example('RESTORE_DRY_RUN=yes … $0 restore', 'check the copy and say what would happen'),
  handler: () => conclude('restore', process.env, stop => restore(process.env, stop)),
}

/** One restore, from its environment. */
export async function restore(env: Environment, stop: AbortSignal): Promise<Result> {
  const settings = restoreSettings(env)
  return settings.kind === 'media'
    ? await restoreMedia(settings, env, stop)
    : await restoreDatabase(settings, env, stop)
}
