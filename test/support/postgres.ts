import { randomInt } from 'node:crypto'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { execa } from 'execa'
import { onTestFinished } from 'vitest'
import { majorsWith, programPath } from '../../src/agent/database/programs.ts'
import type { Sql } from '../../src/lab/content/database.ts'

/** A PostgreSQL server for one test, on loopback, removed when the test ends. */
export interface TestServer {
  /** The variables with which the agent and the client programs connect to it. */
  env: Record<string, string>
  sql: Sql
  major: number
}

/** Options of a server. */
interface Wanted {
  /** Default: the newest that is installed. */
  major?: number
  /** Its superuser. */
  admin?: string
  password?: string
}

/** The majors of PostgreSQL that tests can start, oldest first. */
export const majors: readonly number[] = majorsWith('initdb')

/** The newest psql, which talks to servers of every major. */
const psql = programPath(majors.at(-1) ?? 0, 'psql')

/** A folder of PostgreSQL programs for the agent that has these majors only. */
export async function programsOf(...chosen: readonly number[]): Promise<string> {
  const folder = await mkdtemp('/tmp/programs-')
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  for (const major of chosen) await symlink(dirname(dirname(programPath(major, 'psql'))), join(folder, String(major)))
  return folder
}

/** Create and start a server. */
export async function startServer({
  major = majorsWith('initdb').at(-1) ?? 0,
  admin = 'admin',
  password = 'test-password',
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
  const options = `-c listen_addresses=${host} -c port=5432 -c unix_socket_directories= -c fsync=off -c wal_level=logical`
  await as('pg_ctl', ['-D', data, '-w', '-o', options, '-l', join(folder, 'log'), 'start'])
  onTestFinished(async () => {
    await as('pg_ctl', ['-D', data, '-m', 'immediate', 'stop'])
    await rm(folder, { recursive: true, force: true })
  })
  const env = { PGHOST: host, PGUSER: admin, PGADMINPASS: password }
  const sql: Sql = async (database, query) => {
    const { stdout } = await execa(
      psql,
      ['-XAtq', '--set=ON_ERROR_STOP=1', `--dbname=dbname='${database.replaceAll(/['\\]/g, '\\$&')}'`],
      {
        input: query,
        env: { ...env, PGPASSWORD: password },
        maxBuffer: 1024 ** 3,
      },
    )
    return stdout
  }
  return { env, sql, major }
}

const files = new URL('../../roles/lab_database/files/', import.meta.url).pathname

/** Load the lab's content into a server: that of an infrastructure server, or of the stack's. */
export async function fill(server: TestServer, file: 'infrastructure' | 'stack', variables: Record<string, string>) {
  const settings = Object.entries({ system: 'test', factor: '0.02', ...variables }).map(([n, v]) => `--set=${n}=${v}`)
  const { PGADMINPASS: PGPASSWORD = '', ...env } = server.env
  await execa(psql, ['-Xq', '--dbname=postgres', `--file=${files}${file}.sql`, ...settings], {
    env: { ...env, PGPASSWORD },
  })
}
