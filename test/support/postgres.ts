import { randomInt } from 'node:crypto'
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { execa } from 'execa'
import { onTestFinished } from 'vitest'
import { majorsWith, programPath } from '../../src/agent/database/programs.ts'
import { sessionOptions } from '../../src/agent/database/session.ts'
import type { Sql } from '../../src/lab/content/database.ts'

/** A PostgreSQL server for one test, on loopback, removed when the test ends. */
export interface TestServer {
  /** The variables with which the agent and the client programs connect to it. */
  env: Record<string, string>
  sql: Sql
  major: number
  /** Ends it as a crash does. */
  crash(): Promise<unknown>
  start(): Promise<unknown>
}

/** Options of a server. */
interface Wanted {
  /** Default: the newest that is installed. */
  major?: number
  /** Its superuser. */
  admin?: string
  password?: string
  /** More options of the server: `-c name=value`. */
  options?: string
}

/** The majors of PostgreSQL that tests can start, oldest first. */
export const majors: readonly number[] = majorsWith('initdb')

/** The newest psql, which talks to servers of every major. */
export const newestPsql = programPath(majors.at(-1) ?? 0, 'psql')

/** A folder of PostgreSQL programs for the agent that has these majors only. */
export async function programsOf(...chosen: readonly number[]): Promise<string> {
  const folder = await mkdtemp('/tmp/programs-')
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  for (const major of chosen) await symlink(dirname(dirname(programPath(major, 'psql'))), join(folder, String(major)))
  return folder
}

/** This machine's newest pg_dump. */
export const realPgDump = programPath(majorsWith('pg_dump').at(-1) ?? 0, 'pg_dump')

/** A folder of PostgreSQL programs for the agent: those of this machine's newest major, with a script as its pg_dump. */
export async function pgDumpInstead(script: string): Promise<string> {
  const newest = majorsWith('pg_dump').at(-1) ?? 0
  const bin = dirname(realPgDump)
  const folder = await mkdtemp('/tmp/programs-')
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await mkdir(join(folder, `${newest}/bin`), { recursive: true })
  for (const name of await readdir(bin)) {
    if (name !== 'pg_dump') await symlink(join(bin, name), join(folder, `${newest}/bin`, name))
  }
  const asked = `[ "$1" = --version ] && exec ${realPgDump} "$@"`
  await writeFile(join(folder, `${newest}/bin/pg_dump`), `#!/bin/bash\n${asked}\n${script}\n`, { mode: 0o755 })
  return folder
}

/** Create and start a server. */
export async function startServer({
  major = majorsWith('initdb').at(-1) ?? 0,
  admin = 'admin',
  password = 'test-password',
  options: more = '',
}: Wanted = {}): Promise<TestServer> {
  const available = majorsWith('initdb')
  if (!available.includes(major)) {
    throw new Error(
      `there is no PostgreSQL ${major} here, only ${available.join(', ') || 'none'}: run the tests with "npm test", or set BACKUP_POSTGRES_PROGRAMS as it does`,
    )
  }
  const folder = await mkdtemp('/tmp/recovery-postgres-')
  await execa('chown', ['postgres:', folder])
  const as = (program: string, args: string[]) =>
    execa('setpriv', ['--reuid=postgres', '--regid=postgres', '--clear-groups', programPath(major, program), ...args], {
      cwd: folder,
      stdin: 'ignore',
      // Otherwise a server that keeps running would hold our pipes open.
      stdout: 'ignore',
      stderr: 'ignore',
    })
  const secret = join(folder, 'password')
  await writeFile(secret, `${password}\n`)
  const data = join(folder, 'data')
  await as('initdb', [
    '-D',
    data,
    '-U',
    admin,
    `--pwfile=${secret}`,
    '--auth=scram-sha-256',
    '-E',
    'UTF8',
    '--locale=C.UTF-8',
    '--no-sync',
  ])
  // Each server has its own address and the usual port: the agent, like the old images, takes only a host from its
  // environment.
  const host = `127.${randomInt(1, 255)}.${randomInt(1, 255)}.${randomInt(1, 255)}`
  const options = `-c listen_addresses=${host} -c port=5432 -c unix_socket_directories= -c fsync=off -c wal_level=logical ${more}`
  const start = () => as('pg_ctl', ['-D', data, '-w', '-o', options, '-l', join(folder, 'log'), 'start'])
  const crash = () => as('pg_ctl', ['-D', data, '-m', 'immediate', 'stop'])
  await start()
  onTestFinished(async () => {
    await crash()
    await rm(folder, { recursive: true, force: true })
  })
  const env = { PGHOST: host, PGUSER: admin, PGADMINPASS: password }
  const sql: Sql = async (database, query) => {
    const { stdout } = await execa(newestPsql, ['-XAtq', '--set=ON_ERROR_STOP=1', `--dbname=${connection(database)}`], {
      input: query,
      env: { ...env, PGPASSWORD: password },
      maxBuffer: 1024 ** 3,
    })
    return stdout
  }
  return { env, sql, major, crash, start }
}

