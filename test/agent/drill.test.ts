import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import { execa } from 'execa'
import { expect, onTestFinished, test } from 'vitest'
import { dump } from '../../src/agent/database/backup.ts'
import { drill } from '../../src/agent/drill.ts'
import { replicate } from '../../src/agent/media/backup.ts'
import { verify } from '../../src/agent/verify.ts'
import { fillTree } from '../../src/lab/content/media-tree.ts'
import { readReceipts } from '../../src/store/receipt.ts'
import { surroundings } from '../support/agent.ts'
import { freshBucket } from '../support/bucket.ts'
import { fill, startServer } from '../support/postgres.ts'

const never = new AbortController().signal

async function folder(): Promise<string> {
  const path = await mkdtemp('/tmp/recovery-drill-')
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

test('a drill restores a dump into a server of its own, as a user without privileges, and writes a receipt', async () => {
  const [server, volume, scratch, { bucket, store, env }] = [
    await startServer(),
    await folder(),
    await folder(),
    await freshBucket(),
  ]
  await fill(server, 'infrastructure', { awx: 'false' })
  const system = { ...env, BACKUP_SYSTEM: 'infra', USE_RCLONE: 'yes', USE_RCLONE_BUCKET_AND_PATH: `/${bucket}` }
  const ages = { BACKUP_MAXIMUM_AGE_H: '1', BACKUP_DRILL_MAXIMUM_AGE_H: '1' }
  await expect(verify({ ...system, ...ages })).rejects.toMatchObject({ kind: 'stale' })
  await dump({ ...system, ...server.env, BACKUP_VOLUME: volume }, never)
  // The first drill is due as long after the first copy as one is after another.
  expect(await verify({ ...system, ...ages })).toMatchObject({ copies: 1, drilled: null })
  await execa('chown', ['postgres:', scratch])
  const agent = [
    '--reuid=postgres',
    '--regid=postgres',
    '--clear-groups',
    process.execPath,
    'src/agent/main.ts',
    'drill',
  ]
  const run = await execa('setpriv', agent, {
    env: { ...system, PGUSER: 'admin', BACKUP_SCRATCH: scratch, ...surroundings() },
    extendEnv: false,
    reject: false,
  })
  expect(run.exitCode, run.stderr).toBe(0)
  expect(await readdir(scratch)).toEqual([])
  const { receipts } = await readReceipts(store, { bucket, system: 'drill.infra' })
  const own = await readReceipts(store, { bucket, system: 'infra' })
  expect(receipts).toHaveLength(1)
  expect(receipts[0]?.receipt).toMatchObject({
    kind: 'drill',
    object: own.receipts[0]?.receipt.object,
    counts: own.receipts[0]?.receipt.counts,
    details: { seconds: expect.any(Number) },
  })
  expect(await verify({ ...system, ...ages })).toMatchObject({ copies: 1, drilled: expect.any(String) })

  // The copy is replaced by something else: neither verify nor a drill lets that pass.
  await store.s3.send(
    new PutObjectCommand({ Bucket: bucket, Key: own.receipts[0]?.receipt.object.key, Body: Buffer.from('x') }),
  )
  await expect(verify({ ...system, ...ages })).rejects.toMatchObject({ kind: 'verification' })
  await expect(drill({ ...system, BACKUP_SCRATCH: await folder() }, never)).rejects.toBeDefined()
})

test('drills of media take another part each time, and all parts together are all files', async () => {
  const [source, scratch, { bucket, store, env }] = [await folder(), await folder(), await freshBucket()]
  fillTree(source, { name: 'test', files: 120, hostile: false })
  const system = {
    ...env,
    BACKUP_SYSTEM: 'media',
    S3_BUCKET_NAME: bucket,
    BACKUP_SCRATCH: scratch,
    BACKUP_DRILL_PERCENT: '50',
  }
  await replicate({ ...system, USE_RCLONE: 'yes', REPLICATE_DIRECTION: 'BtoA', BACKUP_VOLUME_B: source }, never)
  const parts = [await drill(system, never), await drill(system, never), await drill(system, never)]
  expect(parts.map(part => part.part)).toEqual([1, 2, 1])
  const { receipts } = await readReceipts(store, { bucket, system: 'media', newest: 1 })
  expect(Number(parts[0]?.bytes) + Number(parts[1]?.bytes)).toBe(receipts[0]?.receipt.bytes)
  expect(await readdir(scratch)).toEqual([])
  expect(await verify({ ...system, BACKUP_DRILL_MAXIMUM_AGE_H: '1' })).toMatchObject({ copies: 1 })
})

test('a drill of media restores from the replica too, and finds what is wrong in it', async () => {
  const [source, replica, scratch, { bucket, store, env }] = [
    await folder(),
    await folder(),
    await folder(),
    await freshBucket(),
  ]
  fillTree(source, { name: 'test', files: 100, hostile: true })
  const volumes = { REPLICATE_DIRECTION: 'BtoA', BACKUP_VOLUME_A: replica, BACKUP_VOLUME_B: source }
  const system = { ...env, BACKUP_SYSTEM: 'media', S3_BUCKET_NAME: bucket, BACKUP_SCRATCH: scratch }
  const drills = { ...system, BACKUP_VOLUME_A: replica, BACKUP_DRILL_PERCENT: '100', BACKUP_DRILL_REPLICA: 'yes' }
  const backUp = async () => {
    await replicate({ ...volumes, BACKUP_SYSTEM: 'media' }, never)
    await replicate({ ...system, ...volumes, USE_RCLONE: 'yes' }, never)
  }
  await replicate({ ...system, ...volumes, USE_RCLONE: 'yes' }, never)
  await expect(drill(drills, never)).rejects.toThrow('was not filled by a run of this agent')
  await backUp()
  // Changed after the replica's run, as it may be in a live system.
  await writeFile(join(source, 'new'), 'new')
  await utimes(join(source, 'new'), 1_700_000_000, 1_700_000_000)
  await replicate({ ...system, ...volumes, USE_RCLONE: 'yes' }, never)
  await expect(drill(drills, never)).rejects.toThrow('the runs since then did not reach it')
  await backUp()
  const drilled = await drill(drills, never)
  expect(drilled).toMatchObject({ replica: { path: replica, bytes: drilled.bytes, changed: 0 } })
  const { receipts } = await readReceipts(store, { bucket, system: 'drill.media', newest: 1 })
  expect(receipts[0]?.receipt.details.replica).toEqual(drilled.replica)

  // Same size and times: only the content shows it.
  const file = join(replica, 'new')
  await writeFile(file, 'NEW')
  await utimes(file, 1_700_000_000, 1_700_000_000)
  await expect(drill(drills, never)).rejects.toThrow('new has MD5')
  await rm(file)
  await expect(drill(drills, never)).rejects.toThrow('new is missing')
  expect(await readdir(scratch)).toEqual([])
})
