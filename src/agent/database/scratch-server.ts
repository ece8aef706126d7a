import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { Failure } from '../run/outcome.ts'
import { majorsWith, programPath } from './programs.ts'

/** A temporary PostgreSQL server of this image, reachable only through a socket. */
export interface ScratchServer {
  /** How the agent reaches it. */
  readonly env: { readonly PGHOST: string; readonly PGUSER: string; readonly PGADMINPASS: string }
  stop(): Promise<void>
}

/**
 * The major of the server to restore a copy into: the copy's own if this image has it, else the next newer one.
 *
 * @param copied the major of the dumped server; 0: any
 * @throws Failure environment if the image has no such server
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
 * Start an empty server.
 *
 * @param folder for its data and its socket; a socket's path is limited to about 90 bytes
 * @param user its superuser, who needs no password
 */
export async function startScratchServer(major: number, folder: string, user: string): Promise<ScratchServer> {
  await mkdir(folder, { recursive: true })
  const data = join(folder, 'server')
  const locale = ['-E', 'UTF8', '--locale=C.UTF-8']
  await execa(programPath(major, 'initdb'), ['-D', data, '-U', user, '--auth=trust', ...locale, '--no-sync'])
  const options = `-c listen_addresses= -c unix_socket_directories=${folder} -c fsync=off -c wal_level=minimal -c max_wal_senders=0`
  // A server that keeps running would hold our pipes open.
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
