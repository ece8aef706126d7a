import { join } from 'node:path'
import type { Argv } from 'yargs'
import { projectRoot } from '../src/ansible/venv.ts'
import { documents } from '../src/generate/documents.ts'
import { writeFolder } from '../src/generate/folder.ts'
import { inventoriesOf } from '../src/generate/inventories.ts'
import { roleReadmes } from '../src/generate/roles.ts'
import { configOption, requireConfig } from './options.ts'

export const command = 'generate'
export const describe =
  "Write the inventories that the config makes, the runbook, the reference, and the roles' READMEs"
export const builder = (args: Argv) =>
  args.options(configOption).example('$0 generate', 'writes inventories/, each file only where it differs')

export async function handler(args: { config: string }): Promise<void> {
  const config = await requireConfig(args.config)
  const folders = new Map([
    ['inventories', inventoriesOf(config)],
    ['docs', documents(config)],
    ['roles', await roleReadmes(join(projectRoot, 'roles'))],
  ])
  for (const [folder, files] of folders) {
    const { written, removed } = await writeFolder(join(projectRoot, folder), files)
    for (const path of written) process.stdout.write(`written ${folder}/${path}\n`)
    for (const path of removed) process.stdout.write(`removed ${folder}/${path}\n`)
    process.stderr.write(
      written.length + removed.length === 0
        ? `${folder}/ is as ${args.config} makes it, ${files.size} files\n`
        : `${folder}/: ${written.length} of ${files.size} files written, ${removed.length} removed\n`,
    )
  }
}
