import { lutimesSync, mkdirSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import { expect, test } from 'vitest'
import { mediaReceipts } from '../../../src/agent/media/receipt.ts'
import { differences, type Facts } from '../../../src/lab/content/difference.ts'
import { treeFingerprint } from '../../../src/lab/content/media-tree.ts'
import { readReceipts } from '../../../src/store/receipt.ts'
import { folder, runAgent } from '../../support/agent.ts'
import { freshBucket, type TestBucket } from '../../support/bucket.ts'
import { refusingProxy } from '../../support/store-proxy.ts'

/** A media system of a test: its source, its bucket, and what the agent is started with. */
async function media() {
  const target = await freshBucket()
  const source = await folder()
  const env = {
    ...target.env,
    BACKUP_SYSTEM: 'media',
    S3_BUCKET_NAME: target.bucket,
    BACKUP_SHRINK_LIMIT_PERCENT: '100',
    BACKUP_VOLUME_B: source,
  }
  const copy = (more: Record<string, string> = {}) =>
    runAgent({ ...env, REPLICATE_DIRECTION: 'BtoA', USE_RCLONE: 'yes', ...more })
  const restore = (into: string, more: Record<string, string> = {}) =>
    runAgent({ ...env, BACKUP_VOLUME_B: into, ...more }, ['restore'])
  const write = (path: string, content = path) => {
    mkdirSync(join(source, path, '..'), { recursive: true })
    writeFileSync(join(source, path), content)
  }
  return { ...target, env, source, copy, restore, write }
}

const trash = async ({ objects }: Pick<TestBucket, 'objects'>) =>
  (await objects()).map(({ key }) => key).filter(key => key.startsWith('.trash/'))

async function expectSame(source: string, copy: string): Promise<void> {
  expect(differences('tree', treeFingerprint(source), treeFingerprint(copy), 20)).toEqual([])
}

test("folders of a user's that have our names are copied, and a restore leaves them alone", async () => {
  const { source, copy, restore, write, bucket } = await media()
  for (const name of [
    '.restoring',
    '.before-restore-2026-01-01T00:00:00Z',
    '.trash',
    '.receipts',
    '.manifests',
    '.by-hash',
  ]) {
    write(`${name}/mine`)
  }
  expect((await copy()).code).toBe(0)
  const target = await folder()
  expect((await restore(target)).code).toBe(0)
  await expectSame(source, target)
  mkdirSync(join(target, '.before-restore-2020-01-01T00:00:00Z/unfinished'), { recursive: true })
  writeFileSync(join(target, '.restoring/other'), 'of the user')
  writeFileSync(join(target, '.trash/mine'), 'changed')
  const again = await restore(target, { RESTORE_KEEP_BEFORE: 'yes' })
  expect(again.code).toBe(0)
  expect(await readFile(join(target, '.restoring/other'), 'utf8')).toBe('of the user')
  expect(readdirSync(join(target, '.before-restore-2020-01-01T00:00:00Z'))).toEqual(['unfinished'])
  expect(await readFile(join(String(again.result.before), '.trash/mine'), 'utf8')).toBe('changed')

  // What a restore kept is no media: neither for the bucket nor for a replica.
  const kept = String(again.result.before).split('/').at(-2) ?? ''
  const replica = await folder()
  expect((await copy({ BACKUP_VOLUME_B: target })).code).toBe(0)
  expect((await copy({ BACKUP_VOLUME_B: target, BACKUP_VOLUME_A: replica, USE_RCLONE: 'no' })).code).toBe(0)
  const back = await folder()
  await restore(back)
  for (const place of [replica, back]) {
    expect(readdirSync(place)).toContain('.before-restore-2020-01-01T00:00:00Z')
    expect(readdirSync(place)).not.toContain(kept)
  }
  expect(bucket).toBeTruthy()
})

test('a restore that was killed leaves what the next one names in its dry run, and removes', async () => {
  const { copy, restore, write } = await media()
  write('file')
  await copy()
  const target = await folder()
  const { makeOwnFolder } = await import('../../../src/agent/media/own-folder.ts')
  const left = makeOwnFolder(target, new Date(0))
  writeFileSync(join(left.unfinished, '1'), 'half')
  const dry = await restore(target, { RESTORE_DRY_RUN: 'yes' })
  expect(dry.log).toContain(`would remove ${left.path}`)
  expect(readdirSync(left.unfinished)).toEqual(['1'])
  expect((await restore(target)).code).toBe(0)
  expect(readdirSync(target)).toEqual(['file'])
})

test('kinds of entries that swap, with REPLICATE_DELETE=no: neither manifest nor replica holds both', async () => {
  const { source, copy, restore, write } = await media()
  for (const name of ['to file', 'to link']) write(`${name}/inside/deep`)
  write('to folder')
  symlinkSync('nowhere', join(source, 'link to folder'))
  write('gone')
  const replica = await folder()
  const toReplica = { USE_RCLONE: 'no', BACKUP_VOLUME_A: replica, REPLICATE_DELETE: 'no' }
  await copy({ REPLICATE_DELETE: 'no' })
  expect((await copy(toReplica)).code).toBe(0)
  for (const name of readdirSync(source)) rmSync(join(source, name), { recursive: true })
  write('to file')
  symlinkSync('nowhere', join(source, 'to link'))
  write('to folder/inside')
  write('link to folder/inside')
  for (const more of [{ REPLICATE_DELETE: 'no' }, toReplica]) {
    expect((await copy(more)).code).toBe(0)
    expect((await copy(more)).code).toBe(0)
  }
  const target = await folder()
  expect((await restore(target)).code).toBe(0)
  for (const place of [target, replica]) {
    const found: Facts = treeFingerprint(place)
    // What was deleted is still there; what was replaced is not.
    expect(found.gone).toMatchObject({ type: 'file' })
    const expected = treeFingerprint(source)
    for (const [path, entry] of Object.entries(expected)) expect([path, found[path]]).toEqual([path, entry])
    expect(Object.keys(found)).not.toContain('to file/inside')
  }
})

test('objects that no file can be are named, and never written outside the target', async () => {
  const { bucket, store, restore, put } = await media()
  await put('fine', 'fine')
  for (const key of [
    'clash',
    'clash/inside',
    '../escaped',
    '/absolute',
    'a//b',
    './dot',
    'x/../../up',
    '‛2E‛2E/quoted',
    'n'.repeat(300),
  ]) {
    await store.s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: key }))
  }
  const outer = await folder()
  const target = join(outer, 'target')
  mkdirSync(target)
  const refused = await restore(target, { RESTORE_FROM: 'objects' })
  expect(refused.code).toBe(12)
  for (const named of ['clash', '../escaped', '/absolute', 'a//b', './dot', 'x/../../up'])
    expect(refused.log).toContain(`cannot be restored: ${named}`)
  expect(readdirSync(target)).toEqual([])
  const rest = await restore(target, { RESTORE_FROM: 'objects', DO_NOT_STOP_ON_ERROR: 'yes' })
  expect(rest.code).toBe(12)
  expect(await readFile(join(target, 'fine'), 'utf8')).toBe('fine')
  expect(readdirSync(outer)).toEqual(['target'])
})

