import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { replicate } from '../../../src/agent/media/backup.ts'
import { restore } from '../../../src/agent/restore.ts'
import { differences, type Facts } from '../../../src/lab/content/difference.ts'
import { treeFingerprint } from '../../../src/lab/content/media-tree.ts'
import { deleteKeys } from '../../../src/store/list.ts'
import { inParallel } from '../../../src/store/parallel.ts'
import { folder } from '../../support/agent.ts'
import { freshBucket } from '../../support/bucket.ts'
import { HostileTree, Random } from '../../support/hostile-tree.ts'

// BACKUPS_TEST_SEEDS=5000 npx vitest run --project=agent test/agent/media/generated.test.ts
//   tries more; BACKUPS_TEST_SEED=17 tries the one that a failure names.
const only = process.env.BACKUPS_TEST_SEED
const seeds = only
  ? [Number(only)]
  : Array.from({ length: Number(process.env.BACKUPS_TEST_SEEDS ?? 200) }, (_, seed) => seed)

const never = new AbortController().signal

/** A tree as any copy can hold it: no pipes. */
function fingerprint(path: string): Facts {
  const facts: Facts = Object.create(null)
  for (const [name, entry] of Object.entries(treeFingerprint(path))) {
    if ((entry as Facts).type !== 'special') facts[name] = entry
  }
  return facts
}

// Each with a bucket of its own: a run waits for the store most of the time.
const atOnce = 3

test(`${seeds.length} generated trees come back from the bucket and from the replica, before and after they change`, async () => {
  const work = await folder()
  await inParallel(
    Array.from({ length: atOnce }, (_, lane) => seeds.filter((_, index) => index % atOnce === lane)),
    atOnce,
    async own => await comeBack(own, work),
  )
}, 1_200_000)

async function comeBack(own: readonly number[], work: string): Promise<void> {
  const { bucket, env, store, objects } = await freshBucket()
  for (const seed of own) {
    const random = new Random(seed + 1_000_000)
    const at = (name: string) => {
      const path = join(work, String(seed), name)
      mkdirSync(path, { recursive: true })
      return path
    }
    const [source, replica] = [at('source'), at('replica')]
    const mirror = random.once(4) ? 'no' : 'yes'
    const media = {
      ...env,
      BACKUP_SYSTEM: 'media',
      S3_BUCKET_NAME: bucket,
      BACKUP_SHRINK_LIMIT_PERCENT: '100',
      REPLICATE_DELETE: mirror,
    }
    const back = async (target: string, more: Record<string, string> = {}): Promise<Facts> => {
      await restore({ ...media, BACKUP_VOLUME_B: target, ...more }, never)
      return fingerprint(target)
    }
    const copy = async (): Promise<void> => {
      const from = { ...media, REPLICATE_DIRECTION: 'BtoA', BACKUP_VOLUME_B: source }
      await replicate({ ...from, USE_RCLONE: 'yes' }, never)
      await replicate({ ...from, BACKUP_VOLUME_A: replica }, never)
    }
    const same = (what: string, expected: Facts, found: Facts) =>
      expect(differences(`seed ${seed}, ${what}`, expected, found, 10)).toEqual([])

    const tree = new HostileTree(source, seed)
    tree.fill()
    const before = fingerprint(source)
    await copy()
    const then = new Date().toISOString()
    tree.change()
    await copy()
    const after = fingerprint(source)
    const target = at('target')
    const restored = await back(target)
    const fromReplica = await back(at('from replica'), { RESTORE_FROM: 'replica', BACKUP_VOLUME_A: replica })
    if (mirror === 'yes') {
      same('bucket', after, restored)
      same('replica', after, fromReplica)
    } else {
      // Nothing was deleted, so there may be more; what there is of the tree is as in the tree.
      const within = (facts: Facts) =>
        Object.fromEntries(Object.keys(after).map(path => [path, facts[path] ?? 'missing']))
      same('bucket', { ...after }, within(restored))
      same('replica', { ...after }, within(fromReplica))
    }
    same('the state before', before, await back(at('before'), { FROM_BACKUP: then }))
    if (mirror === 'yes') same('back over the state after', before, await back(at('over'), { FROM_BACKUP: then }))
    await deleteKeys(
      store,
      bucket,
      (await objects()).map(({ key }) => key),
    )
  }
}
