import type { Argv } from 'yargs'
import packageFile from '../package.json' with { type: 'json' }
import packages from '../package-lock.json' with { type: 'json' }
import { projectRoot } from '../src/ansible/venv.ts'
import { audit } from '../src/images/audit.ts'
import { readLock } from '../src/images/lock.ts'
import { type Change, renew } from '../src/images/renew.ts'
import { sbomOf, shipped } from '../src/images/sbom.ts'
import { CommandFailure, exitCodes } from '../src/report/failure.ts'
import { table } from '../src/report/table.ts'

export const command = 'images <action>'
export const describe = 'Update the versions of the packages in the images, list them, and ask for known weaknesses'
export const builder = (args: Argv) =>
  args
    .positional('action', {
      choices: ['renew', 'sbom', 'audit'] as const,
      demandOption: true,
      describe:
        'renew: write images/packages.lock with the versions that Debian has today; sbom: print what an image holds, in CycloneDX; audit: ask the npm registry for known weaknesses, 3 if it does not answer',
    })
    .options({
      image: { choices: shipped, default: 'agent' as const, describe: 'For sbom: the image' },
    })
    .example('$0 images renew', 'then read the differences, and build the images')
    .example('$0 images sbom --image drill > drill.cdx.json', 'for a scanner, or to keep beside the image')

interface Arguments {
  action: 'renew' | 'sbom' | 'audit'
  image: (typeof shipped)[number]
}

export async function handler({ action, image }: Arguments): Promise<void> {
  await { renew: renewed, sbom: () => printSbom(image), audit: audited }[action]()
}

async function renewed(): Promise<void> {
  const changes = await renew()
  process.stderr.write(`images/packages.lock: ${changes.length} changes\n`)
  if (changes.length > 0) process.stdout.write(asText(changes))
}

function printSbom(image: Arguments['image']): void {
  const { version, devDependencies } = packageFile
  const sbom = sbomOf(image, {
    locked: readLock(),
    npm: packages.packages,
    node: devDependencies.node,
    version,
  })
  process.stderr.write(`sbom: ${sbom.components.length} packages in the image ${image}\n`)
  process.stdout.write(`${JSON.stringify(sbom, null, 2)}\n`)
}

async function audited(): Promise<void> {
  const found = await audit(projectRoot)
  if (!found.asked) {
    throw new CommandFailure(
      exitCodes.unreachable,
      `audit: the npm registry could not be asked, so nothing is known of the packages: ${found.why}`,
      'run `npm run images -- audit` where npm reaches a registry that answers audits',
    )
  }
  const rows = found.vulnerable.map(({ name, severity, because }) => [name, severity, because.join('; ')])
  if (rows.length > 0) process.stdout.write(table(['package', 'severity', 'because'], rows))
  process.stderr.write(`audit: ${rows.length} packages with known weaknesses\n`)
  if (rows.length > 0) process.exitCode = exitCodes.findings
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
