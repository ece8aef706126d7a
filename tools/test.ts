import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import type { Argv } from 'yargs'
import { ensureVenv, projectRoot } from '../src/ansible/venv.ts'
import { faultMatrix } from '../src/lab/fault-matrix.ts'
import { raiseLab, testEnvironment } from '../src/lab/lab.ts'
import { runTests } from '../src/lab/test-run.ts'
import { ensureTestTools } from '../src/lab/test-tools.ts'
import { CommandFailure, exitCodes } from '../src/report/failure.ts'
import { requireConfig } from './options.ts'

/** How much of a failure's message is repeated at the end. */
const causeLines = 20

export const command = 'test [words..]'
export const describe = 'Run all tests, or those whose path contains one of the words'
export const builder = (args: Argv) =>
  args
    .positional('words', { type: 'string', array: true, default: [] as string[] })
    .example('$0 test', 'every level, on the real parts of the lab')
    .example('$0 test unit', 'the unit tests; like `ansible` and `awx` they need no lab')
    .example('$0 test media', 'everything about media, at every level')
    .example(
      '$0 test soak',
      '200 runs of each kind with random faults; BACKUPS_SOAK_RUNS and _SEED choose others (an hour)',
    )
    .example('$0 test faults', 'the whole matrix of faults, and docs/FAULTS.md from it (half an hour)')

export async function handler({ words }: { words: string[] }): Promise<void> {
  const log = (line: string) => process.stderr.write(`test: ${line}\n`)
  await ensureVenv(log)
  const interrupt = new AbortController()
  process.once('SIGINT', () => interrupt.abort())
  process.once('SIGTERM', () => interrupt.abort())
  // All cells of the matrix, if it is asked for by its name; otherwise each fault once.
  const matrix = words.includes('faults') ? await mkdtemp(join(tmpdir(), 'backups-faults-')) : undefined
  const startLab = async () => {
    await ensureTestTools(log)
    const config = await requireConfig(join(projectRoot, 'backups.config.ts'))
    const environment = await testEnvironment(await raiseLab(config, { log, signal: interrupt.signal }), log)
    return { ...environment, ...(matrix && { BACKUPS_TEST_FAULTS: matrix }) }
  }
  const counts = await runTests(words, startLab, line => process.stdout.write(`${line}\n`))
  if (counts.passed + counts.failures.length === 0) {
    throw new CommandFailure(
      exitCodes.findings,
      'no test was run',
      'name a word that the path of a test contains, or none for all tests',
    )
  }
  // At the end, since the levels run side by side and a CI may keep the end of the output only.
  for (const { project, file, test, message } of counts.failures) {
    const lines = stripVTControlCharacters(message)
      .split('\n')
      .filter(line => !/^ *at (new Promise|.*node_modules)/.test(line))
    const cause = lines.slice(0, causeLines).join('\n    ')
    process.stdout.write(`FAILED ${project} | ${file}${test ? ` > ${test}` : ''}\n    ${cause}\n`)
  }
  if (matrix && counts.succeeded) await writeMatrix(matrix)
  process.stdout.write(`${counts.passed} passed, ${counts.failures.length} failed\n`)
  if (!counts.succeeded) process.exitCode = exitCodes.findings
}

/** @throws CommandFailure if the tests left a cell empty */
async function writeMatrix(folder: string): Promise<void> {
  const { page, empty } = await faultMatrix(folder)
  if (empty.length > 0) {
    throw new CommandFailure(
      exitCodes.findings,
      `cells of the matrix are empty: ${empty.join('; ')}`,
      'test them, or write in test/faults why there is nothing to test',
    )
  }
  await writeFile(join(projectRoot, 'docs/FAULTS.md'), page)
  await rm(folder, { recursive: true })
}
