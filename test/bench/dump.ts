import { join } from 'node:path'
import { execa } from 'execa'
import { majorsWith, programPath } from '../../src/agent/database/programs.ts'
import { AGENT, Place } from '../support/bench-place.ts'
import { measure, middle, type Row, rounded } from '../support/measure.ts'
import { rcloneEnvironment } from '../support/rclone.ts'

// Of SQL: a small database would show what a program's start costs, not what a dump does.
const MIB = Number(process.env.BACKUPS_BENCH_DUMP_MIB ?? 1000)
const ROUNDS = Number(process.env.BACKUPS_BENCH_ROUNDS ?? 3)

/**
 * Dump a database. `dump`: to the volume, against `pg_dump > /dev/null` as the limit. `dump-whole`: to the volume and
 * the bucket, verified, against what the image in use does: `pg_dump | gzip`, a copy on the volume, `rclone copy`.
 */
export async function run(): Promise<Row[]> {
  await using place = new Place()
  const server = await startServer(place)
  await fill(server, MIB)
  const bucket = await place.bucket()
  const image = await place.imageEnvironment()
  const toVolume = async (compression: string) => ({
    ...image,
    ...server,
    DATABASE: 'bench',
    BACKUP_SYSTEM: 'bench',
    BACKUP_COMPRESSION: compression,
    BACKUP_VOLUME: await place.folder(),
  })
  const toBucket = async (compression: string) => ({
    ...(await toVolume(compression)),
    ...place.env,
    USE_RCLONE: 'yes',
    USE_RCLONE_BUCKET_AND_PATH: `${bucket}/${compression}`,
  })
  const volume = await place.folder()
  const today =
    'set -e; mkdir -p hourly; pg_dump --clean --if-exists bench | gzip > hourly/live; cp hourly/live hourly/copy; rm hourly/live'
  const theirs = { ...server, ...rcloneEnvironment(place.env) }
  const inVolume = (script: string) => ['bash', '-c', `cd ${volume}; rm -rf hourly; ${script}`]
  const ways: [string, string, () => Promise<string[]>, () => Promise<Record<string, string>>][] = [
    ['dump', 'limit', async () => ['bash', '-c', 'pg_dump --clean --if-exists bench > /dev/null'], async () => server],
    ['dump', 'today', async () => inVolume(today), async () => theirs],
    ['dump', 'ours', async () => AGENT, () => toVolume('gzip')],
    ['dump', 'ours-zstd', async () => AGENT, () => toVolume('zstd')],
    ['dump-whole', 'today', async () => inVolume(`${today}; rclone copy . remote:${bucket}/today`), async () => theirs],
    ['dump-whole', 'ours', async () => AGENT, () => toBucket('gzip')],
    ['dump-whole', 'ours-zstd', async () => AGENT, () => toBucket('zstd')],
  ]
  // Fills the compile cache, as the image's build does, and the server's memory.
  await measure(AGENT, await toBucket('gzip'))
  const measured = ways.map(([bench, way]) => ({ bench, way, runs: [] as Awaited<ReturnType<typeof measure>>[] }))
  // In turns, so that what else the machine does falls on all of them alike.
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [index, [, , command, env]] of ways.entries()) {
      measured[index]?.runs.push(await measure(await command(), await env()))
    }
  }
  return measured.map(({ bench, way, runs }) => rounded({ bench, way, ...middle(runs) }))
}

/** A server of the newest PostgreSQL on loopback. @returns how to reach it */
async function startServer(place: Place): Promise<Record<string, string>> {
  const newest = majorsWith('initdb').at(-1) ?? 0
  const folder = await place.folder()
  const data = join(folder, 'data')
  await execa('chown', ['postgres:', folder])
  const as = (program: string, args: string[]) =>
    execa(
      'setpriv',
      ['--reuid=postgres', '--regid=postgres', '--clear-groups', programPath(newest, program), ...args],
      {
        cwd: folder,
        stdio: 'ignore',
      },
    )
  await as('initdb', ['-D', data, '-U', 'postgres', '--auth=trust', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync'])
  const port = String(20_000 + Math.floor(Math.random() * 10_000))
  const options = `-c listen_addresses=127.0.0.1 -c port=${port} -c unix_socket_directories= -c fsync=off -c shared_buffers=1GB`
  await as('pg_ctl', ['-D', data, '-w', '-o', options, '-l', join(folder, 'log'), 'start'])
  place.atEnd(() => as('pg_ctl', ['-D', data, '-m', 'immediate', 'stop']))
  return { PGHOST: '127.0.0.1', PGPORT: port, PGUSER: 'postgres' }
}

/** What a database of compounds and results looks like to pg_dump: numbers, times, hashes, names that repeat. */
async function fill(server: Record<string, string>, mib: number): Promise<void> {
  const psql = (database: string, sql: string) =>
    execa('psql', ['-Xq', '-v', 'ON_ERROR_STOP=1', '-d', database, '-c', sql], { env: server })
  await psql('postgres', 'create database bench')
  // A row is about 200 bytes of SQL.
  await psql(
    'bench',
    `create table compound as
     select g as id, md5(g::text) as key, 'CC(=O)Nc1ccc(O)cc1' || (g % 977) || 'C(=O)N[C@@H](Cc1ccccc1)C(=O)O' as smiles,
            (random() * 500)::numeric(10, 4) as weight, now() - g * interval '1 second' as made,
            'target-' || (g % 40) || '/compound_' || g || '.mol' as path, random() as score
     from generate_series(1, ${mib * 5000}) g`,
  )
  await psql('bench', 'vacuum analyze')
}
