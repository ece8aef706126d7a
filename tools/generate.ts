import { join } from 'node:path'
import type { Argv } from 'yargs'
import { projectRoot } from '../src/ansible/venv.ts'
import { generatedFolders } from '../src/generate/documents.ts'
import { writeFolder } from '../src/generate/folder.ts'
import { configOption, requireConfig } from './options.ts'

export const command = 'generate'
export const describe =
  "Write the inventory, the runbook, the reference, the roles' READMEs and the picture of the rooms"
export const builder = (args: Argv) =>
  args.options(configOption).example('$0 generate', 'writes each file only if it differs')

export async function handler(args: { config: string }): Promise<void> {
  const config = await requireConfig(args.config)
  for (const [folder, files] of await generatedFolders(config, projectRoot)) {
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
