import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { GetObjectCommand } from '@aws-sdk/client-s3'
import { execa } from 'execa'
import type { CommandModule } from 'yargs'
import { type Environment, openStore, type Store } from '../store/client.ts'
import { drillSystem, type Receipt, readReceipts } from '../store/receipt.ts'
import { sha256OfFile } from '../store/upload.ts'
import { countServer, Session, serverOf } from './database/postgres.ts'
import { restoreDatabase } from './database/restore.ts'
import { openKit } from './kit/backup.ts'
import { restoreMedia } from './media/restore.ts'
import { type DrillFacts, writeDrillReceipt } from './run/drill-receipt.ts'
import { Variables } from './run/environment.ts'
import { duration, log } from './run/log.ts'
import { conclude, Failure, type Result } from './run/outcome.ts'
import { restoreSettings } from './run/restore-settings.ts'

export const command: CommandModule = {
  command: 'drill',
  describe: 'Restore the newest copy into something that is thrown away, and write a receipt of it',
  builder: yargs =>
    yargs
      .example(
        'BACKUP_SYSTEM=… USE_RCLONE=yes USE_RCLONE_BUCKET_AND_PATH=… $0 drill',
        'a dump, into a server of its own',
      )
      .example(
        'BACKUP_SYSTEM=… S3_BUCKET_NAME=… BACKUP_DRILL_PERCENT=5 $0 drill',
        'a twentieth of the media, another each time',
      ),
  handler: () => conclude('drill', process.env, stop => drill(process.env, stop)),
}

type Drilled = Pick<DrillFacts, 'counts' | 'details'>

/**
 * Restore the copy that the newest receipt vouches for, measure how long it takes, and write a receipt of the drill.
 *
 * @throws Failure drill when what was restored is not what the receipt says
 */
