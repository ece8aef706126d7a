import type { CommandModule } from 'yargs'
import type { Environment } from '../../store/client.ts'
import { conclude, type Result } from '../run/outcome.ts'
import { ownerIn } from '../run/volume-mark.ts'
import { replicateSettings } from './settings.ts'

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

/** One run, configured by the environment. */
export async function replicate(env: Environment, stop: AbortSignal): Promise<Result> {
  const settings = replicateSettings(env)
  const { target } = settings
  // Loaded only when needed: the pod has a memory limit.
  if ('volume' in target) {
    const { mirrorToVolume } = await import('./mirror-volume.ts')
    return await mirrorToVolume({ ...settings, target: target.volume }, ownerIn(env, settings.system), stop)
  }
  const { mirrorToBucket } = await import('./mirror-bucket.ts')
  return await mirrorToBucket({ ...settings, ...target }, env, stop)
}
