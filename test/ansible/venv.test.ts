import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ensureVenv, VenvError } from '../../src/ansible/venv.ts'

let root: string
let lines: string[]
const ensure = () => ensureVenv(line => lines.push(line), root)
const requirements = (text: string) => writeFile(join(root, 'requirements.txt'), text)

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'backups-test-'))
  lines = []
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(root, { recursive: true })
})

test('is built once, by calls at the same time too, and again for other requirements', async () => {
  await requirements('# nothing')
  expect(await Promise.all([ensure(), ensure()])).toEqual([join(root, '.venv/bin'), join(root, '.venv/bin')])
  expect(lines.filter(line => line.includes('making'))).toHaveLength(1)

  lines = []
  await ensure()
  expect(lines).toEqual([])

  await requirements('# nothing else')
  await ensure()
  expect(lines.filter(line => line.includes('making'))).toHaveLength(1)
})

test('does not count when its build failed, and the next call builds it', async () => {
  await requirements(`no-such-package-of-ours==1 --hash=sha256:${'0'.repeat(64)}\n`)
  vi.stubEnv('PIP_NO_INDEX', '1')
  await expect(ensure()).rejects.toThrow(VenvError)
  await expect(ensure()).rejects.toThrow(/no-such-package-of-ours/)
  await expect(readFile(join(root, '.venv/.complete'))).rejects.toThrow()

  await requirements('# nothing')
  await ensure()
  expect(await readFile(join(root, '.venv/.complete'), 'utf8')).toHaveLength(64)
})

test('says what to install if there is no suitable Python', async () => {
  await requirements('# nothing')
  vi.stubEnv('PATH', root)
  await expect(ensure()).rejects.toMatchObject({
    message: expect.stringContaining('Python 3.11 or newer'),
    next: expect.stringContaining('apt-get install python3 python3-venv'),
  })
})
