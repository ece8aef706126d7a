import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import type { Argv } from 'yargs'
import { ensureVenv, projectRoot } from '../src/ansible/venv.ts'
import { raiseLab, testEnvironment } from '../src/lab/lab.ts'
import { ensureTestTools } from '../src/lab/test-tools.ts'
import { exitCodes, Failure } from '../src/report/failure.ts'
import { requireConfig } from './options.ts'

export const command = 'test [words..]'
export const describe = 'Run all tests, or those whose path contains one of the words'
export const builder = (args: Argv) =>
  args
    .positional('words', { type: 'string', array: true, default: [] as string[] })
    .example('$0 test', 'every level, on the real parts of the lab')
    .example('$0 test unit', 'the unit tests; like `ansible` and `awx` they need no lab')

// The levels that need nothing but Node and Ansible.
const offTheLab = ['unit', 'ansible', 'awx']

export async function handler({ words }: { words: string[] }): Promise<void> {
  const log = (line: string) => process.stderr.write(`test: ${line}\n`)
  await ensureVenv(log)
  const onTheLab = !(words.length > 0 && words.every(word => offTheLab.some(level => word.startsWith(level))))
  const folder = await mkdtemp(join(tmpdir(), 'backups-test-'))
  try {
    const counts: Count[] = []
    if (onTheLab) {
      // Starting the lab is mostly waiting: the tests that do not need it run meanwhile.
      const [off, environment] = await Promise.all([run(['unit', 'ansible'], words, folder, {}, 'pipe'), raise(log)])
      process.stdout.write(off.output)
      // The Docker host is a lab machine of its own, so its tests run in parallel with the others.
      const [host, parts] = await Promise.all([
        run(['host'], words, folder, environment, 'pipe'),
        run(['parts'], words, folder, environment, 'inherit'),
      ])
      process.stdout.write(host.output)
      counts.push(off, host, parts, await run(['whole'], words, folder, environment, 'inherit'))
    } else {
      counts.push(await run(['unit', 'ansible'], words, folder, {}, 'inherit'))
    }
    const passed = counts.reduce((sum, count) => sum + count.passed, 0)
    const failed = counts.reduce((sum, count) => sum + count.failed, 0)
    process.stdout.write(`${passed} passed, ${failed} failed\n`)
    if (counts.some(({ well }) => !well) || passed === 0) {
      throw new Failure(exitCodes.findings, 'some tests failed', 'see above; `npm test -- <word>` runs some alone')
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The lab, and what the tests find its parts by. */
async function raise(log: (line: string) => void): Promise<Record<string, string>> {
  await ensureTestTools(log)
  const lab = await raiseLab(await requireConfig(join(projectRoot, 'backups.config.ts')), { log })
  return await testEnvironment(lab, log)
}

interface Count {
  readonly passed: number
  readonly failed: number
  readonly well: boolean
  /** Output that was not shown yet. */
  readonly output: string
}

/** Runs the tests of these projects whose path contains one of the words. */
async function run(
  projects: readonly string[],
  words: readonly string[],
  folder: string,
  env: Record<string, string>,
  output: 'inherit' | 'pipe',
): Promise<Count> {
  const report = join(folder, `${projects[0]}.json`)
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const vitest = await execa(
    join(projectRoot, 'node_modules/.bin/vitest'),
    ['run', ...words, ...projects.map(name => `--project=${name}`), '--passWithNoTests', ...reporters],
    { cwd: projectRoot, env, stdin: 'ignore', stdout: output, stderr: output, all: true, reject: false },
  )
  const counts = JSON.parse(await readFile(report, 'utf8').catch(() => '{}')) as Counts
  const { numPassedTests: passed = 0, numFailedTests: failed = 0, testResults = [] } = counts
  // A file that cannot be loaded fails without any test.
  const broken = testResults.filter(f => f.status === 'failed' && f.assertionResults.length === 0).length
  return { passed, failed: failed + broken, well: !vitest.failed, output: vitest.all ?? '' }
}

interface Counts {
  readonly numPassedTests?: number
  readonly numFailedTests?: number
  readonly testResults?: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[]
}
