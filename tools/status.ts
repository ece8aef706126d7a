import { writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Argv } from 'yargs'
import type { Config } from '../src/config/index.ts'
import { readCredentials } from '../src/launch/credentials.ts'
import { exitCodes } from '../src/report/failure.ts'
import { memoryFolder } from '../src/status/memory.ts'
import type { PageSystem } from '../src/status/page.ts'
import { pageSystem } from '../src/status/page-system.ts'
import { reportStatus, summariseStatus } from '../src/status/report.ts'
import { readStatus, type Status, type SystemStatus } from '../src/status/status.ts'
import { chosenStore, colourful, configOption, requireConfig } from './options.ts'

export const command = 'status'
export const describe = 'Show how old and how many the copies of every system are, and what is wrong; reads only'
export const builder = (args: Argv) =>
  args
    .options({
      ...configOption,
      credentials: { type: 'string', describe: 'The credentials file, as for `plan`; its `Store: …` entries are used' },
      format: { choices: ['text', 'json'] as const, default: 'text' as const, describe: 'The output format' },
      store: { type: 'string', describe: 'The second copies in this store, one of `otherStores`' },
      html: { type: 'string', describe: 'Write the status page to this file as well' },
      watch: { type: 'boolean', default: false, describe: 'Show it again every minute until interrupted' },
    })
    .example('$0 status --credentials secrets.yml', 'the table, and the findings, worst first')
    .example('$0 status --credentials secrets.yml --html page.html', 'one document, with the histories as charts')
    .example('$0 status --credentials secrets.yml --watch', 'again every minute')
    .epilogue('Exit codes: 0 no findings, 1 findings, 2 config or usage error, 3 no bucket answered.')

interface Args {
  config: string
  credentials?: string
  format: 'text' | 'json'
  html?: string
  store?: string
  watch: boolean
}

const WATCH_MS = 60_000

export async function handler(args: Args): Promise<void> {
  const given = args.credentials === undefined ? {} : await readCredentials(args.credentials)
  const { config, credentials } = chosenStore(await requireConfig(args.config), given, args.store)
  const folder = memoryFolder(process.env)
  const interrupt = new AbortController()
  if (args.watch) process.once('SIGINT', () => interrupt.abort())
  for (;;) {
    const pages = new Map<string, PageSystem>()
    const onSystem = (status: SystemStatus) => void (args.html && pages.set(status.row.system, pageSystem(status)))
    const status = await readStatus({ config, credentials, folder, now: new Date(), onSystem })
    if (args.html) await writePage(args.html, config, status, pages)
    if (args.watch && process.stdout.isTTY) process.stdout.write('\u001b[2J\u001b[H')
    process.stdout.write(reportStatus(status, args.format, colourful(process.stdout)))
    process.stderr.write(`status: ${summariseStatus(status)}\n`)
    process.exitCode = exitCodeOf(status)
    if (!args.watch) return
    await sleep(WATCH_MS, undefined, { signal: interrupt.signal }).catch(() => {})
    if (interrupt.signal.aborted) return
  }
}

async function writePage(
  file: string,
  config: Config,
  { at, rows, findings }: Status,
  pages: ReadonlyMap<string, PageSystem>,
) {
  const { statusPage } = await import('../src/status/page.ts')
  const systems = rows.flatMap(({ system }) => pages.get(system) ?? [])
  await writeFile(file, statusPage({ organisation: config.organisation, at, systems, findings }))
  process.stderr.write(`status: written ${file}\n`)
}

function exitCodeOf({ rows, findings }: Status): number {
  if (findings.length === 0) return exitCodes.success
  return rows.every(({ state }) => state === 'no answer') ? exitCodes.unreachable : exitCodes.findings
}
