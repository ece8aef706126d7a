import {
  chmod,
  lchown,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { expect, onTestFinished, test } from 'vitest'
import { replicate } from '../../../src/agent/media/backup.ts'
import { restore } from '../../../src/agent/restore.ts'
import { differences, type Facts } from '../../../src/lab/content/difference.ts'
import { bytesOnly, fillTree, treeFingerprint, withoutKeys } from '../../../src/lab/content/media-tree.ts'
import { freshBucket } from '../../support/bucket.ts'

const never = new AbortController().signal

async function folder(): Promise<string> {
  const path = await mkdtemp('/tmp/recovery-media-')
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

/** A manifest keeps microseconds. */
function tree(path: string): Facts {
  const facts = treeFingerprint(path)
  for (const entry of Object.values(facts) as Facts[]) {
    entry.modified =
      Math.round(Number(String(entry.modified).split('.')[1]) / 1000) +
      Number(String(entry.modified).split('.')[0]) * 1e6
  }
  return facts
}

async function media() {
  const [source, target, { bucket, store, env }] = [await folder(), await folder(), await freshBucket()]
  fillTree(source, { name: 'test', files: 300, hostile: true })
  const system = { ...env, BACKUP_SYSTEM: 'media', S3_BUCKET_NAME: bucket, USE_RCLONE: 'yes' }
  const much = { BACKUP_SHRINK_LIMIT_PERCENT: '100' }
  const copy = () => replicate({ ...system, ...much, REPLICATE_DIRECTION: 'BtoA', BACKUP_VOLUME_B: source }, never)
  const bring = (more: Record<string, string> = {}) => restore({ ...system, BACKUP_VOLUME_B: target, ...more }, never)
  await copy()
  return { source, target, bucket, store, copy, bring }
}

test('a tree is restored completely from the bucket, then only differences, and replaced files can be kept', async () => {
  const { source, target, bring } = await media()
  const dry = await bring({ RESTORE_DRY_RUN: 'yes' })
  expect(dry).toMatchObject({ dryRun: true, replace: 0, same: 0 })
  expect(await readdir(target)).toEqual([])
  await bring()
  expect(differences('tree', tree(source), tree(target), 20)).toEqual([])
  expect(await bring()).toMatchObject({ make: 0, replace: 0, attributes: 0, bytes: 0 })

  const at = (path: string) => join(target, path)
  await writeFile(at('odd names/case'), 'damaged\n')
  const { mtime } = await lstat(at('odd kinds/one byte'))
  await writeFile(at('odd kinds/one byte'), '1')
  await utimes(at('odd kinds/one byte'), mtime, mtime)
  await chmod(at('odd names/CASE'), 0o666)
  await lchown(at('odd kinds/link up'), 7, 7)
  await rm(at('odd kinds/link to a file'))
  await symlink('elsewhere', at('odd kinds/link to a file'))
  await rm(at('nested'), { recursive: true })
  await writeFile(at('nested'), 'a file where a folder was')
  await rename(at('group directory'), at('of the user'))
  await symlink('of the user', at('group directory'))
  const result = await bring({ RESTORE_KEEP_BEFORE: 'yes' })
  expect(result).toMatchObject({ replace: 5 })
  const before = String(result.before)
  expect(await readFile(join(before, 'odd names/case'), 'utf8')).toBe('damaged\n')
  expect(await readlink(join(before, 'group directory'))).toBe('of the user')
  await rm(dirname(before), { recursive: true })
  // What the copy does not have is the user's own.
  expect(await readFile(at('of the user/shared.txt'), 'utf8')).toBe('for the group\n')
  await rm(at('of the user'), { recursive: true })
  expect(differences('tree', tree(source), tree(target), 20)).toEqual([])
})

test('a deleted file and an overwritten one are restored from the trash', async () => {
  const { source, target, copy, bring } = await media()
  const [deleted, changed] = ['odd names/NFC é', 'odd kinds/more than 12 MiB.zip']
  const was = tree(source)
  const then = new Date().toISOString()
  await rm(join(source, deleted))
  await writeFile(join(source, changed), 'new')
  await copy()
  await expect(bring({ RESTORE_PATHS: deleted })).rejects.toMatchObject({
    kind: 'restore',
    message: expect.stringContaining(deleted),
  })
  await bring({ FROM_BACKUP: then, RESTORE_PATHS: `${deleted}\n/odd kinds/` })
  const is = tree(target)
  expect(Object.keys(is)).not.toContain('odd names/case')
  for (const path of [deleted, changed, 'odd kinds/link to itself']) expect(is[path]).toEqual(was[path])
  await bring({ FROM_BACKUP: then })
  expect(differences('tree', was, tree(target), 20)).toEqual([])
  expect(await bring({ FROM_BACKUP: 'NONE' })).toMatchObject({ copies: 2 })
})

test('the replica alone is enough, and so is a bucket without a manifest', async () => {
  const { source, target, bucket, store, copy, bring } = await media()
  await bring({ RESTORE_FROM: 'replica', BACKUP_VOLUME_A: source, S3_BUCKET_NAME: '', RCLONE_S3_ENDPOINT: '' })
  expect(differences('tree', tree(source), tree(target))).toEqual([])
  await rm(target, { recursive: true })
  await mkdir(target)
  await store.s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'a folder/', Body: Buffer.alloc(0) }))
  // Only the manifest has the paths of some.
  await expect(bring({ RESTORE_FROM: 'objects' })).rejects.toThrow('its path is in the manifest only')
  for (const name of withoutKeys) await rm(join(source, name), { recursive: true })
  await copy()
  await bring({ RESTORE_FROM: 'objects' })
  expect(differences('tree', bytesOnly(tree(source)), bytesOnly(tree(target)))).toEqual([])
  const [times, original] = [tree(target), tree(source)].map(facts => (facts['odd names/case'] as Facts).modified)
  expect(times).toBe(original)
})

test('a copy that is damaged, missing or of another system is refused, and nothing is changed', async () => {
  const { source, target, bucket, store, bring } = await media()
  await writeFile(join(target, 'untouched'), '')
  const refused = async (said: string, more: Record<string, string> = {}) => {
    await expect(bring(more)).rejects.toMatchObject({ kind: 'restore', message: expect.stringContaining(said) })
    expect(await readdir(target)).toEqual(['untouched'])
  }
  await refused('no receipt of other', { BACKUP_SYSTEM: 'other' })
  await refused('no copy taken at or before', { FROM_BACKUP: '2020-01-01' })
  await store.s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'odd names/case', Body: 'care\n' }))
  await refused('odd names/case has 5 bytes')
  await store.s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'odd names/case' }))
  await refused('odd names/case is missing')
  await expect(bring({ RESTORE_PATHS: '../etc/passwd' })).rejects.toMatchObject({ kind: 'environment' })
  // The rest, when that is asked for: and the end is red.
  await expect(bring({ DO_NOT_STOP_ON_ERROR: 'yes' })).rejects.toMatchObject({ kind: 'restore' })
  await rm(join(target, 'untouched'))
  expect(differences('tree', tree(source), tree(target))).toEqual(['tree, odd names/case: missing in the copy'])
})
