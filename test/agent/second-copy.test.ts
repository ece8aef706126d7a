import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { drill } from '../../src/agent/drill.ts'
import { mediaReceipts } from '../../src/agent/media/receipt.ts'
import { differences } from '../../src/lab/content/difference.ts'
import { fillTree, treeFingerprint } from '../../src/lab/content/media-tree.ts'
import { deleteKeys } from '../../src/store/list.ts'
import { chainProblems, readReceipts } from '../../src/store/receipt.ts'
import { folder, runAgent } from '../support/agent.ts'
import { freshBucket, mediaTo, type TestBucket } from '../support/bucket.ts'
import { startServer } from '../support/postgres.ts'

/** The variables of a second store, which here is a bucket of the same gateway. */
function secondOf({ bucket, env }: TestBucket, count = 3): Record<string, string> {
  return {
    BACKUP_SECOND_BUCKET: bucket,
    BACKUP_SECOND_COUNT: String(count),
    BACKUP_SECOND_ENDPOINT: String(env.RCLONE_S3_ENDPOINT),
    BACKUP_SECOND_ACCESS_KEY_ID: String(env.AWS_ACCESS_KEY_ID),
    BACKUP_SECOND_SECRET_ACCESS_KEY: String(env.AWS_SECRET_ACCESS_KEY),
  }
}

async function empty({ store, bucket, objects }: TestBucket): Promise<void> {
  const keys = (await objects()).map(({ key }) => key)
  await deleteKeys(store, bucket, keys)
}

test('dumps: only what a receipt vouches for, each once, with its own receipts and count; restored when the first is lost', async () => {
  const [first, second, server] = [await freshBucket(), await freshBucket(), await startServer()]
  await server.sql('postgres', 'CREATE DATABASE shop')
  await server.sql('shop', 'CREATE TABLE orders AS SELECT generate_series(1, 500) AS id')
  const volume = await folder()
  const place = {
    ...server.env,
    ...first.env,
    BACKUP_SYSTEM: 'db',
    BACKUP_VOLUME: volume,
    BACKUP_COUNT: '3',
    USE_RCLONE: 'yes',
    USE_RCLONE_BUCKET_AND_PATH: first.bucket,
  }
  const copy = (count = 2) => runAgent({ ...place, ...secondOf(second, count) }, ['second-copy'])
  expect(await copy()).toMatchObject({ code: 12, result: { message: expect.stringContaining('run the backup first') } })
  for (let run = 0; run < 3; run += 1) {
    expect((await runAgent(place)).log).toContain('SUCCESS: dump')
    await sleep(1100)
  }
  await first.put('hourly/backup-2020-01-01T00:00:00Z-dumpall.sql.gz', 'nobody vouches for it')
  const copies = (await first.copies()).slice(-2)
  expect(await copy()).toMatchObject({ code: 0, result: { copied: 2, pruned: 0 } })
  expect(await second.copies()).toEqual(copies)
  expect(await copy()).toMatchObject({ code: 0, result: { copied: 0 } })
  expect((await runAgent(place)).log).toContain('SUCCESS: dump')
  expect(await copy()).toMatchObject({ code: 0, result: { copied: 1, pruned: 1 } })
  const { receipts } = await readReceipts(second.store, { bucket: second.bucket, system: 'db' })
  expect(receipts.map(({ receipt }) => receipt.bucket)).toEqual(Array(3).fill(second.bucket))
  expect(chainProblems(receipts)).toEqual([])

  await empty(first)
  const target = await startServer()
  const from = { ...place, ...target.env, USE_RCLONE_BUCKET_AND_PATH: second.bucket, RESTORE_WORK: await folder() }
  const restored = await runAgent({ ...from, RESTORE_REPLACE: 'yes' }, ['restore'])
  expect(restored.log).toContain('SUCCESS: restore')
  expect((await target.sql('shop', 'SELECT count(*) FROM orders')).trim()).toBe('500')
  const verified = await runAgent({ ...from, BACKUP_COUNT: '2' }, ['verify'])
  expect(verified).toMatchObject({ code: 0, result: { copies: 2 } })
  // The first store has nothing any more: that removes nothing from the second.
  expect((await copy()).code).toBe(12)
  expect((await second.copies()).length).toBe(2)
})

