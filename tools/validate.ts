import type { Argv } from 'yargs'
import { exitCodes } from '../src/report/failure.ts'
import { type Format, reportProblems } from '../src/report/problems.ts'
import { validate } from '../src/validate/validate.ts'
import { colourful, configOption, formatOption } from './options.ts'

export const command = 'validate'
export const describe = 'Check the config, the generated files, the playbooks, and the manifests they render'
export const builder = (args: Argv) =>
  args
    .options({ ...configOption, ...formatOption })
    .example('$0 validate', '')
    .example('$0 validate --format github', "annotations in a GitHub workflow's summary")

export async function handler(args: { config: string; format: Format }): Promise<void> {
  const started = performance.now()
  const { problems, configBroken } = await validate(args.config, line => process.stderr.write(`validate: ${line}\n`))
  process.stdout.write(reportProblems(problems, args.format, colourful(process.stdout)))
  const errors = problems.filter(problem => problem.severity === 'error').length
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  process.stderr.write(
    `validate: ${errors} errors, ${problems.length - errors} warnings in ${args.config} (${seconds} s)\n`,
  )
  if (errors > 0) process.exitCode = configBroken ? exitCodes.usage : exitCodes.findings
}
