import type { CommandModule } from 'yargs'
import type { Environment } from '../store/client.ts'
import { replicateSettings } from './environment.ts'
import { mirrorToBucket } from './mirror-bucket.ts'
import { mirrorToVolume } from './mirror-volume.ts'
import { conclude, type Result } from './outcome.ts'

export const command: CommandModule = {
  command: 'replicate',
  describe: 'Copy a tree of files to another volume, or to a bucket',
  builder: yargs =>
    yargs
      .example('REPLICATE_DIRECTION=BtoA $0 replicate', '/volume-b → /volume-a, by rsync')
      .example(
        'REPLICATE_DIRECTION=BtoA USE_RCLONE=yes S3_BUCKET_NAME=… $0 replicate',
        '/volume-b → the bucket, by manifest',
      ),
  handler: () => conclude('replicate', process.env, stop => replicate(process.env, stop)),
}

/** One run, from its environment. */
export async function replicate(env: Environment, stop: AbortSignal): Promise<Result> {
  const settings = replicateSettings(env)
  const { target } = settings
  return 'volume' in target
    ? await mirrorToVolume({ ...settings, target: target.volume }, stop)
    : await mirrorToBucket({ ...settings, ...target }, env, stop)
}
