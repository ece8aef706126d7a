import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { execa } from 'execa'
import { dump } from '../../../src/agent/database/backup.ts'
import { kit as backUpKit } from '../../../src/agent/kit/backup.ts'
import { replicate } from '../../../src/agent/media/backup.ts'
import { restore } from '../../../src/agent/restore.ts'
import { readObject } from '../../../src/store/object.ts'
import { keyPair } from '../../support/age.ts'
import { folder, surroundings } from '../../support/agent.ts'
import { freshBucket, mediaTo, type TestBucket } from '../../support/bucket.ts'
import { startServer, type TestServer } from '../../support/postgres.ts'
import { newestGood } from '../../support/receipts.ts'
import type { Column } from '../matrix.ts'
import type { Subject } from './subject.ts'

const never = new AbortController().signal

export interface Database extends Subject {
  readonly server: TestServer
  readonly volume: string
}
export interface Media extends Subject {
  readonly source: string
}

/** A server with one database, which is dumped to a volume and a bucket. */
async function database(): Promise<Database> {
  const [server, bucket, volume, work] = [await startServer(), await freshBucket(), await folder(), await folder()]
  await server.sql('postgres', 'create database frag')
  await server.sql('frag', `create table t as select g, md5(g::text) as x from generate_series(1, 40000) g`)
  const env = {
    ...bucket.env,
    ...server.env,
    BACKUP_SYSTEM: 'db',
    BACKUP_VOLUME: volume,
    DATABASE: 'frag',
    USE_RCLONE: 'yes',
    USE_RCLONE_BUCKET_AND_PATH: bucket.bucket,
    BACKUP_COUNT: '24',
  }
  const content = () => server.sql('frag', `select count(*), md5(string_agg(t::text, ',' order by g)) from t`)
  return {
    column: 'database',
    system: 'db',
    server,
    volume,
    bucket,
    env,
    command: 'dump',
    backUp: () => dump({ ...surroundings(), ...env }, never),
    change: async () => {
      await server.sql('frag', `insert into t select max(g) + 1, md5(random()::text) from t`)
    },
    content,
    restored: async () => {
      await server.sql('postgres', 'drop database frag with (force)')
      await restore({ ...surroundings(), ...env, RESTORE_FROM: 'bucket', RESTORE_WORK: work }, never)
      return await content()
    },
  }
}

/** A tree of files, which is copied to a bucket. */
async function media(): Promise<Media> {
  const [source, bucket] = [await folder(), await freshBucket()]
  const env = mediaTo(bucket, source)
  for (let file = 0; file < 40; file += 1) {
    await mkdir(join(source, `target-${file % 4}`), { recursive: true })
    await writeFile(join(source, `target-${file % 4}`, `${file}.pdb`), `ATOM ${file}`)
  }
  let changes = 0
  return {
    column: 'media',
    system: 'media',
    bucket,
    source,
    env,
    command: 'replicate',
    backUp: () => replicate({ ...surroundings(), ...env }, never),
    change: async () => {
      changes += 1
      await writeFile(join(source, 'target-0', `changed-${changes}.pdb`), `ATOM of change ${changes}`)
    },
    content: () => treeText(source),
    restored: async () => {
      const target = await folder()
      await restore({ ...surroundings(), ...env, BACKUP_VOLUME_B: target }, never)
      return await treeText(target)
    },
  }
}

/** The Secrets of a namespace, which are kept encrypted in a bucket. */
async function kit(): Promise<Subject> {
  const [bucket, operator, scratch] = [await freshBucket(), await keyPair(), await folder()]
  const env: Record<string, string> = {
    ...bucket.env,
    BACKUP_SYSTEM: 'kit',
    S3_BUCKET_NAME: bucket.bucket,
    BACKUP_SCRATCH: scratch,
    BACKUP_COUNT: '28',
    BACKUP_KIT_NAMESPACE: 'awx',
    BACKUP_KIT_ITEMS: JSON.stringify([{ secret: 'awx-secret-key', key: 'secret_key', variable: 'KIT_0' }]),
    BACKUP_KIT_CONFIG: gzipSync('{}').toString('base64'),
    BACKUP_RECIPIENTS: operator.recipient,
    KIT_0: 'key of AWX',
  }
  let changes = 0
  return {
    column: 'kit',
    system: 'kit',
    bucket,
    env,
    command: 'kit',
    backUp: () => backUpKit({ ...surroundings(), ...env }, never),
    change: async () => {
      changes += 1
      env.KIT_0 = `key ${changes} of AWX`
    },
    content: async () => env.KIT_0 ?? '',
    restored: () => openNewestKit(bucket, 'kit', operator.identity),
  }
}

/** Open the newest good kit as an operator does. @returns the value of its first key */
export async function openNewestKit(
  { bucket, store, objects }: Pick<TestBucket, 'bucket' | 'store' | 'objects'>,
  system: string,
  identity: string,
): Promise<string> {
  const place = await folder()
  const key = await newestGood({ bucket, store, objects }, system)
  await writeFile(join(place, 'kit.age'), await readObject(store, bucket, key))
  await writeFile(join(place, 'key'), identity)
  const { stdout } = await execa('age', ['-d', '-i', join(place, 'key'), join(place, 'kit.age')])
  return Buffer.from(
    Object.values(JSON.parse(stdout).items[0].data as Record<string, string>)[0] ?? '',
    'base64',
  ).toString()
}

export const subjects: Readonly<Record<Exclude<Column, 'rancher'>, () => Promise<Subject>>> = { database, media, kit }

/** The files of a tree with their contents, one a line. */
async function treeText(path: string): Promise<string> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  const files = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  const lines = files.map(async file => `${file.slice(path.length)} ${await readFile(file, 'utf8')}`)
  return (await Promise.all(lines)).sort().join('\n')
}
