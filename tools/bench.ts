import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Argv } from 'yargs'
import { ensureVenv, projectRoot } from '../src/ansible/venv.ts'
import { raiseLab, testEnvironment } from '../src/lab/lab.ts'
import { ensureTestTools } from '../src/lab/test-tools.ts'
import { CommandFailure, exitCodes } from '../src/report/failure.ts'
import { table } from '../src/report/table.ts'
import { requireConfig } from './options.ts'

export const command = 'bench [name]'
export const describe = 'Measure this software, the images in use today, and the limit of the machine'
export const builder = (args: Argv) =>
  args
    .positional('name', {
      type: 'string',
      describe: 'A file of test/bench, or one of its benches, such as `media-first`; default: all',
    })
    .options({
      format: { choices: ['text', 'json'] as const, default: 'text' as const, describe: 'Output format' },
    })
    .example('$0 bench media', '')

/** One measured way of doing a thing. `way`: `ours`, `today` (the seeds' way), `limit`, a peer's name, or a variant. */
interface Row {
  readonly bench: string
  readonly way: string
  readonly seconds: number
  readonly [figure: string]: string | number | undefined
}

export async function handler({ name, format }: { name?: string; format: 'text' | 'json' }): Promise<void> {
  const log = (line: string) => process.stderr.write(`bench: ${line}\n`)
  const folder = join(projectRoot, 'test/bench')
  const known = (await readdir(folder)).filter(file => file.endsWith('.ts')).map(file => file.slice(0, -3))
  const files = known.filter(file => name === undefined || name === file || name.startsWith(`${file}-`))
  if (files.length === 0) {
    throw new CommandFailure(exitCodes.usage, `there is no bench \`${name}\``, `use one of ${known.join(', ')}`)
  }
  await ensureVenv(log)
  if (files.some(file => file !== 'config')) {
    await ensureTestTools(log)
    const lab = await raiseLab(await requireConfig(join(projectRoot, 'backups.config.ts')), { log })
    Object.assign(process.env, await testEnvironment(lab, log))
  }
  const rows: Row[] = []
  for (const bench of files) {
    log(bench)
    const { run } = (await import(join(folder, `${bench}.ts`))) as { run: () => Promise<Row[]> }
    rows.push(...(await run()).filter(row => name === undefined || name === bench || row.bench === name))
  }
  process.stdout.write(format === 'json' ? `${JSON.stringify(rows, null, 2)}\n` : asText(rows))
}

function asText(rows: readonly Row[]): string {
  const columns = [...new Set(rows.flatMap(row => Object.keys(row)))]
  return table(
    columns,
    rows.map(row => columns.map(column => rounded(row[column]))),
  )
}

function rounded(value: string | number | undefined): string | number {
  return typeof value === 'number' ? Math.round(value * 100) / 100 : (value ?? '')
}
