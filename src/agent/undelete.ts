import type { CommandModule } from 'yargs'
import { type Environment, openStore } from '../store/client.ts'
import { bringBack, listVersions, type Return, returnTo, type Version } from '../store/versions.ts'
import { namedPlace, Variables } from './run/environment.ts'
import { log, progress, sized } from './run/log.ts'
import { conclude, Failure, type Result } from './run/outcome.ts'
import { wanted } from './run/restore-settings.ts'

export const command: CommandModule = {
  command: 'undelete',
  describe: 'Make a bucket what it was at a time: copies that were deleted or replaced since come back',
  builder: yargs =>
    yargs
      .example('S3_BUCKET_NAME=… $0 undelete', 'list when objects were deleted and replaced')
      .example(
        'RESTORE_DRY_RUN=yes FROM_BACKUP=2026-01-31T03:07:00Z S3_BUCKET_NAME=… $0 undelete',
        'list what would come back, and what would be removed',
      )
      .epilogue(
        'The bucket must keep versions (BACKUP_PROTECT). No version is deleted: to undo it, run it with a later time.',
      ),
  handler: () => conclude('undelete', process.env, () => undelete(process.env)),
}

// How many objects and minutes a list names.
const NAMED = 1000

/**
 * Make a bucket what it was at the time of `FROM_BACKUP`; without a time, list when objects were deleted and replaced.
 *
 * @throws Failure restore if the bucket held nothing then, or some of it cannot be brought back
 */
export async function undelete(env: Environment): Promise<Result> {
  const variables = new Variables(env)
  const { bucket } = namedPlace(env)
  if (!bucket) variables.problem('set S3_BUCKET_NAME or USE_RCLONE_BUCKET_AND_PATH: the bucket')
  const time = wanted(variables)
  const dryRun = variables.yes('RESTORE_DRY_RUN', false)
  variables.check()
  const store = openStore(env)
  const versions = await listVersions(store, bucket)
  if (time.which !== 'time') return tellChanges(bucket, versions)
  const plan = returnTo(versions, time.at)
  const at = time.at.toISOString()
  if (plan.objects === 0) {
    throw new Failure(
      'restore',
      `${bucket} held nothing at ${at}, or its versions of that time have expired: nothing was changed. Next: choose a later time; without FROM_BACKUP this lists when objects were deleted`,
    )
  }
  tell(bucket, plan, dryRun)
  const result = { bucket, at, objects: plan.objects, brought: plan.bring.length, removed: plan.remove.length }
  if (dryRun) return { ...result, dryRun }
  const report = progress(`brought back to ${bucket}`, plan.bring.length, count => `${count} objects`)
  let done = 0
  await bringBack(store, bucket, plan, () => {
    done += 1
    report(done)
  })
  const left = returnTo(await listVersions(store, bucket), time.at)
  const wrong = [...left.bring, ...left.remove].map(({ key }) => key)
  if (wrong.length > 0) {
    throw new Failure(
      'restore',
      `${wrong.length} objects of ${bucket} are not what they were at ${at}: ${wrong.slice(0, 5).join(', ')}. The others are. Next: run it again; a version that has expired cannot come back`,
    )
  }
  log(`${bucket} is what it was at ${at}`)
  return result
}

function tell(bucket: string, { bring, remove, objects }: Return, dryRun: boolean): void {
  const bytes = bring.reduce((sum, version) => sum + version.bytes, 0)
  const would = dryRun ? 'would ' : ''
  log(
    `${bucket}: ${objects} objects at that time; ${would}bring back ${bring.length} (${sized(bytes)}), ${would}remove ${remove.length}`,
  )
  for (const { key, at } of bring.slice(0, NAMED)) log(`  ${would}bring back ${key} of ${at.toISOString()}`)
  for (const { key, at } of remove.slice(0, NAMED)) log(`  ${would}remove ${key} of ${at.toISOString()}`)
}

/** Log when objects were deleted and replaced, by the minute, newest first. */
function tellChanges(bucket: string, versions: readonly Version[]): Result {
  const minutes = new Map<string, { deleted: number; written: number }>()
  for (const { at, deleted } of versions) {
    const minute = at.toISOString().slice(0, 16)
    const counts = minutes.get(minute) ?? { deleted: 0, written: 0 }
    counts[deleted ? 'deleted' : 'written'] += 1
    minutes.set(minute, counts)
  }
  const newestFirst = [...minutes].sort(([a], [b]) => (a < b ? 1 : -1))
  log(`${bucket}: ${versions.length} versions; objects deleted and written, by the minute, newest first`)
  for (const [minute, { deleted, written }] of newestFirst.slice(0, NAMED)) {
    log(`  ${minute}Z  ${deleted} deleted, ${written} written`)
  }
  return { bucket, versions: versions.length, deleted: versions.filter(({ deleted }) => deleted).length }
}
