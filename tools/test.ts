import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import type { Argv } from 'yargs'
import { ensureVenv, projectRoot } from '../src/ansible/venv.ts'
import { raiseLab, testEnvironment } from '../src/lab/lab.ts'
import { ensureTestTools } from '../src/lab/testTools.ts'
import { exitCodes, Failure } from '../src/report/failure.ts'
import { requireConfig } from './options.ts'

export const command = 'test [words..]'
export const describe = 'Run the tests whose path has one of the words; all of them without a word'
export const builder = (args: Argv) =>
  args
    .positional('words', { type: 'string', array: true, default: [] as string[] })
    .example('$0 test', 'every level, on the real parts of the lab')
    .example('$0 test unit', 'the quick ones, without the lab; so are those of awx')

// The levels that need nothing but Node and Ansible.
const offTheLab = ['unit', 'awx']

export async function handler({ words }: { words: string[] }): Promise<void> {
  const log = (line: string) => process.stderr.write(`test: ${line}\n`)
  await ensureVenv(log)
  const onTheLab = !(words.length > 0 && words.every(word => offTheLab.some(level => word.startsWith(level))))
  let environment: Record<string, string> = {}
  if (onTheLab) {
    await ensureTestTools(log)
    const lab = await raiseLab(await requireConfig(join(projectRoot, 'backups.config.ts')), { log })
    environment = await testEnvironment(lab)
  }
  const projects = words.length === 0 ? ['--project=unit', '--project=lab'] : []
  const folder = await mkdtemp(join(tmpdir(), 'backups-test-'))
  try {
    const report = join(folder, 'report.json')
    const vitest = await execa(
      join(projectRoot, 'node_modules/.bin/vitest'),
      ['run', ...words, ...projects, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
      { cwd: projectRoot, env: environment, stdio: ['ignore', 'inherit', 'inherit'], reject: false },
    )
    const counts = JSON.parse(await readFile(report, 'utf8').catch(() => '{}')) as Counts
    const { numPassedTests: passed = 0, numFailedTests: failed = 0 } = counts
    // A file that does not load fails without a test of its own.
    const broken = (counts.testResults ?? []).filter(
      f => f.status === 'failed' && f.assertionResults.length === 0,
    ).length
    process.stdout.write(`${passed} passed, ${failed + broken} failed\n`)
    if (vitest.failed || passed === 0) {
      throw new Failure(exitCodes.findings, 'not every test passed', 'see above; `npm test -- <word>` runs some alone')
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

interface Counts {
  readonly numPassedTests?: number
  readonly numFailedTests?: number
  readonly testResults?: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[]
}
