import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../config/index.ts'
import { architecturePicture, readRooms } from './architecture.ts'
import { findingsPage } from './findings.ts'
import { inventoriesOf } from './inventories.ts'
import { referencePages } from './reference.ts'
import { roleReadmes } from './roles.ts'
import { runbook } from './runbook.ts'

/**
 * Every file that `npm run generate` writes: folder below the project's root → path in that folder → text.
 *
 * @param root the project's root, whose roles and architecture page are read
 */
export async function generatedFolders(config: Config, root: string): Promise<Map<string, Map<string, string>>> {
  const architecture = await readFile(join(root, 'docs/ARCHITECTURE.md'), 'utf8')
  const reference = [...referencePages()].map(([path, text]): [string, string] => [`reference/${path}`, text])
  const docs = new Map([
    ...reference,
    ['RUNBOOK.md', runbook(config)],
    ['FINDINGS.md', findingsPage()],
    ['architecture.svg', await architecturePicture(readRooms(architecture))],
  ])
  return new Map([
    ['inventories', inventoriesOf(config)],
    ['docs', docs],
    ['roles', await roleReadmes(join(root, 'roles'))],
  ])
}