export async function drill(env: Environment, stop: AbortSignal): Promise<Result> {
  const variables = new Variables(env)
  const system = variables.required('BACKUP_SYSTEM', 'the system whose copy is restored')
  const scratch = variables.optional('BACKUP_SCRATCH') ?? '/scratch'
  const percent = variables.count('BACKUP_DRILL_PERCENT', 5, 1)
  const media = env.S3_BUCKET_NAME !== undefined && env.S3_BUCKET_NAME !== ''
  const place = media ? 'S3_BUCKET_NAME' : 'USE_RCLONE_BUCKET_AND_PATH'
  const [bucket = ''] = variables.required(place, 'the bucket of the copies').split('/').filter(Boolean)
  variables.check()
  const start = new Date()
  const store = openStore(env)
  const { receipts } = await readReceipts(store, { bucket, system, newest: 1 })
  const receipt = receipts[0]?.receipt
  if (!receipt) throw new Failure('restore', `there is no receipt of ${system} in ${bucket}: nothing to rehearse with`)
  log(`rehearsing with ${receipt.object.key}, taken ${receipt.taken}`)
  const before = await readReceipts(store, { bucket, system: drillSystem(system), newest: 1 })
  const folder = join(scratch, 'drill')
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  try {
    const drilled = env.BACKUP_KIT_IDENTITY
      ? await drillKit(store, receipt, env.BACKUP_KIT_IDENTITY, folder)
      : media
        ? await drillMedia(receipt, env, folder, percent, before.receipts[0]?.receipt, stop)
        : await drillDatabase(receipt, env, folder, stop)
    const seconds = (Date.now() - start.getTime()) / 1000
    const written = await writeDrillReceipt(store, receipt, { start, seconds, ...drilled })
    log(`the copy of ${receipt.taken} came back in ${duration(seconds)}`)
    return { system, copy: receipt.object.key, taken: receipt.taken, ...drilled.details, seconds, receipt: written }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Open the kit with the key that is there for drills, and count what is in it. */
async function drillKit(store: Store, receipt: Receipt, identity: string, folder: string): Promise<Drilled> {
  const file = join(folder, 'kit')
  const answer = await store.s3.send(new GetObjectCommand({ Bucket: receipt.bucket, Key: receipt.object.key }))
  await writeFile(file, (await answer.Body?.transformToByteArray()) ?? '')
  const sha256 = await sha256OfFile(file)
  if (sha256 !== receipt.object.sha256) {
    throw new Failure('drill', `${receipt.object.key} has SHA-256 ${sha256}, its receipt says ${receipt.object.sha256}`)
  }
  const counts = await openKit(file, identity, folder)
  for (const [what, count] of Object.entries(counts)) {
    if (receipt.counts[what] === count) continue
    throw new Failure('drill', `the kit holds ${count} ${what}, its receipt says ${receipt.counts[what]}`)
  }
  return { counts, details: {} }
}

/** A part of the files, the next one each time: so many drills restore them all. */
async function drillMedia(
  receipt: Receipt,
  env: Environment,
  folder: string,
  percent: number,
  last: Receipt | undefined,
  stop: AbortSignal,
): Promise<Drilled> {
  const of = Math.max(1, Math.round(100 / percent))
  const before = Number(last?.details.part ?? 0)
  const index = before % of
  const settings = restoreSettings({ ...env, PGHOST: '', BACKUP_VOLUME_B: folder, FROM_BACKUP: receipt.taken })
  if (settings.kind !== 'media') throw new Error('settings of media were asked for')
  const restored = await restoreMedia({ ...settings, part: { of, index } }, env, stop)
  // Every entry was held against the manifest by the restore itself.
  const counts = { entries: Number(restored.make) }
  return { counts, details: { part: index + 1, parts: of, bytes: Number(restored.bytes) } }
}

/** The whole dump, into a server of the newest PostgreSQL that this image has, reached by a socket alone. */
async function drillDatabase(receipt: Receipt, env: Environment, folder: string, stop: AbortSignal): Promise<Drilled> {
  const user = env.PGUSER || 'postgres'
  const data = join(folder, 'server')
  const { stdout: found } = await execa('sh', ['-c', 'ls -d /usr/lib/postgresql/*/bin/initdb | sort -V | tail -1'])
  if (!found)
    throw new Failure('environment', 'this image has no PostgreSQL server: use the one whose tag ends in -drill')
  const bin = found.replace(/\/initdb$/, '')
  await execa(join(bin, 'initdb'), [
    '-D',
    data,
    '-U',
    user,
    '--auth=trust',
    '-E',
    'UTF8',
    '--locale=C.UTF-8',
    '--no-sync',
  ])
  const options = `-c listen_addresses= -c unix_socket_directories=${folder} -c fsync=off -c wal_level=minimal -c max_wal_senders=0`
  const control = (args: string[]) =>
    execa(join(bin, 'pg_ctl'), ['-D', data, '-w', ...args], { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' })
  await control(['-l', join(folder, 'server.log'), '-o', options, 'start'])
  try {
    const here = {
      ...env,
      PGHOST: folder,
      PGUSER: user,
      PGADMINPASS: '',
      RESTORE_WORK: folder,
      FROM_BACKUP: receipt.taken,
    }
    const settings = restoreSettings({ ...here, RESTORE_REPLACE: 'no', RESTORE_FROM: 'bucket' })
    if (settings.kind !== 'database') throw new Error('settings of a database were asked for')
    const restored = await restoreDatabase(settings, here, stop)
    const session = new Session(serverOf(settings, here), 'postgres')
    const server = await countServer(session).finally(() => session.close())
    const whole = receipt.counts.databases !== undefined
    for (const what of whole ? (['databases', 'roles'] as const) : []) {
      if (server[what] === receipt.counts[what]) continue
      throw new Failure(
        'drill',
        `${server[what]} ${what} came back, the receipt of ${receipt.taken} says ${receipt.counts[what]}`,
      )
    }
    return { counts: whole ? server : receipt.counts, details: { server: String(restored.to) } }
  } finally {
    await control(['-m', 'immediate', 'stop'])
  }
}
