import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { execa } from 'execa'
import { expect, onTestFinished, test } from 'vitest'
import { dump } from '../../src/agent/database/backup.ts'
import { replicate } from '../../src/agent/media/backup.ts'
import { restore } from '../../src/agent/restore.ts'
import { databaseFingerprint } from '../../src/lab/content/database.ts'
import { differences } from '../../src/lab/content/difference.ts'
import { fillTree } from '../../src/lab/content/media-tree.ts'
import { surroundings } from '../support/agent.ts'
import { freshBucket } from '../support/bucket.ts'
import { fill, startServer } from '../support/postgres.ts'

const never = new AbortController().signal

async function folder(): Promise<string> {
  const path = await mkdtemp('/tmp/recovery-refused-')
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

/** Runs the agent's `restore` where a folder is a filesystem of 64 KiB, for its own eyes alone. */
async function restoreInto(
  small: string,
  env: Record<string, string>,
): Promise<{ code: number | undefined; said: string }> {
  const script =
    'mount -t tmpfs -o size=64k tmpfs "$1"; "$2" src/agent/main.ts restore; code=$?; ls -A "$1"; exit $code'
  const { exitCode, stdout, stderr } = await execa(
    'unshare',
    ['--mount', 'bash', '-uc', script, 'bash', small, process.execPath],
    { env: { ...surroundings(), ...env }, extendEnv: false, reject: false },
  )
  return { code: exitCode, said: `${stdout}\n${stderr}` }
}

test('a dump that finds no room, one of another system, and a server that has such databases: nothing is changed', async () => {
  const [server, volume, work, { bucket, env }] = [
    await startServer(),
    await folder(),
    await folder(),
    await freshBucket(),
  ]
  await fill(server, 'stack', { database: 'frag', owner: 'fragalysis' })
  const system = {
    ...env,
    ...server.env,
    BACKUP_SYSTEM: 'stack',
    DATABASE: 'frag',
    USE_RCLONE: 'yes',
    USE_RCLONE_BUCKET_AND_PATH: `/${bucket}`,
  }
  await dump({ ...system, BACKUP_VOLUME: volume }, never)
  const before = await databaseFingerprint(server.sql, '')
  const fromBucket = { ...system, RESTORE_FROM: 'bucket', RESTORE_WORK: work }

  const full = await restoreInto(work, { ...fromBucket, RESTORE_REPLACE: 'yes' })
  expect(full.said).toMatch(/has room for 64\.0 KiB, the copy has .* nothing was changed. Mount a larger volume/)
  expect(full.code).toBeGreaterThan(0)

  const ofOther = { ...system, BACKUP_SYSTEM: 'other', RESTORE_WORK: work, RESTORE_REPLACE: 'yes' }
  for (const from of [{ RESTORE_FROM: 'bucket' }, { RESTORE_FROM: 'volume', BACKUP_VOLUME: volume }]) {
    await expect(restore({ ...ofOther, ...from }, never)).rejects.toMatchObject({
      kind: 'restore',
      message: expect.stringContaining('there is no copy'),
    })
  }
  await expect(restore(fromBucket, never)).rejects.toMatchObject({
    kind: 'restore',
    message: expect.stringMatching(/has .*frag.* already\. RESTORE_REPLACE=yes puts the copy in its place and keeps/),
  })
  expect(await readdir(work)).toEqual([])
  expect(differences('server', before, await databaseFingerprint(server.sql, ''))).toEqual([])
})

test('media that find no room: nothing is written', async () => {
  const [source, target, { bucket, env }] = [await folder(), await folder(), await freshBucket()]
  fillTree(source, { name: 'test', files: 100, hostile: false })
  const system = { ...env, BACKUP_SYSTEM: 'media', S3_BUCKET_NAME: bucket, USE_RCLONE: 'yes' }
  await replicate({ ...system, REPLICATE_DIRECTION: 'BtoA', BACKUP_VOLUME_B: source }, never)
  const { code, said } = await restoreInto(target, { ...system, BACKUP_VOLUME_B: target })
  expect(said).toMatch(/has 64.0 KiB free and needs .*: nothing was changed/)
  // Nor is there anything in the volume: what it holds is the first thing that was printed.
  expect(said).not.toMatch(/^(odd names|nested|\.restoring)/m)
  expect(code).toBeGreaterThan(0)
})
