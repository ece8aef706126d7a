import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { CommandModule } from 'yargs'
import type { Environment } from '../../store/client.ts'
import { duration, log } from '../run/log.ts'
import { conclude, Failure, type Result } from '../run/outcome.ts'
import { dump } from './backup.ts'
import { serverOf } from './postgres.ts'
import { dumpProgramFor, majorsWith } from './programs.ts'
import { restoreDatabase } from './restore.ts'
import { type ScratchServer, startScratchServer } from './scratch-server.ts'
import { database, databaseContent, digest, serverContent } from './selftest-content.ts'
import { Session } from './session.ts'
import { databaseRestoreSettings } from './settings.ts'

export const command: CommandModule = {
  command: 'selftest',
  describe: 'Dump and restore a server of each PostgreSQL major in this image, into itself and into the newest',
  builder: yargs =>
    yargs
      .example('$0 selftest', 'every major that the image has a server of')
      .example('BACKUP_POSTGRES_MAJORS=15,17 $0 selftest', 'the majors of the servers that are backed up'),
  handler: () => conclude('selftest', process.env, stop => selftest(process.env, stop)),
}

/**
 * Prove that this image backs up and restores: for each major, start a server, fill it, dump it whole and one database
 * of it, restore both into servers of the same and of the newest major, and compare. Nothing outside is used.
 *
 * @throws Failure client when the image has no client or server of a major; drill when what came back differs
 */
export async function selftest(env: Environment, stop: AbortSignal): Promise<Result> {
  const began = Date.now()
  const scratch = env.BACKUP_SCRATCH || '/tmp'
  const installed = majorsWith('initdb')
  const newest = installed.at(-1)
  if (newest === undefined) {
    throw new Failure('client', 'this image has no PostgreSQL server: use the one whose tag ends in -drill')
  }
  const majors = env.BACKUP_POSTGRES_MAJORS ? env.BACKUP_POSTGRES_MAJORS.split(',').map(Number) : installed
  const missing = majors.filter(major => !installed.includes(major))
  if (missing.length > 0) {
    throw new Failure('client', `this image has no PostgreSQL ${missing.join(', ')}, only ${installed.join(', ')}`)
  }
  await mkdir(scratch, { recursive: true })
  const folder = await mkdtemp(join(scratch, 'selftest-'))
  try {
    const proven: string[] = []
    for (const major of majors) proven.push(...(await proveMajor(major, newest, folder, env, stop)))
    const seconds = (Date.now() - began) / 1000
    log(`${proven.length} restores compared in ${duration(seconds)}: ${proven.join(', ')}`)
    return { proven, seconds }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The dumps that are made of each server: of all of it, and of one database. */
const kinds = ['server', 'database'] as const

async function proveMajor(
  major: number,
  newest: number,
  folder: string,
  env: Environment,
  stop: AbortSignal,
): Promise<string[]> {
  const volume = join(folder, `dumps-${major}`)
  const source = await startScratchServer(major, join(folder, `from-${major}`), 'postgres')
  let held: string
  try {
    await run(source, 'postgres', serverContent)
    await run(source, database, databaseContent)
    const server = await version(source)
    const client = await dumpProgramFor('pg_dump', server)
    if (client.version.major !== major) {
      throw new Failure(
        'client',
        `this image has no pg_dump ${major}: ${client.version.text} would dump ${server.text}`,
      )
    }
    for (const kind of kinds) {
      await mkdir(join(volume, kind), { recursive: true })
      const one = kind === 'database' ? { DATABASE: database } : {}
      await dump({ ...env, ...source.env, ...one, ...place(join(volume, kind)) }, stop)
    }
    held = await facts(source, database)
  } finally {
    await source.stop()
  }
  const proven: string[] = []
  for (const into of new Set([major, newest])) {
    const target = await startScratchServer(into, join(folder, `to-${major}-${into}`), 'postgres')
    try {
      for (const kind of kinds) {
        // The database goes beside the one that came with the whole server.
        const name = kind === 'server' ? database : `${database} alone`
        const one = kind === 'database' ? { DATABASE: database, RESTORE_INTO: name } : {}
        const here = { ...env, ...target.env, ...one, ...place(join(volume, kind)), FROM_BACKUP: 'LATEST' }
        const settings = databaseRestoreSettings({ ...here, RESTORE_FROM: 'volume', RESTORE_WORK: volume })
        await restoreDatabase(settings, here, stop)
        if ((await facts(target, name)) !== held) {
          throw new Failure(
            'drill',
            `the ${kind} dump of PostgreSQL ${major}, restored into ${into}, differs from the source`,
          )
        }
      }
    } finally {
      await target.stop()
    }
    proven.push(`${major} → ${into}`)
  }
  return proven
}

/** The part of an environment that says where copies are, and that there is no bucket. */
function place(volume: string) {
  return {
    BACKUP_SYSTEM: 'selftest',
    BACKUP_VOLUME: volume,
    BACKUP_TYPE: 'hourly',
    BACKUP_COUNT: '1',
    USE_RCLONE: '',
    BACKUP_HEARTBEAT_URL: '',
  }
}

async function inSession<T>(server: ScratchServer, of: string, work: (session: Session) => Promise<T>): Promise<T> {
  const session = await Session.open(serverOf({ host: server.env.PGHOST, user: server.env.PGUSER }, server.env), of)
  try {
    return await work(session)
  } finally {
    await session.close()
  }
}

async function run(server: ScratchServer, of: string, statements: readonly string[]): Promise<void> {
  await inSession(server, of, async session => {
    for (const statement of statements) await session.run(statement)
  })
}

const version = (server: ScratchServer) => inSession(server, 'postgres', async session => session.version)

/** What is in the database, in one value. A dump of one database does not hold the settings that are its server's. */
function facts(server: ScratchServer, of: string): Promise<string> {
  return inSession(server, of, async session => {
    await session.run("set timezone = 'UTC'")
    return (await session.one(digest)) ?? ''
  })
}
