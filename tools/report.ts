import { writeFile } from 'node:fs/promises'
import type { Argv } from 'yargs'
import { type Evidence, monthOf, type SystemEvidence, systemEvidence } from '../src/evidence/evidence.ts'
import { evidencePage } from '../src/evidence/page.ts'
import { readCredentials } from '../src/launch/credentials.ts'
import { CommandFailure, exitCodes } from '../src/report/failure.ts'
import { memoryFolder } from '../src/status/memory.ts'
import { readStatus } from '../src/status/status.ts'
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
  const period = periodOf(month)
  const credentials = secrets === undefined ? {} : await readCredentials(secrets)
  const now = new Date()
  const read = new Map<string, SystemEvidence>()
  await readStatus({
    config,
    credentials,
    folder: memoryFolder(process.env),
    now,
    onSystem: ({ system, observed, findings }) => {
      const unread = findings.find(({ id }) => id === 'no-answer')?.message
      const found = systemEvidence(system, observed?.history() ?? [], observed?.drillHistory() ?? [], period, now)
      read.set(system.name, { ...found, ...(unread !== undefined && { unread }) })
    },
  })
  const systems = config.systems.flatMap(({ name }) => read.get(name) ?? [])
  const evidence: Evidence = { organisation: config.organisation, month, madeAt: now.toISOString(), systems }
  const name = to ?? `backups-${month}`
  await writeFile(`${name}.json`, `${JSON.stringify(evidence, null, 2)}\n`)
  await writeFile(`${name}.html`, evidencePage(evidence))
  const broken = systems.filter(({ chain, unread }) => chain.problems.length > 0 || unread !== undefined)
  const copies = systems.reduce((sum, system) => sum + system.copies.length, 0)
  const proofs = systems.reduce((sum, system) => sum + system.proofs.length, 0)
  process.stderr.write(`report: ${copies} copies, ${proofs} proofs; written ${name}.html and ${name}.json\n`)
  for (const { system, chain, unread } of broken) {
    process.stderr.write(`report: ${system}: ${unread ?? chain.problems[0]}\n`)
  }
  if (broken.length > 0) process.exitCode = exitCodes.findings
}

function periodOf(month: string): { from: Date; to: Date } {
  try {
    return monthOf(month)
  } catch (error) {
    throw new CommandFailure(exitCodes.usage, (error as Error).message, 'write it as 2026-10')
  }
}
