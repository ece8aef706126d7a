import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { openTreeByHand } from '../../../src/kinds/media.ts'
import { differences } from '../../../src/lab/content/difference.ts'
import { bytesOnly, treeFingerprint } from '../../../src/lab/content/media-tree.ts'
import { deleteKeys } from '../../../src/store/list.ts'
import { readObject } from '../../../src/store/object.ts'
import { readReceipts } from '../../../src/store/receipt.ts'
import { keyPair } from '../../support/age.ts'
import { folder, runAgent, surroundings } from '../../support/agent.ts'
import { freshBucket } from '../../support/bucket.ts'
import { rclone } from '../../support/rclone.ts'

test('an encrypted tree: only what changed is sent, and it opens with a key, from the bucket, its trash and a second store', async () => {
  const [target, source, operator, drills] = [await freshBucket(), await folder(), await keyPair(), await keyPair()]
  const { bucket, store, env, copies } = target
  mkdirSync(join(source, 'folder'))
  for (const name of ['folder/a', 'folder/b ü', 'x'.repeat(255)])
    writeFileSync(join(source, name), `content of ${name}`)
  writeFileSync(join(source, 'large'), Buffer.alloc(20 * 1024 * 1024, 'a large file'))
  writeFileSync(join(source, 'empty'), '')
  const place = { ...env, S3_BUCKET_NAME: bucket, BACKUP_SYSTEM: 'media', BACKUP_VOLUME_B: source }
  const plain = { ...place, REPLICATE_DIRECTION: 'BtoA', USE_RCLONE: 'yes', BACKUP_SHRINK_LIMIT_PERCENT: '100' }
  const encrypted = { ...plain, BACKUP_RECIPIENTS: `${operator.recipient},${drills.recipient}` }
  const run = async (of: Record<string, string>) => {
    const ended = await runAgent(of, ['replicate'])
    expect(ended.code, ended.log).toBe(0)
    return ended.result
  }
  const restored = async (more: Record<string, string>, of: Record<string, string> = place) => {
    const copy = await folder()
    const ended = await runAgent({ ...of, BACKUP_VOLUME_B: copy, ...more }, ['restore'])
    return { ...ended, tree: treeFingerprint(copy), copy }
  }
  const BACKUP_IDENTITY = operator.identity

  // From before the encryption.
  const before = await run(plain)
  const first = treeFingerprint(source)
  appendFileSync(join(source, 'empty'), 'no more')

  // Everything is sent once, nothing the second time.
  const files = Number(before.files)
  expect(await run(encrypted)).toMatchObject({ sent: files, trashed: files })
  expect(await run(encrypted)).toMatchObject({ sent: 0, requests: expect.any(Number) })
  for (const key of await copies()) {
    if (key.startsWith('.')) continue
    expect((await readObject(store, bucket, key)).subarray(0, 21).toString(), key).toBe('age-encryption.org/v1')
  }
  const second = treeFingerprint(source)
  const closed = await restored({})
  expect(closed.code).toBe(2)
  expect(closed.log).toContain('BACKUP_IDENTITY is not set')
  const opened = await restored({ BACKUP_IDENTITY: drills.identity })
  expect(differences('tree', second, opened.tree, 20)).toEqual([])
  // The plain state of before is in the trash, and needs no key.
  const taken = (await readReceipts(store, { bucket, system: 'media' })).receipts.at(-1)?.receipt.taken ?? ''
  const older = await restored({ FROM_BACKUP: taken })
  expect(older.log).toContain('SUCCESS: restore')
  expect(differences('tree', first, older.tree, 20)).toEqual([])

  // By rclone and age.
  const byHand = await folder()
  const own = ['.receipts', '.manifests', '.trash', '.set-aside'].flatMap(name => ['--exclude', `/${name}/**`])
  await rclone(env, ['copy', `remote:${bucket}`, join(byHand, 'media'), ...own])
  writeFileSync(join(byHand, 'key'), operator.identity)
  await execa('bash', ['-euo', 'pipefail', '-c', openTreeByHand], {
    cwd: byHand,
    env: { ...surroundings(), KEY: join(byHand, 'key') },
    extendEnv: false,
  })
  expect(differences('tree', bytesOnly(second), bytesOnly(treeFingerprint(join(byHand, 'media'))), 20)).toEqual([])

  // A large file that was sent in parts comes back from the trash.
  rmSync(join(source, 'large'))
  await run(encrypted)
  const { receipts } = await readReceipts(store, { bucket, system: 'media' })
  const back = await restored({ BACKUP_IDENTITY, FROM_BACKUP: receipts[1]?.receipt.taken ?? '' })
  expect(back.log).toContain('SUCCESS: restore')
  expect(differences('tree', second, back.tree, 20)).toEqual([])

  // A run that was killed before its receipt: what it sent is known by its metadata.
  await deleteKeys(
    store,
    bucket,
    receipts.map(({ key }) => key),
  )
  expect(await run(encrypted)).toMatchObject({ sent: 0, adopted: files - 1 })
  // To others, it is sent again.
  const stranger = await keyPair()
  const others = { ...encrypted, BACKUP_RECIPIENTS: `${operator.recipient} ${stranger.recipient}` }
  expect(await run(others)).toMatchObject({ sent: files - 1 })
  expect((await restored({ BACKUP_IDENTITY: drills.identity })).log).toContain(
    'it is the key of none of its recipients',
  )

  // The second store gets the same objects.
  const other = await freshBucket()
  const copied = await runAgent(
    {
      ...place,
      BACKUP_SECOND_BUCKET: other.bucket,
      BACKUP_SECOND_ENDPOINT: String(other.env.RCLONE_S3_ENDPOINT),
      BACKUP_SECOND_ACCESS_KEY_ID: String(other.env.AWS_ACCESS_KEY_ID),
      BACKUP_SECOND_SECRET_ACCESS_KEY: String(other.env.AWS_SECRET_ACCESS_KEY),
    },
    ['second-copy'],
  )
  expect(copied.code, copied.log).toBe(0)
  const there = await restored({ BACKUP_IDENTITY }, { ...place, S3_BUCKET_NAME: other.bucket })
  expect(differences('tree', treeFingerprint(source), there.tree, 20)).toEqual([])

  // Read back without a key.
  const deep = () => runAgent({ ...place, BACKUP_DEEP: 'yes' }, ['verify'])
  const good = await deep()
  expect(good.code, good.log).toBe(0)
  const body = await readObject(store, bucket, 'empty')
  body.writeUInt8(body.readUInt8(body.length - 3) ^ 1, body.length - 3)
  await target.put('empty', body)
  expect((await deep()).code).toBe(6)
})
