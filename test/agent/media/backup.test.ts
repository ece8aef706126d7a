import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { CreateMultipartUploadCommand, DeleteObjectCommand, ListMultipartUploadsCommand } from '@aws-sdk/client-s3'
import { execa } from 'execa'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { mediaReceipts } from '../../../src/agent/media/receipt.ts'
import { differences } from '../../../src/lab/content/difference.ts'
import { bytesOnly, fillTree, treeFingerprint, withoutKeys } from '../../../src/lab/content/media-tree.ts'
import { chainProblems, readReceipts } from '../../../src/store/receipt.ts'
import { folder, requireTools, runAgent, startAgent } from '../../support/agent.ts'
import { freshBucket, mediaTo, type TestBucket } from '../../support/bucket.ts'
import { rclone } from '../../support/rclone.ts'

beforeAll(() => requireTools({ rsync: 'rsync', rclone: 'rclone', flock: 'util-linux' }))

const today = () => new Date().toISOString().slice(0, 10)

async function tree(files = 100): Promise<string> {
  const path = await folder()
  fillTree(path, { name: 'test', files, hostile: true })
  return path
}

async function expectRestored(target: TestBucket, source: string): Promise<void> {
  const copy = await folder()
  const run = await runAgent({ ...mediaTo(target, copy), FROM_BACKUP: 'LATEST' }, ['restore'])
  expect(run.log).toContain('SUCCESS: restore')
  expect(differences('tree', treeFingerprint(source), treeFingerprint(copy), 20)).toEqual([])
}

