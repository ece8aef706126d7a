import { join } from 'node:path'
import { execa } from 'execa'
import type { Drilled, DrillRequest } from '../run/drill-receipt.ts'
import { Failure } from '../run/outcome.ts'
import { restoreDatabase } from './restore.ts'
import { databaseRestoreSettings } from './settings.ts'

/** Restore the whole dump into a server of the newest PostgreSQL in this image, reached by a socket only. */
export async function drillDatabase({ receipt, env, folder, stop }: DrillRequest<'database'>): Promise<Drilled> {
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
    const settings = databaseRestoreSettings({ ...here, RESTORE_REPLACE: 'no', RESTORE_FROM: 'bucket' })
    const restored = await restoreDatabase(settings, here, stop)
    // All that the dump holds was held against what came back by the restore itself.
    return {
      counts: restored.counts as Record<string, number>,
      details: { server: String(restored.to), leftOut: restored.leftOut as Record<string, number> },
    }
  } finally {
    await control(['-m', 'immediate', 'stop'])
  }
}
