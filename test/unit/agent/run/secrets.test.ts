import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { expect, onTestFinished, test } from 'vitest'

const main = fileURLToPath(new URL('../../../../src/agent/main.ts', import.meta.url))

test.each(['verify', 'second-copy', 'undelete', 'set-aside', 'snapshot', 'snapshot restore', 'snapshot drill'])(
  '`agent %s` takes the keys of BACKUP_SECRETS_FILE, and deletes the file',
  async command => {
    const folder = await mkdtemp(join(tmpdir(), 'secrets-test-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const file = join(folder, 'secrets.json')
    const keys = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'BACKUP_SECOND_ACCESS_KEY_ID']
    await writeFile(file, JSON.stringify(Object.fromEntries(keys.map(name => [name, 'given']))))
    const { exitCode, stderr } = await execa(process.execPath, [main, ...command.split(' ')], {
      env: { PATH: process.env.PATH ?? '', BACKUP_SECRETS_FILE: file },
      extendEnv: false,
      reject: false,
    })
    // The rest of the settings is missing, and named.
    expect(exitCode, stderr).toBe(2)
    expect(stderr).toContain('FAILURE (2)')
    for (const name of keys) expect(stderr).not.toContain(`${name} is not set`)
    expect(existsSync(file)).toBe(false)
  },
)
