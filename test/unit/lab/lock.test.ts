import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { projectRoot } from '../../../src/ansible/venv.ts'
import { withLock } from '../../../src/lab/lock.ts'

let folder: string
let file: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'backups-lock-'))
  file = join(folder, 'lock')
})
afterEach(() => rm(folder, { recursive: true }))

/** Starts a process that acquires the lock, prints `held` or its error, and holds the lock until it is killed. */
function holder() {
  const program = `
    import { withLock } from ${JSON.stringify(join(projectRoot, 'src/lab/lock.ts'))}
    await withLock(process.argv[1], () => new Promise(() => { setInterval(() => {}, 1000); console.log('held') }))
      .catch(error => console.log(error.message))`
  return execa(process.execPath, ['--input-type=module', '--eval', program, file], { reject: false })
}

async function firstLine({ stdout }: ReturnType<typeof holder>): Promise<string> {
  const [line] = await once(createInterface(stdout), 'line')
  return line
}

it('admits one process at a time, also if many start together', async () => {
  const holders = Array.from({ length: 5 }, holder)
  const lines = await Promise.all(holders.map(firstLine))
  for (const process of holders) process.kill('SIGKILL')
  await Promise.all(holders)
  expect(lines.filter(line => line === 'held')).toHaveLength(1)
  expect(lines.filter(line => line.includes('another run'))).toHaveLength(4)
})

it('is released when its holder was killed, or its work has failed', async () => {
  const killed = holder()
  expect(await firstLine(killed)).toBe('held')
  await expect(withLock(file, async () => 'in')).rejects.toThrow('another run')
  killed.kill('SIGKILL')
  await killed
  await expect.poll(() => withLock(file, async () => 'in').catch(() => 'busy'), { timeout: 10_000 }).toBe('in')
  await expect(withLock(file, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(await withLock(file, async () => 'in')).toBe('in')
})