describe('to the bucket', () => {
  test('everything is restored by the manifest, and every file with rclone copy alone', async () => {
    const target = await freshBucket()
    const source = await tree()
    const first = await runAgent(mediaTo(target, source))
    expect(first.log).toContain('SUCCESS: replicate')
    expect(first.code).toBe(0)
    await expectRestored(target, source)
    const copy = await folder()
    await rclone(target.env, [
      'copy',
      `remote:${target.bucket}`,
      copy,
      '--exclude',
      '/.receipts/**',
      '--exclude',
      '/.manifests/**',
    ])
    expect(differences('files', bytesOnly(treeFingerprint(source)), bytesOnly(treeFingerprint(copy)), 20)).toEqual([])
  })

  test('nothing changed: four requests, a new receipt, and an unbroken chain', async () => {
    const target = await freshBucket()
    const source = await tree()
    await runAgent(mediaTo(target, source))
    const again = await runAgent(mediaTo(target, source))
    expect(again.result).toMatchObject({ sent: 0, adopted: 0, removed: 0 })
    expect(again.result.requests).toBeLessThanOrEqual(5)
    const { receipts } = await readReceipts(target.store, { bucket: target.bucket, system: 'media' })
    expect(receipts).toHaveLength(2)
    expect(chainProblems(receipts)).toEqual([])
    expect(receipts[0]?.receipt.object).toEqual(receipts[1]?.receipt.object)
  })

  test('every kind of change is found and is right after a restore, with at most three requests each', async () => {
    const target = await freshBucket()
    const source = await tree()
    const at = (path: string) => join(source, path)
    for (const name of ['same-size', 'older', 'mode', 'gone', 'grown', 'becomes-folder'])
      writeFileSync(at(name), `1 ${name}`)
    mkdirSync(at('renamed/deep'), { recursive: true })
    for (let file = 0; file < 20; file += 1) writeFileSync(at(`renamed/deep/${file}`), `renamed ${file}`)
    mkdirSync(at('becomes-file'))
    writeFileSync(at('becomes-file/inner'), 'x')
    symlinkSync('older', at('link-moves'))
    await runAgent(mediaTo(target, source))

    const { atime, mtime } = statSync(at('same-size'))
    writeFileSync(at('same-size'), '2 same-size')
    utimesSync(at('same-size'), atime, mtime)
    writeFileSync(at('new-older'), 'replaced by one with an older time')
    utimesSync(at('new-older'), 1_000_000, 1_000_000)
    renameSync(at('new-older'), at('older'))
    chmodSync(at('mode'), 0o600)
    rmSync(at('gone'))
    appendFileSync(at('grown'), 'more')
    renameSync(at('renamed'), at('renamed to'))
    rmSync(at('becomes-file'), { recursive: true })
    writeFileSync(at('becomes-file'), 'now a file')
    rmSync(at('becomes-folder'))
    mkdirSync(at('becomes-folder'))
    writeFileSync(at('becomes-folder/inner'), 'y')
    rmSync(at('link-moves'))
    symlinkSync('grown', at('link-moves'))
    mkdirSync(at('new empty folder'))
    const run = await runAgent(mediaTo(target, source))
    // The 20 renamed, and of the others: same-size, older, grown, becomes-file and becomes-folder/inner.
    expect(run.result).toMatchObject({ sent: 25, adopted: 1, removed: 23 })
    expect(run.result.requests).toBeLessThanOrEqual(3 * (25 + 23))
    await expectRestored(target, source)
    expect((await runAgent(mediaTo(target, source))).result).toMatchObject({ sent: 0, adopted: 0, removed: 0 })
  })

  test('deleted and replaced objects stay in the trash, by date, until they are old', async () => {
    const target = await freshBucket()
    const source = await tree()
    writeFileSync(join(source, 'a b+c'), 'one')
    writeFileSync(join(source, 'doomed'), 'two')
    await runAgent(mediaTo(target, source))
    await target.put('.trash/2020-01-01T00:00:00.000Z/long-gone', 'three')
    writeFileSync(join(source, 'a b+c'), 'another')
    rmSync(join(source, 'doomed'))
    await runAgent(mediaTo(target, source))
    const trash = (await target.objects()).map(({ key }) => key).filter(key => key.startsWith('.trash/'))
    expect(trash).toEqual([
      expect.stringMatching(/^\.trash\/\d{4}-\d\d-\d\dT[\d:.]+Z\/a b\+c$/),
      expect.stringMatching(/^\.trash\/\d{4}-\d\d-\d\dT[\d:.]+Z\/doomed$/),
    ])
    expect(await target.text(trash[0] ?? '')).toBe('one')
    expect(await target.copies()).not.toContain('doomed')
  })

  test('without REPLICATE_DELETE nothing is deleted, and a restore includes it', async () => {
    const target = await freshBucket()
    const source = await tree()
    writeFileSync(join(source, 'kept'), 'x')
    await runAgent(mediaTo(target, source))
    rmSync(join(source, 'kept'))
    const run = await runAgent({ ...mediaTo(target, source), REPLICATE_DELETE: 'no' })
    expect(run.result).toMatchObject({ removed: 0 })
    expect(await target.copies()).toContain('kept')
  })

  test('the next run resumes a killed one: what was sent is not sent again, unless it is wrong', async () => {
    const target = await freshBucket()
    const source = await folder()
    for (let file = 0; file < 200; file += 1)
      writeFileSync(join(source, `file-${file}`), Buffer.alloc(10_000, `${file} `))
    const slow = startAgent({ ...mediaTo(target, source), BACKUP_BANDWIDTH: '400K', BACKUP_CONCURRENCY: '4' })
    await expect.poll(async () => (await target.copies()).length, { timeout: 30_000 }).toBeGreaterThan(40)
    slow.kill('SIGKILL')
    await slow
    await target.store.s3.send(new CreateMultipartUploadCommand({ Bucket: target.bucket, Key: 'file-1' }))
    const sent = await target.copies()
    expect(sent.length).toBeLessThan(200)
    // Of the same size as the file, yet not the same.
    await target.put(sent[3] ?? '', Buffer.alloc(10_000, 'wrong'))
    await target.put('never-in-the-tree', 'x')
    expect((await readReceipts(target.store, { bucket: target.bucket, system: 'media' })).receipts).toEqual([])

    const run = await runAgent(mediaTo(target, source))
    expect(run.code).toBe(0)
    expect(run.result).toMatchObject({ adopted: sent.length - 1, sent: 200 - sent.length + 1, removed: 1 })
    expect(
      (await target.store.s3.send(new ListMultipartUploadsCommand({ Bucket: target.bucket }))).Uploads ?? [],
    ).toEqual([])
    await expectRestored(target, source)
    // The mark of the killed run is gone, so this one asks for nothing but its four.
    expect((await runAgent(mediaTo(target, source))).result.requests).toBeLessThanOrEqual(5)
  })

  test('the next run resumes one that was killed while it deleted', async () => {
    const target = await freshBucket()
    const source = await folder()
    for (let file = 0; file < 300; file += 1) writeFileSync(join(source, `file-${file}`), `${file}`)
    await runAgent(mediaTo(target, source))
    for (let file = 0; file < 200; file += 1) rmSync(join(source, `file-${file}`))
    const env = { ...mediaTo(target, source), BACKUP_SHRINK_LIMIT_PERCENT: '90' }
    const run = startAgent({ ...env, BACKUP_CONCURRENCY: '1' })
    const inTrash = async () => (await target.objects()).filter(({ key }) => key.startsWith('.trash/')).length
    await expect.poll(inTrash, { timeout: 30_000, interval: 10 }).toBeGreaterThan(5)
    run.kill('SIGKILL')
    await run
    expect((await runAgent(env)).code).toBe(0)
    expect(await target.copies()).toHaveLength(100)
    await expectRestored(target, source)
  })

  test('the audit finds what differs from the manifest, reports it, and repairs it on request', async () => {
    const target = await freshBucket()
    const source = await tree()
    for (const name of ['changed', 'missing', 'fine']) writeFileSync(join(source, name), `12345 ${name}`)
    await runAgent(mediaTo(target, source))
    await target.put('changed', '54321 changed')
    await target.store.s3.send(new DeleteObjectCommand({ Bucket: target.bucket, Key: 'missing' }))
    await target.put('stranger', 'x')
    writeFileSync(join(source, 'new'), 'copied nevertheless')
    // The last audit was the first copy, moments ago: none is due.
    expect((await runAgent(mediaTo(target, source))).code).toBe(0)
    const due = { ...mediaTo(target, source), BACKUP_AUDIT_DAYS: '0' }
    const found = await runAgent(due)
    expect(found.code).toBe(11)
    expect(found.log).toContain('changed has 13 bytes and ETag')
    expect(found.log).toContain('missing is missing')
    expect(found.log).toContain('stranger is in the bucket, and in no manifest')
    expect(found.log).toContain('3 objects')
    expect(await target.copies()).toContain('new')
    const { receipts } = await readReceipts(target.store, {
      bucket: target.bucket,
      system: 'media',
      kinds: [mediaReceipts],
      newest: 1,
    })
    expect(receipts[0]?.receipt.details.audit).toMatchObject({ differences: 3, repaired: false })
    // Nobody has to remember: until it is repaired or gone, every run audits and says so.
    expect((await runAgent(mediaTo(target, source))).code).toBe(11)

    const repaired = await runAgent({ ...due, BACKUP_AUDIT_REPAIR: 'yes' })
    expect(repaired.code).toBe(0)
    expect(repaired.result).toMatchObject({ sent: 2, removed: 1 })
    await expectRestored(target, source)
    expect((await runAgent(due)).code).toBe(0)
  })

  test('a bucket that rclone sync filled is taken over without sending it again', async () => {
    const target = await freshBucket()
    const source = await tree()
    for (const name of withoutKeys) rmSync(join(source, name), { recursive: true })
    writeFileSync(join(source, 'large'), Buffer.alloc(12_000_000, 'large'))
    await rclone(target.env, [
      'sync',
      source,
      `remote:${target.bucket}`,
      '--s3-upload-cutoff',
      '6M',
      '--s3-chunk-size',
      '5M',
    ])
    await target.put('deleted/since', 'x')
    const files = (await target.copies()).length - 1
    const run = await runAgent(mediaTo(target, source))
    expect(run.code).toBe(0)
    expect(run.result).toMatchObject({ adopted: files, sent: 0, removed: 1 })
    await expectRestored(target, source)
    // And back: rclone finds its own copy unchanged.
    const dry = await rclone(target.env, ['check', '--one-way', source, `remote:${target.bucket}`])
    expect(dry).toContain('0 differences found')
  })

  test('files that change while they are read are read again by the next run, those that vanish are no failure', async () => {
    const target = await freshBucket()
    const source = await tree()
    const busy = join(source, 'busy.log')
    writeFileSync(busy, 'x'.repeat(3_000_000))
    const flicker = execa('bash', ['-c', 'while :; do echo y >> busy.log; touch f1 f2 f3; rm -f f1 f2 f3; done'], {
      cwd: source,
      reject: false,
    })
    const run = await runAgent(mediaTo(target, source))
    flicker.kill('SIGKILL')
    await flicker
    for (const name of ['f1', 'f2', 'f3']) rmSync(join(source, name), { force: true })
    expect(run.code).toBe(0)
    expect((await runAgent(mediaTo(target, source))).code).toBe(0)
    await expectRestored(target, source)
  })

  test('a file that cannot be read fails the run, which copies the rest and says in its receipt what is missing', async () => {
    const target = await freshBucket()
    const source = await folder()
    for (const name of ['open', 'closed', 'doomed']) writeFileSync(join(source, name), name)
    chmodSync(source, 0o755)
    await runAgent(mediaTo(target, source))
    rmSync(join(source, 'doomed'))
    writeFileSync(join(source, 'closed'), 'closed now')
    writeFileSync(join(source, 'open'), 'open now')
    chmodSync(join(source, 'closed'), 0)
    const env = { ...mediaTo(target, source), BACKUP_SHRINK_LIMIT_PERCENT: '90', BACKUP_TERMINATION_LOG: '' }
    const run = await startAgent(env, [], { uid: 10001, gid: 10001 })
    expect(run.exitCode).toBe(10)
    expect(run.stderr).toContain('1 files were not copied or removed: "closed"')
    expect(await target.text('open')).toBe('open now')
    expect(await target.text('closed')).toBe('closed')
    expect(await target.copies()).not.toContain('doomed')
    const { receipts } = await readReceipts(target.store, {
      bucket: target.bucket,
      system: 'media',
      kinds: [mediaReceipts],
    })
    expect(receipts[0]?.receipt.counts.missing).toBe(1)
    expect(receipts[0]?.receipt.details.missing).toMatchObject([{ path: 'closed' }])
    chmodSync(join(source, 'closed'), 0o644)
    expect((await runAgent(env)).result).toMatchObject({ sent: 1, adopted: 0, removed: 0 })
    await expectRestored(target, source)
  })

  test('a second run at the same time leaves the first alone', async () => {
    const target = await freshBucket()
    const source = await folder()
    writeFileSync(join(source, 'file'), Buffer.alloc(4_000_000))
    const first = startAgent({ ...mediaTo(target, source), BACKUP_BANDWIDTH: '200K' })
    await expect.poll(async () => (await target.objects()).length, { timeout: 20_000 }).toBe(1)
    expect((await runAgent(mediaTo(target, source))).code).toBe(8)
    first.kill('SIGTERM')
    expect((await first).exitCode).toBe(15)
  })
})

