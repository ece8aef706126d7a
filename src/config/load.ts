import { readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { execa } from 'execa'
import type { Problem } from '../report/problem.ts'
import { checkConfig } from './check.ts'
import { lineOf } from './lines.ts'
import type { Config } from './schema.ts'
import { redact } from './secrets.ts'

/** The result of `loadConfig`; `config` is set if no problem is an error. */
export interface Loaded {
  readonly config?: Config
  readonly problems: readonly Problem[]
}

/** What the process that reads a config file answers. */
export interface ReadModule {
  readonly value?: unknown
  readonly problem?: string
  readonly line?: number | undefined
}

// A config is data: importing it takes well under a second, on a busy machine a few.
const limitMilliseconds = 30_000

/**
 * Reads a config file (a TypeScript or JavaScript module with a default export) and checks it. The file runs in a
 * process of its own with a time limit, so that it cannot exit or hang this one. Never throws.
 */
export async function loadConfig(file: string): Promise<Loaded> {
  const read = await readModule(file)
  if (read.problem !== undefined) {
    return {
      problems: [
        {
          ruleId: 'config-unreadable',
          severity: 'error',
          location: {
            file,
            path: read.line === undefined ? '' : `line ${read.line}`,
            ...(read.line !== undefined && { line: read.line }),
          },
          message: redact(read.problem),
          suggest: 'export the config as `export default defineConfig({ … })`, or name another file with --config',
        },
      ],
    }
  }
  const checked = checkConfig(read.value, file)
  return { ...checked, problems: await withLines(checked.problems, file) }
}

/** Problems of a config file with the lines on which their places are written. */
export async function withLines(problems: readonly Problem[], file: string): Promise<Problem[]> {
  const source = problems.length > 0 ? await readFile(file, 'utf8').catch(() => '') : ''
  return problems.map(problem => {
    const line = lineOf(source, problem.location.path)
    return line === undefined ? problem : { ...problem, location: { ...problem.location, line } }
  })
}

async function readModule(file: string): Promise<ReadModule> {
  const found = await stat(file).catch((error: NodeJS.ErrnoException) => error.code ?? 'unknown')
  if (typeof found === 'string') return { problem: found === 'ENOENT' ? 'is not there' : `cannot be read (${found})` }
  if (!found.isFile()) return { problem: 'is not a file' }
  const result = await execa(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'read-module.ts'), resolve(file)],
    {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
      timeout: limitMilliseconds,
      forceKillAfterDelay: 1000,
      reject: false,
    },
  )
  const answer = String(result.stdio[3] ?? '')
  if (answer !== '') return JSON.parse(answer) as ReadModule
  if (result.timedOut) return { problem: `does not finish loading within ${limitMilliseconds / 1000} s` }
  // Node's own code for a module whose `await` never ends.
  if (result.exitCode === 13) return { problem: 'waits for something that never happens (top-level await)' }
  return { problem: `ends the process that loads it (${result.signal ?? `exit code ${result.exitCode}`})` }
}
