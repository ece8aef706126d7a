import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { failures } from '../../../src/agent/run/outcome.ts'
import { projectRoot } from '../../../src/ansible/venv.ts'

const page = readFileSync(join(projectRoot, 'docs/agent.md'), 'utf8')

test('docs/agent.md has a chapter for every command of `agent --help`', async () => {
  const { stdout } = await execa(process.execPath, [join(projectRoot, 'src/agent/main.ts'), '--help'])
  const commands = [...stdout.matchAll(/^ {2}agent ([\w-]+)/gm)].map(([, name]) => name)
  expect(commands).toContain('dump')
  expect(commands.filter(name => !page.includes(`\n## ${name}\n`))).toEqual([])
})

test('docs/agent.md has the exit codes of `agent --help`', () => {
  const rows = [...page.matchAll(/^\| (\d+) \| (.*) \|$/gm)].map(([, code, meaning]) => ({
    code: Number(code),
    meaning,
  }))
  expect(rows).toEqual([{ code: 0, meaning: 'success' }, ...Object.values(failures)])
})

test('docs/agent.md has the variables that the agent reads, and no others', () => {
  const sources = globSync('src/{agent,store}/**/*.ts', { cwd: projectRoot })
    .map(path => readFileSync(join(projectRoot, path), 'utf8'))
    .join('\n')
  const ours = (text: string) =>
    new Set(
      [...text.matchAll(/\b(?:BACKUP|RESTORE|REPLICATE|RCLONE_S3|USE|DATABASE|LATEST_BACKUP)_[A-Z0-9_]+\b/g)].map(
        ([name]) => name,
      ),
    )
  // Variables of the old images that have no effect here; errors and the page name them.
  const refused = ['BACKUP_VOLUME_IS_S3']
  expect([...ours(sources)].filter(name => !ours(page).has(name) && !refused.includes(name))).toEqual([])
  expect([...ours(page)].filter(name => !ours(sources).has(name))).toEqual([])
})