describe('a source that looks wrong stops the run before anything is deleted', () => {
  const cases: [string, (source: string) => void, Record<string, string>, string][] = [
    [
      'empty',
      source => {
        for (const name of readdirSync(source)) rmSync(join(source, name), { recursive: true })
      },
      {},
      'empty',
    ],
    [
      'shrunken',
      source => {
        for (let file = 0; file < 30; file += 1) rmSync(join(source, `file-${file}`))
      },
      {},
      'shrunken',
    ],
    ['without its sentinel', source => rmSync(join(source, 'file-0')), { BACKUP_SENTINEL: 'file-0' }, 'sentinel'],
  ]
  test.each(cases)('%s', async (_, harm, extra, rule) => {
    const target = await freshBucket()
    const source = await folder()
    const volume = await folder()
    for (let file = 0; file < 100; file += 1) writeFileSync(join(source, `file-${file}`), `${file}`)
    const bucket = { ...mediaTo(target, source), ...extra }
    const replica = { REPLICATE_DIRECTION: 'BtoA', BACKUP_VOLUME_B: source, BACKUP_VOLUME_A: volume, ...extra }
    for (const env of [bucket, replica]) expect((await runAgent(env)).code).toBe(0)
    harm(source)
    for (const env of [bucket, replica]) {
      const refused = await runAgent(env)
      expect(refused.code).toBe(7)
      expect(refused.log).toContain(`BACKUP_OVERRIDE=${rule}:<your name>:${today()}`)
      // Another rule, another day, nobody: none of them lets it through.
      for (const wrong of [`other:me:${today()}`, `${rule}:me:2020-01-01`, `${rule}::${today()}`]) {
        expect((await runAgent({ ...env, BACKUP_OVERRIDE: wrong })).code).toBe(7)
      }
    }
    expect(await target.copies()).toHaveLength(100)
    expect(readdirSync(volume).filter(name => name.startsWith('file-'))).toHaveLength(100)

    for (const env of [bucket, replica]) {
      const allowed = await runAgent({ ...env, BACKUP_OVERRIDE: `${rule}:jane.doe:${today()}` })
      // An empty source has also shrunk; one name lets one rule through.
      expect(allowed.code).toBe(rule === 'empty' ? 7 : 0)
      expect(allowed.log).toContain('accepted by jane.doe')
    }
  })

  test('an override serves one run: the next needs another', async () => {
    const target = await freshBucket()
    const source = await folder()
    for (let file = 0; file < 100; file += 1) writeFileSync(join(source, `file-${file}`), `${file}`)
    await runAgent(mediaTo(target, source))
    const env = { ...mediaTo(target, source), BACKUP_OVERRIDE: `shrunken:jane:${today()}` }
    for (let file = 0; file < 30; file += 1) rmSync(join(source, `file-${file}`))
    expect((await runAgent(env)).code).toBe(0)
    for (let file = 30; file < 60; file += 1) rmSync(join(source, `file-${file}`))
    expect((await runAgent(env)).code).toBe(7)
  })

  test('missing, and no mount where one belongs', async () => {
    const target = await freshBucket()
    expect((await runAgent(mediaTo(target, '/nowhere'))).log).toContain('the source /nowhere is missing')
    const { BACKUP_VOLUME_B: _, ...pod } = mediaTo(target, '')
    // This machine has no /volume-b, or one that is no mount.
    expect((await runAgent(pod)).code).toBe(7)
  })
})

