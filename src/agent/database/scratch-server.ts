import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { Failure } from '../run/outcome.ts'
import { majorsWith, programPath } from './programs.ts'

/** A PostgreSQL server of this image that is thrown away, reached by a socket only. */
export interface ScratchServer {
  /** How the agent reaches it. */
  readonly env: { readonly PGHOST: string; readonly PGUSER: string; readonly PGADMINPASS: string }
  stop(): Promise<void>
}

/**
 * The major of the server that a copy is restored into: the copy's own if this image has a server of it, else the next
 * newer one.
 *
 * @param copied the major of the server that was dumped; 0: any
 * @throws Failure environment when the image has none
 */
export function scratchMajor(copied: number): number {
  const installed = majorsWith('initdb')
  const major = installed.find(candidate => candidate >= copied)
  if (major !== undefined && copied > 0) return major
  const newest = installed.at(-1)
  if (newest !== undefined && newest >= copied) return newest
  throw new Failure(
    'environment',
    newest === undefined
      ? 'this image has no PostgreSQL server: use the one whose tag ends in -drill'
      : `the copy is of PostgreSQL ${copied}, this image has servers of ${installed.join(', ')} only: use a newer image`,
  )
}

/**
 * Start a server with no data.
 *
 * @param folder where its data and its socket go; a socket's path has room for about 90 bytes
 * @param user its superuser, who needs no password
 */
export async function startScratchServer(major: number, folder: string, user: string): Promise<ScratchServer> {
  await mkdir(folder, { recursive: true })
  const data = join(folder, 'server')
  const locale = ['-E', 'UTF8', '--locale=C.UTF-8']
  await execa(programPath(major, 'initdb'), ['-D', data, '-U', user, '--auth=trust', ...locale, '--no-sync'])
  const options = `-c listen_addresses= -c unix_socket_directories=${folder} -c fsync=off -c wal_level=minimal -c max_wal_senders=0`
  // A server that lives on would hold our pipes.
  const control = (args: string[]) =>
    execa(programPath(major, 'pg_ctl'), ['-D', data, '-w', ...args], { stdio: 'ignore' })
  await control(['-l', join(folder, 'server.log'), '-o', options, 'start'])
  return {
    env: { PGHOST: folder, PGUSER: user, PGADMINPASS: '' },
    stop: async () => {
      await control(['-m', 'immediate', 'stop'])
    },
  }
}
