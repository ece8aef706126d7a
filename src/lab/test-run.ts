import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { execa } from 'execa'
import { projectRoot } from '../ansible/venv.ts'

const vitest = join(projectRoot, 'node_modules/.bin/vitest')

/** The results of a project of `vitest.config.ts`. */
export interface TestCounts {
  readonly passed: number
  /** Tests that failed, and files that failed outside of their tests. */
  readonly failures: readonly TestFailure[]
  /** Whether vitest itself exited with 0. */
  readonly succeeded: boolean
}

export interface TestFailure {
  readonly project: string
  /** The test's file, relative to the project's root. */
  readonly file: string
  /** The test's full name; missing if the file failed outside of its tests. */
  readonly test?: string
  readonly message: string
}

/** Projects of `vitest.config.ts`, by what they need. */
const withoutLab = ['unit', 'ansible']
const onStore = ['agent', 'soak']
/** What the whole lab's tests change, too. */
const onClusterAndHost = ['cluster', 'host']
const onWhole = ['whole']
/** It takes an hour, and runs only if it is asked for. */
const byNameOnly = 'soak'

/**
 * Runs the tests whose path contains one of the words; all of them if there are no words. What can run side by side
 * does: the tests that need no lab start at once, those on different parts of the lab when it is up, and those on the
 * whole lab when its cluster and its host are free.
 *
 * @param startLab returns the environment in which tests find the lab; called only if a test needs one
 * @param print gets the output of vitest, a line at a time, with the project's name in front
 */
export async function runTests(
  words: readonly string[],
  startLab: () => Promise<Record<string, string>>,
  print: (line: string) => void,
): Promise<TestCounts> {
  const folder = await mkdtemp(join(tmpdir(), 'backups-test-'))
  const matching = await projectsWith(words)
  if (!words.includes(byNameOnly)) matching.delete(byNameOnly)
  const run = (projects: readonly string[], environment?: Record<string, string>) =>
    Promise.all(
      projects
        .filter(project => matching.has(project))
        .map(project => runProject(project, words, environment, folder, print)),
    )
  const withLab = async () => {
    if (![...onStore, ...onClusterAndHost, ...onWhole].some(project => matching.has(project))) return []
    const environment = await startLab()
    const afterParts = async () => [...(await run(onClusterAndHost, environment)), ...(await run(onWhole, environment))]
    return (await Promise.all([run(onStore, environment), afterParts()])).flat()
  }
  try {
    const counts = await Promise.all([run(withoutLab), withLab()])
    return counts.flat().reduce(sum, { passed: 0, failures: [], succeeded: true })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function sum(one: TestCounts, other: TestCounts): TestCounts {
  return {
    passed: one.passed + other.passed,
    failures: [...one.failures, ...other.failures],
    succeeded: one.succeeded && other.succeeded,
  }
}

/** The projects that have a test file whose path contains one of the words. */
async function projectsWith(words: readonly string[]): Promise<Set<string>> {
  const { stdout } = await execa(vitest, ['list', '--filesOnly', ...words, '--json'], { cwd: projectRoot })
  const files = JSON.parse(stdout) as { readonly projectName: string }[]
  return new Set(files.map(({ projectName }) => projectName))
}

/** @param environment missing for tests that need no lab; they yield the processor to those that do */
async function runProject(
  project: string,
  words: readonly string[],
  environment: Record<string, string> | undefined,
  folder: string,
  print: (line: string) => void,
): Promise<TestCounts> {
  const started = performance.now()
  const report = join(folder, `${project}.json`)
  const command = [vitest, 'run', ...words, `--project=${project}`]
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const running = execa('nice', [`--adjustment=${environment ? 0 : 10}`, ...command, ...reporters], {
    cwd: projectRoot,
    env: { ...environment },
    stdin: 'ignore',
    all: true,
    reject: false,
  })
  for await (const line of running.iterable({ from: 'all' })) print(`${project} | ${line}`)
  const { failed } = await running
  const minutes = (performance.now() - started) / 60_000
  print(`${project} | ${failed ? 'FAILED' : 'done'} after ${minutes.toFixed(1)} min`)
  return { ...(await countsOf(project, report)), succeeded: !failed }
}

interface Report {
  readonly numPassedTests?: number
  readonly testResults?: readonly {
    readonly name: string
    readonly status: string
    readonly message: string
    readonly assertionResults: readonly {
      readonly fullName: string
      readonly status: string
      readonly failureMessages: readonly string[]
    }[]
  }[]
}

async function countsOf(project: string, report: string): Promise<Omit<TestCounts, 'succeeded'>> {
  const { numPassedTests: passed = 0, testResults = [] } = JSON.parse(
    await readFile(report, 'utf8').catch(() => '{}'),
  ) as Report
  const failures = testResults.flatMap(({ name, status, message, assertionResults }): TestFailure[] => {
    const file = relative(projectRoot, name)
    const failed = assertionResults.filter(test => test.status === 'failed')
    // A file that does not load, or whose hooks throw, fails without a failed test.
    if (status === 'failed' && failed.length === 0) return [{ project, file, message }]
    return failed.map(test => ({ project, file, test: test.fullName, message: test.failureMessages.join('\n') }))
  })
  return { passed, failures }
}
