import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import type { CommandModule } from 'yargs'
import { type Environment, openStore, type Store } from '../store/client.ts'
import { isFromFuture } from '../store/clock.ts'
import { SET_ASIDE, TRASH } from '../store/folders.ts'
import { type ListedObject, listObjects } from '../store/list.ts'
import { drillSystem, readReceipt, readReceipts } from '../store/receipt.ts'
import { moveAside } from '../store/set-aside.ts'
import { TIERS } from './database/settings.ts'
import { BackupVolume, takenAt } from './database/volume.ts'
import { namedPlace, Variables } from './run/environment.ts'
import { log } from './run/log.ts'
import { conclude, type Result } from './run/outcome.ts'

export const command: CommandModule = {
  command: 'set-aside',
  describe: 'Move receipts and copies that are dated in the future to .set-aside/',
  builder: yargs =>
    yargs
      .example('RESTORE_DRY_RUN=yes BACKUP_SYSTEM=… S3_BUCKET_NAME=… $0 set-aside', 'list what would be moved')
      .epilogue(
        'The clock of the run that wrote them was ahead. Until they are moved, they do not count as copies, and every run and "verify" report them. BACKUP_VOLUME names a backup volume whose dumps are checked too.',
      ),
  handler: () => conclude('set-aside', process.env, () => setAside(process.env)),
}

/** Move what claims a later time than that at which the store, or the volume, took it in. */
export async function setAside(env: Environment): Promise<Result> {
  const variables = new Variables(env)
  const system = variables.required('BACKUP_SYSTEM', 'the system whose copies are checked')
  const { bucket, path } = namedPlace(env)
  const volume = variables.optional('BACKUP_VOLUME')
  if (!bucket && !volume) {
    variables.problem('set S3_BUCKET_NAME or USE_RCLONE_BUCKET_AND_PATH (the bucket), or BACKUP_VOLUME')
  }
  const dryRun = variables.yes('RESTORE_DRY_RUN', false)
  variables.check()
  const moved: string[] = []
  if (bucket) {
    const store = openStore(env)
    for (const object of await fromFutureIn(store, bucket, system, env.S3_BUCKET_NAME ? undefined : path)) {
      const to = dryRun ? '' : await moveAside(store, bucket, object)
      log(dryRun ? `would move ${bucket}/${object.key}` : `moved ${bucket}/${object.key} to ${to}`)
      moved.push(`${bucket}/${object.key}`)
    }
  }
  if (volume && existsSync(volume)) {
    const copies = new BackupVolume(volume, system)
    for (const tier of TIERS) {
      for (const copy of await copies.copies(tier)) {
        if (!copy.fromFuture) continue
        const to = dryRun ? '' : await copies.setAside(tier, copy.name)
        log(dryRun ? `would move ${copy.path}` : `moved ${copy.path} to ${to}`)
        moved.push(copy.path)
      }
    }
  }
  if (moved.length === 0) log('nothing is dated in the future')
  return { system, moved, ...(dryRun && { dryRun }) }
}

/**
 * The receipts from the future, and the objects that only they vouch for.
 *
 * @param dumps the path of the dumps in the bucket, which are known by their names, too
 */
async function fromFutureIn(
  store: Store,
  bucket: string,
  system: string,
  dumps: string | undefined,
): Promise<ListedObject[]> {
  const wanted = new Set<string>()
  for (const owner of [system, drillSystem(system)]) {
    const { receipts, future } = await readReceipts(store, { bucket, system: owner })
    const vouched = new Set(receipts.map(({ receipt }) => receipt.object.key))
    for (const key of future) {
      wanted.add(key)
      const stored = await readReceipt(store, bucket, key)
      // A drill vouches for the copy of another receipt.
      if (typeof stored === 'string' || owner !== system || vouched.has(stored.receipt.object.key)) continue
      wanted.add(stored.receipt.object.key)
    }
  }
  const found: ListedObject[] = []
  for await (const object of listObjects(store, { bucket })) {
    const taken =
      dumps !== undefined && object.key.startsWith(dumps === '' ? '' : `${dumps}/`)
        ? takenAt(basename(object.key))
        : undefined
    const isAside = [SET_ASIDE, TRASH].some(folder => object.key.startsWith(folder))
    if (wanted.has(object.key) || (taken && !isAside && isFromFuture(taken, object.modified))) found.push(object)
  }
  return found
}