test('media: what changed, with what was deleted in the trash; restored and drilled when the first is lost', async () => {
  const [first, second, source] = [await freshBucket(), await freshBucket(), await folder()]
  fillTree(source, { name: 'test', files: 100, hostile: true })
  writeFileSync(join(source, 'large'), Buffer.alloc(20 * 1024 * 1024, 'x'))
  writeFileSync(join(source, 'gone'), 'deleted later')
  const place = (bucket: string, tree: string) => ({
    ...first.env,
    REPLICATE_DIRECTION: 'BtoA',
    USE_RCLONE: 'yes',
    S3_BUCKET_NAME: bucket,
    BACKUP_SYSTEM: 'media',
    BACKUP_VOLUME_B: tree,
  })
  const env = place(first.bucket, source)
  const copy = () => runAgent({ ...env, ...secondOf(second) }, ['second-copy'])
  expect((await runAgent(env)).log).toContain('SUCCESS: replicate')
  const all = await copy()
  expect(all.code).toBe(0)
  expect((await second.copies()).sort()).toEqual((await first.copies()).sort())
  rmSync(join(source, 'gone'))
  writeFileSync(join(source, 'new'), 'new')
  expect((await runAgent(env)).log).toContain('SUCCESS: replicate')
  expect(await copy()).toMatchObject({ code: 0, result: { copied: 1, removed: 1 } })
  expect((await second.objects()).map(({ key }) => key)).toContainEqual(expect.stringMatching(/^\.trash\/.*\/gone$/))
  expect(await copy()).toMatchObject({ code: 0, result: { copied: 0, removed: 0 } })

  await empty(first)
  const tree = await folder()
  const restored = await runAgent({ ...place(second.bucket, tree), FROM_BACKUP: 'LATEST' }, ['restore'])
  expect(restored.log).toContain('SUCCESS: restore')
  expect(differences('tree', treeFingerprint(source), treeFingerprint(tree), 20)).toEqual([])
  const never = new AbortController().signal
  const scratch = await folder()
  const drilled = await drill(
    { ...place(second.bucket, tree), BACKUP_SCRATCH: scratch, BACKUP_DRILL_PERCENT: '100' },
    never,
  )
  expect(drilled).toMatchObject({ receipt: expect.stringContaining('.receipts/drill.media/') })
})

test('a damaged copy in the first store is not copied, and the second copy stays as it was', async () => {
  const [first, second, source] = [await freshBucket(), await freshBucket(), await folder()]
  for (const name of ['a', 'b']) writeFileSync(join(source, name), `the content of ${name}`)
  const env = mediaTo(first, source)
  const copy = () => runAgent({ ...env, ...secondOf(second) }, ['second-copy'])
  expect((await runAgent(env)).code).toBe(0)
  await first.put('a', 'ransom')
  const damaged = await copy()
  expect(damaged.code).toBe(10)
  expect(damaged.result.message).toContain('"a" (')
  expect(await second.copies()).toEqual(['b'])
  const { receipts } = await readReceipts(second.store, {
    bucket: second.bucket,
    system: 'media',
    kinds: [mediaReceipts],
  })
  expect(receipts[0]?.receipt.counts).toMatchObject({ missing: 1 })
  await first.put('a', 'the content of a')
  expect((await copy()).code).toBe(0)
  expect(await second.text('a')).toBe('the content of a')
})

test('a second store that is away fails the second copy alone', async () => {
  const [first, source] = [await freshBucket(), await folder()]
  writeFileSync(join(source, 'a'), 'a')
  const env = {
    ...mediaTo(first, source),
    ...secondOf(first),
    BACKUP_SECOND_ENDPOINT: 'http://127.0.0.1:9',
  }
  expect((await runAgent(env)).code).toBe(0)
  const before = await first.objects()
  expect((await runAgent(env, ['second-copy'])).code).toBe(3)
  expect(await first.objects()).toEqual(before)
})
