import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, test } from 'vitest'
import { ansibleEnvironment, syntaxCheck } from '../../src/ansible/playbook.ts'
import { ensureVenv, projectRoot } from '../../src/ansible/venv.ts'
import { labCache } from '../../src/lab/lab.ts'

const playbooks = (await readdir(join(projectRoot, 'playbooks'))).filter(file => file.endsWith('.yml'))

describe('every playbook', () => {
  test.each(playbooks)('%s parses', async file => {
    expect(await syntaxCheck(`playbooks/${file}`)).toEqual([])
  })

  test('and role passes ansible-lint in its profile production', async () => {
    const bin = await ensureVenv(() => {})
    const { exitCode, all } = await execa(join(bin, 'ansible-lint'), ['--offline'], {
      cwd: projectRoot,
      env: ansibleEnvironment(bin),
      extendEnv: false,
      all: true,
      reject: false,
    })
    expect(exitCode, all).toBe(0)
  })
})

test('the workflows of GitHub pass actionlint', async () => {
  // Go keeps what it built: only the first run downloads and compiles.
  const bin = join(labCache, 'actionlint-1.7.12')
  await execa('go', ['install', 'github.com/rhysd/actionlint/cmd/actionlint@v1.7.12'], { env: { GOBIN: bin } })
  const { stdout } = await execa(join(bin, 'actionlint'), ['-format', '{{json .}}'], {
    cwd: projectRoot,
    reject: false,
  })
  expect(JSON.parse(stdout)).toEqual([])
})

test('a playbook that does not parse is a problem with its place', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'backups-test-'))
  const playbook = join(folder, 'broken.yml')
  await writeFile(playbook, '- hosts: all\n  roles:\n    - no_such_role\n')
  expect(await syntaxCheck(playbook)).toEqual([
    {
      ruleId: 'playbook-syntax',
      severity: 'error',
      location: { file: playbook, path: 'line 3', line: 3 },
      message: expect.stringContaining('no_such_role'),
      suggest: expect.any(String),
    },
  ])
  await rm(folder, { recursive: true })
})