describe('to another volume', () => {
  const toVolume = (source: string, target: string) => ({
    REPLICATE_DIRECTION: 'BtoA',
    BACKUP_VOLUME_B: source,
    BACKUP_VOLUME_A: target,
  })

  test('both are the same, also after changes and deletions', async () => {
    const [source, target] = [await tree(), await folder()]
    expect((await runAgent(toVolume(source, target))).code).toBe(0)
    writeFileSync(join(source, 'new'), 'x')
    rmSync(join(source, readdirSync(source).find(name => statSync(join(source, name)).isFile()) ?? ''))
    expect((await runAgent(toVolume(source, target))).result).toMatchObject({ deleted: 1 })
    rmSync(join(target, '.fragalysis-backups.lock'))
    expect(differences('tree', treeFingerprint(source), treeFingerprint(target), 20)).toEqual([])
  })

  test('a volume that another system fills is refused, of whichever kind, and keeps all that it has', async () => {
    const [source, target] = [await tree(), await folder()]
    const own = { ...toVolume(source, target), BACKUP_SYSTEM: 'media', BACKUP_PLACE: 'production/stack' }
    // Filled by an old image: adopted.
    writeFileSync(join(target, 'left'), 'x')
    expect((await runAgent(own)).result).toMatchObject({ deleted: 1 })
    const before = treeFingerprint(target)
    const others = [
      { ...own, BACKUP_SYSTEM: 'other', BACKUP_VOLUME_B: await tree() },
      { ...own, BACKUP_PLACE: 'development/stack', BACKUP_VOLUME_B: await tree() },
      { BACKUP_SYSTEM: 'db', BACKUP_VOLUME: target, PGHOST: '127.0.0.1', BACKUP_TYPE: 'daily', BACKUP_COUNT: '1' },
    ]
    for (const other of others) {
      const run = await runAgent(other, other.PGHOST ? ['dump'] : ['replicate'])
      expect(run.log).toMatch(
        /belongs to media \(production\/stack\), and this run is of .*: nothing was written or removed/,
      )
      expect([run.code, run.termination.split('\n')[0]]).toEqual([19, 'FAILURE (19)'])
    }
    expect(differences('tree', before, treeFingerprint(target), 20)).toEqual([])
    expect((await runAgent(own)).code).toBe(0)

    // And the other way: what a database system marked is not emptied.
    const dumps = await folder()
    const copy = join(dumps, 'daily', 'backup-2026-01-31T03:07:00Z-dumpall.sql.gz')
    const database = { BACKUP_SYSTEM: 'db', BACKUP_VOLUME: dumps, BACKUP_TYPE: 'daily' }
    expect((await runAgent(database, ['dump'])).code).toBe(0)
    writeFileSync(copy, 'x')
    expect((await runAgent({ ...own, BACKUP_VOLUME_A: dumps })).code).toBe(19)
    expect(statSync(copy).size).toBe(1)
  })

  test('a target that is not there is said', async () => {
    const run = await runAgent(toVolume(await tree(), '/nowhere'))
    expect(run.code).toBe(9)
    expect(run.log).toContain('the target /nowhere is missing')
  })

  test('the other direction restores a volume', async () => {
    const [source, target] = [await tree(), await folder()]
    const env = { ...toVolume(target, source), REPLICATE_DIRECTION: 'AtoB' }
    expect((await runAgent(env)).code).toBe(0)
    rmSync(join(target, '.fragalysis-backups.lock'))
    expect(differences('tree', treeFingerprint(source), treeFingerprint(target), 20)).toEqual([])
  })

  test('an error of rsync is logged, with a failing exit code', async () => {
    const [source, target] = [await tree(), await folder()]
    await execa('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', target])
    onTestFinished(async () => void (await execa('umount', [target])))
    const run = await runAgent(toVolume(source, target))
    expect(run.code).toBe(10)
    expect(run.log).toMatch(/rsync ended with \d+/)
  })
})
