import { CommandFailure, exitCodes } from '../src/report/failure.ts'
import { runCheckers } from '../src/validate/checkers.ts'

export const command = 'check'
export const describe = 'Check format and types, and run the unit tests'
export const builder = {}

export async function handler(): Promise<void> {
  const failed = await runCheckers(['biome', 'tsc', 'vitest'], line => process.stderr.write(`check: ${line}\n`))
  if (failed.length > 0) {
    throw new CommandFailure(
      exitCodes.findings,
      `${failed.join(', ')} failed`,
      'see the output above; `npm run format` fixes what can be fixed automatically',
    )
  }
}