test('names that XML cannot hold, paths longer than a key, and times before 1970 come and go', async () => {
  const { source, copy, restore, write, objects } = await media()
  const long = `${Array.from({ length: 5 }, (_, depth) => `${depth}`.padEnd(205, 'l')).join('/')}/file`
  for (const name of ['\ufffe', '\uffff', 'line\n', '\n', 'tab\t', '\u2028', long]) write(name)
  write('1969')
  lutimesSync(join(source, '1969'), '-1.5', '-1.5')
  write('one microsecond before 1970')
  lutimesSync(join(source, 'one microsecond before 1970'), '-0.000001', '-0.000001')
  expect((await copy()).code).toBe(0)
  const first = await folder()
  expect((await restore(first)).code).toBe(0)
  await expectSame(source, first)
  const then = new Date().toISOString()
  for (const name of ['\ufffe', '\n', long]) rmSync(join(source, name))
  writeFileSync(join(source, '\uffff'), 'changed')
  const second = await copy()
  expect(second.code).toBe(0)
  expect(second.result).toMatchObject({ removed: 3, trashed: 4 })
  const before = await folder()
  expect((await restore(before, { FROM_BACKUP: then })).code).toBe(0)
  await expectSame(first, before)
  expect((await copy()).result).toMatchObject({ sent: 0, removed: 0, trashed: 0 })
  expect(await trash({ objects })).toHaveLength(4)
})

