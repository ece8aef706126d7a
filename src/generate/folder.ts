import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { generatedMark } from '../inventory/files.ts'
import type { Problem } from '../report/problem.ts'

/** The result of `writeFolder`: paths below the folder. */
export interface Written {
  readonly written: string[]
  readonly removed: string[]
}

/** Updates a folder's generated files: writes those that differ, each atomically, and removes stale ones. */
export async function writeFolder(folder: string, files: ReadonlyMap<string, string>): Promise<Written> {
  const present = await generatedIn(folder, files)
  const written: string[] = []
  for (const [path, text] of files) {
    if (present.get(path) === text) continue
    const target = join(folder, path)
    await mkdir(dirname(target), { recursive: true })
    await writeFile(`${target}.new`, text)
    await rename(`${target}.new`, target)
    written.push(path)
  }
  const removed = [...present.keys()].filter(path => !files.has(path))
  for (const path of removed) await rm(join(folder, path))
  return { written, removed }
}

/** A problem for each generated file that is missing, differs, or that the config no longer makes. */
export async function compareFolder(folder: string, files: ReadonlyMap<string, string>): Promise<Problem[]> {
  const present = await generatedIn(folder, files)
  const problem = (ruleId: string, path: string, message: string): Problem => ({
    ruleId,
    severity: 'error',
    location: { file: join(folder, path), path: '' },
    message,
    suggest: 'run `npm run generate` and commit what it writes',
  })
  const problems: Problem[] = []
  for (const [path, text] of files) {
    const now = present.get(path)
    if (now === undefined) problems.push(problem('generated-missing', path, 'is missing'))
    else if (now !== text) problems.push(problem('generated-drifted', path, firstDifference(now, text)))
  }
  for (const path of present.keys()) {
    if (!files.has(path)) problems.push(problem('generated-stale', path, 'is no longer generated'))
  }
  return problems
}

function firstDifference(now: string, wanted: string): string {
  const [a, b] = [now.split('\n'), wanted.split('\n')]
  const index = a.findIndex((text, i) => text !== b[i])
  const at = index === -1 ? a.length : index
  const show = (text: string | undefined) => (text === undefined ? 'nothing' : `\`${text.trim()}\``)
  return `differs from the config at line ${at + 1}: has ${show(a[at])}, should have ${show(b[at])}`
}

/** Every file below a folder that is generated, has the generated mark, or is where only generated files belong. */
async function generatedIn(folder: string, made: ReadonlyMap<string, string>): Promise<Map<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  const files = new Map<string, string>()
  const generated = (path: string, text: string) =>
    made.has(path) || text.startsWith(generatedMark) || path.includes('host_vars/') || path.endsWith('hosts.yml')
  for (const entry of entries) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    const text = await readFile(path, 'utf8')
    const relative = path.slice(folder.length + 1)
    if (generated(relative, text)) files.set(relative, text)
  }
  return files
}
