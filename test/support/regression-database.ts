import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { lockedPackages, lockFile } from '../../src/images/lock.ts'
import { privateApt } from '../../src/images/resolve.ts'
import { newestPsql, type TestServer } from './postgres.ts'

// Where the server's user may read it, and where the next run finds it.
const CACHE = '/var/cache/fragalysis-backups'

/**
 * The folder of PostgreSQL's own regression tests, from the source package that Debian has for the newest PostgreSQL of
 * the images' lock file.
 */
async function regressionTests(): Promise<string> {
  const locked = lockedPackages(await readFile(lockFile, 'utf8'))
  const servers = locked.filter(({ image, name }) => image === 'drill' && /^postgresql-\d+$/.test(name))
  const newest = servers.sort((a, b) => Number(a.name.slice(11)) - Number(b.name.slice(11))).at(-1)
  if (newest === undefined) throw new Error(`${lockFile} has no PostgreSQL server`)
  const place = join(CACHE, `regression-tests-${newest.version.replaceAll(/[^\w.-]/g, '_')}`)
  const tests = join(place, 'src/test/regress')
  if (existsSync(tests)) return tests
  await mkdir(CACHE, { recursive: true })
  const folder = await mkdtemp(join(CACHE, 'fetching-'))
  try {
    const apt = await privateApt(folder, 'deb-src', [newest.suite])
    await apt.run('apt-get', ['source', '--download-only', `${newest.source}=${newest.version}`])
    const [archive = ''] = (await readdir(folder)).filter(name => /\.orig\.tar\.\w+$/.test(name))
    await mkdir(join(folder, 'tests'))
    const wanted = ['--strip-components=1', '--wildcards', '*/src/test/regress/*']
    await execa('tar', ['--extract', '--file', join(folder, archive), '--directory', join(folder, 'tests'), ...wanted])
    await execa('chmod', ['--recursive', 'a+rX', join(folder, 'tests')])
    await rename(join(folder, 'tests'), place)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return tests
}

/**
 * What the regression tests leave in a database `regression`, made with psql as pg_regress would, one after the other.
 * Errors are a part of these tests. What needs their library of C functions, which Debian does not ship, is not made.
 *
 * @param without tests to leave out
 */
export async function makeRegressionDatabase(server: TestServer, without: readonly string[] = []): Promise<void> {
  const folder = await regressionTests()
  const { PGADMINPASS: PGPASSWORD = '', ...at } = server.env
  const settings = ['lc_messages', 'lc_monetary', 'lc_numeric', 'lc_time'].map(name => `set ${name} to 'C'`)
  await server.sql('postgres', 'create database regression template template0')
  await server.sql('postgres', settings.map(set => `alter database regression ${set}`).join('; '))
  const schedule = await readFile(join(folder, 'parallel_schedule'), 'utf8')
  const tests = schedule
    .split('\n')
    .filter(line => line.startsWith('test:'))
    .flatMap(line => line.slice(5).trim().split(/\s+/))
  for (const test of tests.filter(name => !without.includes(name))) {
    await execa(newestPsql, ['-Xq', '-vHIDE_TABLEAM=on', '-vHIDE_TOAST_COMPRESSION=on', '--dbname=regression'], {
      cwd: folder,
      env: {
        ...at,
        PGPASSWORD,
        PGTZ: 'America/Los_Angeles',
        PGDATESTYLE: 'Postgres, MDY',
        PGOPTIONS: '-c intervalstyle=postgres_verbose',
        PG_ABS_SRCDIR: folder,
        PG_ABS_BUILDDIR: '/tmp',
        PG_LIBDIR: '/nonexistent',
        PG_DLSUFFIX: '.so',
        LC_ALL: 'C',
      },
      inputFile: join(folder, 'sql', `${test}.sql`),
      stdout: 'ignore',
      stderr: 'ignore',
      reject: false,
    })
  }
}