test('every file that can be sent is sent; failing runs name the others and leave nothing more in the trash', async () => {
  const made = await media()
  const { copy, restore, write, env, bucket, store } = made
  for (const name of ['fine', 'refused', 'doomed', 'kept']) write(name)
  expect((await copy()).code).toBe(0)
  const proxy = await refusingProxy(String(process.env.BACKUPS_TEST_S3_ENDPOINT), ({ method, path, source }) => {
    if (method === 'PUT' && source === undefined && path.endsWith('/refused')) return 'InvalidArgument'
    if (method === 'PUT' && source?.endsWith('/doomed')) return 'InternalError'
    return undefined
  })
  for (const name of ['fine', 'refused', 'new']) write(name, `${name} changed`)
  rmSync(join(env.BACKUP_VOLUME_B, 'doomed'))
  const failing = { RCLONE_S3_ENDPOINT: proxy.url }
  const first = await copy(failing)
  expect(first.code).toBe(10)
  expect(first.log).toContain('2 files were not copied or removed')
  expect(first.log).toMatch(/PutObject .*\/refused: InvalidArgument \(HTTP 400\)/)
  const left = await trash(made)
  expect(left).toEqual([expect.stringMatching(/\/fine$/)])
  for (let run = 0; run < 2; run += 1) expect((await copy(failing)).code).toBe(10)
  expect(await trash(made)).toEqual(left)
  const { receipts } = await readReceipts(store, { bucket, system: 'media', kinds: [mediaReceipts], newest: 1 })
  expect(receipts[0]?.receipt.counts.missing).toBe(2)
  expect((await runAgent(env, ['verify'])).log).toContain('the newest copy of media lacks 2 files')
  const target = await folder()
  expect((await restore(target)).code).toBe(0)
  expect(await readFile(join(target, 'new'), 'utf8')).toBe('new changed')
  expect(await readFile(join(target, 'refused'), 'utf8')).toBe('refused')
  expect((await copy()).code).toBe(0)
  expect((await runAgent(env, ['verify'])).code).toBe(0)
})

test('an object too large for one copy request goes to the trash by parts, and comes back from there', async () => {
  const made = await media()
  const { copy, restore, write, source } = made
  writeFileSync(join(source, 'large'), Buffer.alloc(20 * 1024 * 1024, 'large'))
  writeFileSync(join(source, 'large and deleted'), Buffer.alloc(17 * 1024 * 1024, 'deleted'))
  write('small')
  expect((await copy()).code).toBe(0)
  const before = await folder()
  const then = new Date().toISOString()
  // As radosgw answers a copy above rgw_max_put_size.
  const proxy = await refusingProxy(String(process.env.BACKUPS_TEST_S3_ENDPOINT), ({ source: copied, range }) =>
    copied?.includes('/large') && !range ? 'EntityTooLarge' : undefined,
  )
  const was = treeFingerprint(source)
  writeFileSync(join(source, 'large'), 'small now')
  rmSync(join(source, 'large and deleted'))
  const run = await copy({ RCLONE_S3_ENDPOINT: proxy.url })
  expect(run.log).toContain('SUCCESS')
  expect(run.result).toMatchObject({ trashed: 2, removed: 1 })
  expect((await restore(before, { FROM_BACKUP: then })).code).toBe(0)
  expect(differences('tree', was, treeFingerprint(before), 20)).toEqual([])
})

test('the replica: nested lost+found, changes within a second, and changes that keep size and time', async () => {
  const { source, copy, write } = await media()
  write('archive/disk/lost+found/file')
  write('within a second', 'one')
  utimesSync(join(source, 'within a second'), '1700000000.1', '1700000000.1')
  write('same time', 'one')
  utimesSync(join(source, 'same time'), 1_700_000_000, 1_700_000_000)
  write('.fragalysis-backups.lock', 'of the user')
  const replica = await folder()
  const toReplica = { USE_RCLONE: 'no', BACKUP_VOLUME_A: replica }
  expect((await copy(toReplica)).code).toBe(0)
  expect(await readFile(join(replica, 'archive/disk/lost+found/file'), 'utf8')).toContain('lost+found')
  write('within a second', 'two')
  utimesSync(join(source, 'within a second'), '1700000000.9', '1700000000.9')
  write('same time', 'two')
  utimesSync(join(source, 'same time'), 1_700_000_000, 1_700_000_000)
  expect((await copy(toReplica)).code).toBe(0)
  for (const name of ['within a second', 'same time']) expect(await readFile(join(replica, name), 'utf8')).toBe('two')
  expect(await readFile(join(replica, '.fragalysis-backups.lock'), 'utf8')).toBe('of the user')
  const { mtimeNs } = await stat(join(replica, 'within a second'), { bigint: true })
  expect(Number(mtimeNs / 100_000_000n)).toBe(17_000_000_009)
  const target = await folder()
  const { env } = await media()
  const back = await runAgent({ ...env, BACKUP_VOLUME_B: target, BACKUP_VOLUME_A: replica, RESTORE_FROM: 'replica' }, [
    'restore',
  ])
  expect(back.code).toBe(0)
  await expectSame(source, target)
})
