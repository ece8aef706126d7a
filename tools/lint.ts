import { CommandFailure, exitCodes } from '../src/report/failure.ts'
import { runCheckers } from '../src/validate/checkers.ts'

export const command = 'lint'
export const describe = 'Run Biome, tsc and knip on the TypeScript, and ansible-lint on the Ansible'
export const builder = {}

export async function handler(): Promise<void> {
  const failed = await runCheckers(['biome', 'tsc', 'knip', 'ansible-lint'], line =>
    process.stderr.write(`lint: ${line}\n`),
  )
  if (failed.length > 0)
    throw new CommandFailure(exitCodes.findings, `${failed.join(', ')} failed`, 'see the output above')
}
