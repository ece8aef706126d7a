import { join } from 'node:path'
import { execa } from 'execa'
import { ansibleEnvironment } from '../ansible/playbook.ts'
import { ensureVenv, projectRoot } from '../ansible/venv.ts'

const npm = join(projectRoot, 'node_modules/.bin')
const python = join(projectRoot, '.venv/bin')

/** The linters and test runners of the project, as they are called at its root. */
const commands = {
  biome: [npm, 'check', '.'],
  tsc: [npm, '--noEmit'],
  knip: [npm],
  'ansible-lint': [python, '--offline'],
  // By default vitest leaves one processor free.
  vitest: [npm, 'run', '--project=unit', '--maxWorkers=100%', 'test/unit'],
} as const satisfies Record<string, readonly [folder: string, ...args: string[]]>

export type Checker = keyof typeof commands

/**
 * Runs checkers one after another, each with its output on this process's own, and returns those that failed. A failure
 * does not stop the others. Installs Ansible first if it is missing.
 *
 * @param log takes one line of progress at a time
 */
export async function runCheckers(names: readonly Checker[], log: (line: string) => void): Promise<Checker[]> {
  const bin = await ensureVenv(log)
  const failed: Checker[] = []
  for (const name of names) {
    const [folder, ...args] = commands[name]
    log([name, ...args].join(' '))
    const result = await execa(join(folder, name), args, {
      cwd: projectRoot,
      env: ansibleEnvironment(bin),
      extendEnv: false,
      stdio: ['ignore', 'inherit', 'inherit'],
      reject: false,
    })
    if (result.failed) failed.push(name)
  }
  return failed
}
