import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { projectRoot } from '../../../src/ansible/venv.ts'
import { type ImageName, images, postgres, release } from '../../../src/images/chosen.ts'
import { withLabels } from '../../../src/images/labels.ts'
import { contentOf, lockedPackages, lockFile, lockText, packagesOf, readLock } from '../../../src/images/lock.ts'

test('the lock file has every chosen package, from the suite it was chosen from', () => {
  for (const [name, { packages, suites }] of Object.entries(images)) {
    const locked = packagesOf(name as ImageName, readLock())
    expect(packages.filter(package_ => !locked.has(package_))).toEqual([])
    for (const [package_, suite] of Object.entries(suites)) expect(locked.get(package_)?.suite).toMatch(suite)
  }
})

test('a client is from a stable release, or the lock file says why not', () => {
  const text = readFileSync(lockFile, 'utf8')
  for (const { major, suite, reason } of postgres.filter(chosen => chosen.suite !== release)) {
    expect(reason).not.toBe('')
    expect(text).toContain(`# PostgreSQL ${major} is from ${suite}: ${reason}.`)
  }
})

test('the lock file is what its own packages make it', () => {
  const text = readFileSync(lockFile, 'utf8')
  expect(lockText(lockedPackages(text))).toBe(text)
})

test("the Containerfile's labels are what the lock file says", () => {
  const containerfile = readFileSync(join(projectRoot, 'images/agent/Containerfile'), 'utf8')
  expect(withLabels(containerfile, readLock())).toBe(containerfile)
  const { packages, postgres: versions } = contentOf('drill', readLock())
  expect(containerfile).toContain(
    `LABEL io.fragalysis.backups.image="drill" io.fragalysis.backups.packages="${packages}" io.fragalysis.backups.postgres="${versions.join(' ')}"`,
  )
})

test('an image has the packages of the one it is built on, and its own versions of them', () => {
  const locked = readLock()
  const [agent, drill] = [packagesOf('agent', locked), packagesOf('drill', locked)]
  expect([...agent.keys()].filter(name => !drill.has(name))).toEqual([])
  // PostgreSQL 18's server needs a newer glibc than the release has.
  expect(drill.get('libc6')?.version).not.toBe(agent.get('libc6')?.version)
})
