import { chmod, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { execa } from 'execa'
import { expect, onTestFinished, test } from 'vitest'
import { programPath } from '../../src/agent/database/programs.ts'
import { surroundings } from '../support/agent.ts'
import { majors } from '../support/postgres.ts'

/** Runs the self-test as a user without privileges, as a pod does. */
async function selftest(env: Record<string, string> = {}) {
  const scratch = await mkdtemp('/tmp/selftest-')
  onTestFinished(() => rm(scratch, { recursive: true, force: true }))
  await execa('chown', ['postgres:', scratch])
  const user = ['--reuid=postgres', '--regid=postgres', '--clear-groups']
  const run = await execa('setpriv', [...user, process.execPath, 'src/agent/main.ts', 'selftest'], {
    env: { ...surroundings(), BACKUP_SCRATCH: scratch, ...env },
    extendEnv: false,
    reject: false,
  })
  return { code: run.exitCode, log: run.stderr, result: JSON.parse(run.stdout), left: await readdir(scratch) }
}

/** The programs of every major, with a script as the pg_dump and pg_dumpall of one. */
async function dumpInstead(major: number, script: (real: string) => string): Promise<string> {
  const folder = await mkdtemp('/tmp/selftest-programs-')
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await chmod(folder, 0o755)
  for (const of of majors) {
    const real = dirname(programPath(of, 'psql'))
    if (of !== major) {
      await mkdir(join(folder, String(of)))
      await symlink(real, join(folder, `${of}/bin`))
      continue
    }
    await mkdir(join(folder, `${of}/bin`), { recursive: true })
    for (const name of await readdir(real)) {
      const path = join(folder, `${of}/bin`, name)
      if (name !== 'pg_dump' && name !== 'pg_dumpall') await symlink(join(real, name), path)
      else {
        await writeFile(path, `#!/bin/bash\n${script(join(real, name))}\n`)
        await chmod(path, 0o755)
      }
    }
  }
  return folder
}

test('every major that the drill image has goes into itself and into the newest', { timeout: 300_000 }, async () => {
  const newest = majors.at(-1)
  const { code, log, result, left } = await selftest()
  expect(code, log).toBe(0)
  expect(result.proven).toEqual(
    majors.flatMap(major => [...new Set([major, newest])].map(into => `${major} → ${into}`)),
  )
  expect(majors.length).toBeGreaterThan(2)
  expect(left).toEqual([])
})

test('a client that leaves a row out is found, although its dump restores without an error', async () => {
  const [oldest = 0] = majors
  const programs = await dumpInstead(oldest, real => `${real} "$@" | grep -v "^SET transaction_timeout = 0;.*evil"`)
  const run = await selftest({ BACKUP_POSTGRES_PROGRAMS: programs, BACKUP_POSTGRES_MAJORS: String(oldest) })
  expect(run.code, run.log).toBe(16)
  expect(run.result.message).toBe(
    `the server dump of PostgreSQL ${oldest}, restored into ${oldest}, differs from the source`,
  )
  expect(run.left).toEqual([])
})

test('a client of another major than the server, as an image had whose packages were not chosen', async () => {
  const [oldest = 0, next = 0] = majors
  const programs = await dumpInstead(oldest, real => `exec ${real.replace(`/${oldest}/`, `/${next}/`)} "$@"`)
  const run = await selftest({ BACKUP_POSTGRES_PROGRAMS: programs, BACKUP_POSTGRES_MAJORS: String(oldest) })
  expect(run.code, run.log).toBe(5)
  expect(run.result.message).toMatch(`this image has no pg_dump ${oldest}: ${next}.`)
})

test('a major that the image lacks', async () => {
  const run = await selftest({ BACKUP_POSTGRES_MAJORS: '9' })
  expect(run.code).toBe(5)
  expect(run.result.message).toBe(`this image has no PostgreSQL 9, only ${majors.join(', ')}`)
})
