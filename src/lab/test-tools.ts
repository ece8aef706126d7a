import { existsSync } from 'node:fs'
import { chmod, copyFile, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, delimiter, join } from 'node:path'
import { execa } from 'execa'
import { CommandFailure, exitCodes } from '../report/failure.ts'

/** The programs that tests of the agent call on this machine, as Debian's packages bring them. */
const packages: Readonly<Record<string, string>> = {
  'age-keygen': 'age',
  chromium: 'chromium',
  faketime: 'faketime',
  flock: 'util-linux',
  igzip: 'isal',
  initdb: 'postgresql',
  openssl: 'openssl',
  patchelf: 'patchelf',
  // PostGIS for the server: seen by its library, from the folders of the server's programs.
  '../lib/postgis-3.so': 'postgresql-postgis',
  rclone: 'rclone',
  rsync: 'rsync',
  zstd: 'zstd',
}

/**
 * Installs with apt what the agent's tests need and this machine lacks. No service is started by it: a PostgreSQL server
 * that is installed for the tests makes no cluster of its own.
 */
export async function ensureTestTools(log: (line: string) => void): Promise<void> {
  await ensureMonitoring(log)
  const missing = Object.keys(packages).filter(program => !present(program))
  if (missing.length === 0) return
  const wanted = [...new Set(missing.map(program => packages[program] as string))]
  log(`installing with apt: ${wanted.join(' ')} (${missing.join(', ')} missing)`)
  const options = { env: { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }, reject: false, all: true } as const
  await execa('mkdir', ['-p', '/etc/postgresql-common'], options)
  if (!existsSync('/etc/postgresql-common/createcluster.conf')) {
    await execa('tee', ['/etc/postgresql-common/createcluster.conf'], {
      ...options,
      input: 'create_main_cluster = false\n',
    })
  }
  await execa('apt-get', ['update'], options)
  const installed = await execa('apt-get', ['install', '--yes', '--no-install-recommends', ...wanted], options)
  if (installed.failed) {
    throw new CommandFailure(
      exitCodes.unreachable,
      `apt-get install ${wanted.join(' ')} failed: ${String(installed.all).trim().split('\n').at(-1)}`,
      'install these packages by hand',
    )
  }
}

// They lie here because their package would install and start a Prometheus.
const monitoringFolder = '/var/cache/fragalysis-backups'

/** Checks Prometheus' rules and metrics. */
export const promtool = join(monitoringFolder, 'promtool')
/** Prometheus itself. */
export const prometheus = join(monitoringFolder, 'prometheus')
async function ensureMonitoring(log: (line: string) => void): Promise<void> {
  const programs = [promtool, prometheus]
  if (programs.every(existsSync)) return
  log(`fetching Debian's package prometheus to ${monitoringFolder}`)
  const folder = await mkdtemp(join(tmpdir(), 'backups-monitoring-'))
  try {
    // apt fetches as a user of its own.
    await chmod(folder, 0o777)
    await execa('apt-get', ['update'], { reject: false })
    await execa('apt-get', ['download', 'prometheus'], { cwd: folder })
    const [file = ''] = await readdir(folder)
    await execa('dpkg-deb', ['--extract', file, 'x'], { cwd: folder })
    await execa('mkdir', ['-p', monitoringFolder])
    for (const program of programs) {
      await copyFile(join(folder, 'x/usr/bin', basename(program)), `${program}.new`)
      await rename(`${program}.new`, program)
    }
  } catch (error) {
    throw new CommandFailure(
      exitCodes.unreachable,
      `Prometheus cannot be fetched: ${String((error as { stderr?: string }).stderr || error).trim()}`,
      'check that apt-get can download the package prometheus',
    )
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function present(program: string): boolean {
  const folders = (process.env.PATH ?? '').split(delimiter)
  const versions = ['18', '17', '16', '15'].map(version => `/usr/lib/postgresql/${version}/bin`)
  return [...folders, ...versions].some(folder => existsSync(join(folder, program)))
}
