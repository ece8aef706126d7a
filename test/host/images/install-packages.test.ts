import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { projectRoot } from '../../../src/ansible/venv.ts'
import { lockFile } from '../../../src/images/lock.ts'

const state = process.env.BACKUPS_TEST_LAB_STATE
if (!state) throw new Error('BACKUPS_TEST_LAB_STATE is not set: `npm test -- host` raises the lab and sets it')
const base = 'docker.io/fragalysis-backups/debian:trixie'

/** Installs the packages of a lock file into a container of the lab's base image, as a build does. */
async function install(lock: string) {
  const script = await readFile(join(projectRoot, 'images/install-packages'), 'utf8')
  // Both files go in on standard input, parted by a line that is in neither.
  const split = `awk '/^=+ lock =+$/ {file = "/tmp/lock"; next} {print > (file ? file : "/tmp/install-packages")}'`
  const run = await execa(
    join(state as string, 'machine'),
    [
      ...['exec', 'rancher', 'docker', 'run', '--rm', '--interactive', base, 'bash', '-c'],
      `${split} && bash /tmp/install-packages /tmp/lock base rancher-stand-in && dpkg-query --show openssl && find / -xdev -type f -perm /6000`,
    ],
    { input: `${script}\n===== lock =====\n${lock}`, reject: false },
  )
  return { code: run.exitCode, out: run.stdout, err: run.stderr }
}

const lock = await readFile(lockFile, 'utf8')

test('installs the versions of the lock file, and leaves no setuid file', { timeout: 600_000 }, async () => {
  const { code, out, err } = await install(lock)
  expect(code, err).toBe(0)
  const [, version] = /^rancher-stand-in openssl (\S+)|^base openssl (\S+)/m.exec(lock)?.filter(Boolean) ?? []
  expect(out).toBe(`openssl\t${version}`)
})

test('names each version that cannot be had, and the command that chooses others', { timeout: 600_000 }, async () => {
  const gone = lock
    .replace(/^(rancher-stand-in openssl|base openssl) \S+/m, '$1 1.0.0-1')
    .replace(/^rancher-stand-in python3 \S+/m, 'rancher-stand-in python3-gone 1-1')
  const { code, err } = await install(gone)
  expect(code).toBe(1)
  expect(err).toMatch(/openssl 1\.0\.0-1 \(trixie\S*\) cannot be had any more; there is 3\./)
  expect(err).toContain('python3-gone 1-1 (trixie) cannot be had any more; there is none')
  expect(err).toContain('2 packages of /tmp/lock cannot be had')
  expect(err).toContain('npm run images -- renew')
})
