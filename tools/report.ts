import { writeFile } from 'node:fs/promises'
import type { Argv } from 'yargs'
import { monthOf } from '../src/evidence/evidence.ts'
import { evidencePage } from '../src/evidence/page.ts'
import { readEvidence, summariseEvidence } from '../src/evidence/read.ts'
import { readCredentials } from '../src/launch/credentials.ts'
import { CommandFailure, exitCodes } from '../src/report/failure.ts'
import { memoryFolder } from '../src/status/memory.ts'
import { configOption, requireConfig } from './options.ts'

export const command = 'report'
export const describe = 'Write what the receipts prove of a month, as HTML and JSON; reads only'
export const builder = (args: Argv) =>
  args
    .options({
      ...configOption,
      month: { type: 'string', demandOption: true, describe: 'The month, UTC, such as 2026-10' },
      credentials: { type: 'string', describe: 'The credentials file, as for `status`' },
      to: { type: 'string', describe: 'The files without their ending; default: backups-<month>' },
    })
    .example('$0 report --month 2026-10 --credentials secrets.yml', 'backups-2026-10.html and backups-2026-10.json')
    .epilogue(
      'Buckets keep the receipts of removed copies for 35 days: make it in the first days of the next month. Exit codes: 0 success, 1 a chain of receipts is broken or a bucket was not read, 2 config or usage error.',
    )

interface Args {
  config: string
  month: string
  credentials?: string
  to?: string
}

export async function handler({ config: file, month, credentials: secrets, to }: Args): Promise<void> {
  const config = await requireConfig(file)
  refuseMonth(month)
  const credentials = secrets === undefined ? {} : await readCredentials(secrets)
  const evidence = await readEvidence({
    config,
    credentials,
    folder: memoryFolder(process.env),
    month,
    now: new Date(),
  })
  const name = to ?? `backups-${month}`
  await writeFile(`${name}.json`, `${JSON.stringify(evidence, null, 2)}\n`)
  await writeFile(`${name}.html`, evidencePage(evidence))
  const { summary, broken } = summariseEvidence(evidence)
  process.stderr.write(`report: ${summary}; written ${name}.html and ${name}.json\n`)
  for (const line of broken) process.stderr.write(`report: ${line}\n`)
  if (broken.length > 0) process.exitCode = exitCodes.findings
}

function refuseMonth(month: string): void {
  try {
    monthOf(month)
  } catch (error) {
    throw new CommandFailure(exitCodes.usage, (error as Error).message, 'write it as 2026-10')
  }
}
