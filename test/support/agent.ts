import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { onTestFinished } from 'vitest'

const MAIN = fileURLToPath(new URL('../../src/agent/main.ts', import.meta.url))

/** A folder for one test, deleted when the test ends. */
export async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'agent-test-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

/** The result of a run of the agent. */
export interface AgentRun {
  code: number | undefined
  /** The content of the termination log. */
  termination: string
  /** The last line on stdout. */
  result: Record<string, unknown>
  log: string
}

/** The variables by which the agent finds its programs on this machine, and Node its compiled code, as in the image. */
export function surroundings(): Record<string, string> {
  const { PATH = '', HOME = '/root', BACKUP_POSTGRES_PROGRAMS = '', NODE_COMPILE_CACHE = '' } = process.env
  return { PATH, HOME, BACKUP_POSTGRES_PROGRAMS, NODE_COMPILE_CACHE }
}

/**
 * Start the agent as a separate process, with only the given environment.
 *
 * @param under a program that starts it, with its arguments, such as `faketime`
 */
export function startAgent(
  env: Record<string, string>,
  args: string[] = [],
  user: { uid: number; gid: number } | undefined = undefined,
  under: readonly string[] = [],
) {
  const [program = '', ...rest] = [...under, process.execPath, MAIN, ...args]
  return execa(program, rest, {
    env: { ...surroundings(), ...env },
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
    // As Kubernetes does.
    forceKillAfterDelay: 30_000,
    ...(user ?? {}),
  })
}

/** Run the agent until it exits. */
export async function runAgent(env: Record<string, string>, args: string[] = []): Promise<AgentRun> {
  const log = join(await folder(), 'termination-log')
  const ended = await startAgent({ BACKUP_TERMINATION_LOG: log, ...env }, args)
  return {
    code: ended.exitCode,
    termination: existsSync(log) ? await readFile(log, 'utf8') : '',
    result: JSON.parse(ended.stdout.trim().split('\n').at(-1) || '{}'),
    log: ended.stderr,
  }
}

/**
 * The tools that the agent needs here, as in its image.
 * @throws Error naming the missing package
 */
export async function requireTools(packages: Record<string, string>): Promise<void> {
  for (const [tool, name] of Object.entries(packages)) {
    const { exitCode } = await execa('which', [tool], { reject: false })
    if (exitCode !== 0) throw new Error(`${tool} is missing: install the package ${name}`)
  }
}
