import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { projectRoot } from '../../src/ansible/venv.ts'

const copied = ['src', 'tools', 'roles', 'playbooks', 'docs', 'images', 'inventories', 'backups.config.ts']
const files = ['package.json', 'package-lock.json', 'ansible.cfg', 'requirements.txt', 'tsconfig.json']

/** A copy of this project that a test may break, with the packages installed here. */
export interface ProjectCopy {
  readonly folder: string
  /** Replaces a text in a file, which must contain it. */
  edit(file: string, from: string | RegExp, to: string): Promise<void>
  /** Runs a command of the copy as a user would, in its folder and without a terminal. */
  backups(...args: string[]): Promise<{ code: number | undefined; out: string; err: string }>
  end(): Promise<void>
}

/** Copies the project into a temporary folder. */
export async function projectCopy(): Promise<ProjectCopy> {
  const folder = await mkdtemp(join(tmpdir(), 'backups-project-'))
  await Promise.all(
    [...copied, ...files].map(path => cp(join(projectRoot, path), join(folder, path), { recursive: true })),
  )
  for (const linked of ['node_modules', '.venv']) await symlink(join(projectRoot, linked), join(folder, linked))
  return {
    folder,
    async edit(file, from, to) {
      const path = join(folder, file)
      const text = await readFile(path, 'utf8')
      const changed = text.replace(from, () => to)
      if (changed === text) throw new Error(`${file} does not contain ${from}`)
      await writeFile(path, changed)
    },
    async backups(...args) {
      const command = [join(folder, 'tools/backups.js'), ...args]
      const result = await execa('node', command, { cwd: folder, reject: false, stdin: 'ignore' })
      return { code: result.exitCode, out: result.stdout, err: result.stderr }
    },
    end: () => rm(folder, { recursive: true, force: true }),
  }
}
