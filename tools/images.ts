import type { Argv } from 'yargs'
import { type Change, renew } from '../src/images/renew.ts'
import { table } from '../src/report/table.ts'

export const command = 'images <action>'
export const describe = 'Update the versions of the Debian packages in the images'
export const builder = (args: Argv) =>
  args
    .positional('action', {
      choices: ['renew'] as const,
      demandOption: true,
      describe: 'renew: write images/packages.lock with the versions that Debian has today',
    })
    .example('$0 images renew', 'then read the differences, and build the images')

export async function handler(): Promise<void> {
  const changes = await renew()
  process.stderr.write(`images/packages.lock: ${changes.length} changes\n`)
  if (changes.length > 0) process.stdout.write(asText(changes))
}

function asText(changes: readonly Change[]): string {
  const said = (entry: Change['before']) => (entry === undefined ? '–' : `${entry.version} (${entry.suite})`)
  return table(
    ['image', 'package', 'before', 'now'],
    changes.map(({ before, after }) => [
      (after ?? before)?.image ?? '',
      (after ?? before)?.name ?? '',
      said(before),
      said(after),
    ]),
  )
}