/** A database as a connection string, in which no name can be taken for anything else. */
function connection(name: string): string {
  return `dbname='${name.replaceAll(/['\\]/g, '\\$&')}'`
}

/**
 * What the newest pg_dump says of a database, or pg_dumpall of roles and tablespaces: the same for servers of every
 * major that hold the same. One character a byte.
 */
export async function asText(server: TestServer, database?: string): Promise<string> {
  const newest = majors.at(-1) ?? 0
  const [program, args] =
    database === undefined
      ? ['pg_dumpall', ['--globals-only', '--database=template1']]
      : ['pg_dump', ['--create', connection(database)]]
  const { PGADMINPASS: PGPASSWORD = '', ...env } = server.env
  const { stdout } = await execa(programPath(newest, program as string), args as string[], {
    env: {
      ...env,
      PGPASSWORD,
      PGOPTIONS: sessionOptions(server.major, server.major >= 17 ? '-c event_triggers=off' : ''),
    },
    encoding: 'buffer',
    maxBuffer: 1024 ** 3,
  })
  return (
    Buffer.from(stdout)
      .toString('latin1')
      // Drawn anew each time, or the version.
      .replaceAll(/^\\(?:un)?restrict .*$/gm, '')
      .replaceAll(/SCRAM-SHA-256\$[^']*/g, 'SCRAM')
      .replaceAll(/^-- Dumped from .*$/gm, '')
      // Written by servers of 17 alone, and of no use to another.
      .replaceAll(/^ALTER (?:FOREIGN )?TABLE .* SET \(pg_attver=\d+\);\n/gm, '')
      .replaceAll(/ SET \(pg_attver=\d+, /g, ' SET (')
  )
}

/** Where two texts differ first, with some lines around it. */
export function firstDifference(before: string, after: string): string {
  const [left, right] = [before.split('\n'), after.split('\n')]
  const at = left.findIndex((line, index) => line !== right[index])
  const around = (lines: string[]) => lines.slice(Math.max(0, at - 3), at + 4).join('\n')
  return `${around(left)}\n--- came back as ---\n${around(right)}`
}

const files = new URL('../../roles/lab_database/files/', import.meta.url).pathname

/** Load the lab's content into a server: that of an infrastructure server, or of the stack's. */
export async function fill(server: TestServer, file: 'infrastructure' | 'stack', variables: Record<string, string>) {
  const settings = Object.entries({ system: 'test', factor: '0.02', ...variables }).map(([n, v]) => `--set=${n}=${v}`)
  const { PGADMINPASS: PGPASSWORD = '', ...env } = server.env
  await execa(newestPsql, ['-Xq', '--dbname=postgres', `--file=${files}${file}.sql`, ...settings], {
    env: { ...env, PGPASSWORD },
  })
}
