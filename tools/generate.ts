import { relative } from 'node:path'
import type { Argv } from 'yargs'
import { projectRoot } from '../src/ansible/venv.ts'
import { compareGenerated, generatedProblem, writeGenerated } from '../src/generate/documents.ts'
import { exitCodes } from '../src/report/failure.ts'
import { reportProblems } from '../src/report/problems.ts'
import { colourful, configOption, requireConfig } from './options.ts'

export const command = 'generate'
export const describe = 'Write the inventories, the runbook and the reference, beside the config file'
export const builder = (args: Argv) =>
  args
    .options({
      ...configOption,
      check: { type: 'boolean', default: false, describe: 'Write nothing; fail if a file would change' },
    })
    .example('$0 generate', 'writes each file only if it differs')

export async function handler({ config: file, check }: { config: string; check: boolean }): Promise<void> {
  const config = await requireConfig(file)
  if (check) {
    const drifted = await compareGenerated(config, file, projectRoot)
    for (const { path, message } of drifted) process.stdout.write(`${relative('', path)} ${message}\n`)
    if (drifted.length === 0) return
    process.stderr.write(
      reportProblems([generatedProblem(drifted, file, projectRoot)], 'text', colourful(process.stderr)),
    )
    process.exitCode = exitCodes.findings
    return
  }
  const { written, removed, files } = await writeGenerated(config, file, projectRoot)
  for (const path of written) process.stdout.write(`written ${relative('', path)}\n`)
  for (const path of removed) process.stdout.write(`removed ${relative('', path)}\n`)
  process.stderr.write(`generate: ${written.length} of ${files} files written, ${removed.length} removed\n`)
}
