import { join } from 'node:path'
import type { Argv } from 'yargs'
import { projectRoot } from '../src/ansible/venv.ts'
import { allInventoryFiles } from '../src/inventory/environments.ts'
import { writeFolder } from '../src/inventory/folder.ts'
import { configOption, requireConfig } from './options.ts'

export const command = 'generate'
export const describe = 'Write the inventories that the config makes'
export const builder = (args: Argv) =>
  args.options(configOption).example('$0 generate', 'writes inventories/, each file only where it differs')

export async function handler(args: { config: string }): Promise<void> {
  const config = await requireConfig(args.config)
  const files = allInventoryFiles(config)
  const { written, removed } = await writeFolder(join(projectRoot, 'inventories'), files)
  for (const path of written) process.stdout.write(`written inventories/${path}\n`)
  for (const path of removed) process.stdout.write(`removed inventories/${path}\n`)
  process.stderr.write(
    written.length + removed.length === 0
      ? `inventories/ is as ${args.config} makes it, ${files.size} files\n`
      : `${written.length} of ${files.size} files written, ${removed.length} removed\n`,
  )
}
