import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { CommandFailure, exitCodes } from '../report/failure.ts'

/** The result of `writeFolder`: paths below the folder. */
export interface Written {
  readonly written: string[]
  readonly removed: string[]
}

/** One file of a folder that is not as the config makes it. */
export interface Drift {
  /** Below the folder. */
  readonly path: string
  /** The first line that differs, counted from 1. */
  readonly line?: number
  /** What is wrong, one line. */
  readonly message: string
}

/** How every generated file begins, whatever its comments look like. */
const mark = /^(#|<!--|\/\/) Made from .+ by `npm run generate`/

/** A file of which only regions are generated; they replace nothing that was written by hand. */
const hasRegions = (text: string) => / *# BEGIN generated /.test(text)

/**
 * Makes a folder's generated files those given: writes what differs, each whole or not at all, and removes what was
 * generated and is no longer generated. A file without the mark of a generated one is never changed or removed.
 *
 * @throws CommandFailure, before anything is written, if a file without the mark is in the way
 */
export async function writeFolder(folder: string, files: ReadonlyMap<string, string>): Promise<Written> {
  const present = await filesIn(folder)
  for (const path of files.keys()) {
    const now = present.get(path)
    if (now !== undefined && !mark.test(now) && !hasRegions(now)) {
      throw new CommandFailure(
        exitCodes.findings,
        `${join(folder, path)} was not generated, and would be overwritten`,
        'move it away, or remove it if nobody needs it, and run `npm run generate` again',
      )
    }
  }
  const written: string[] = []
  for (const [path, text] of files) {
    if (present.get(path) === text) continue
    const target = join(folder, path)
    await mkdir(dirname(target), { recursive: true })
    await writeFile(`${target}.new`, text)
    await rename(`${target}.new`, target)
    written.push(path)
  }
  const removed = stale(present, files)
  for (const path of removed) await rm(join(folder, path))
  return { written, removed }
}

/** Every generated file of a folder that is missing, differs, or that the config no longer makes. */
export async function compareFolder(folder: string, files: ReadonlyMap<string, string>): Promise<Drift[]> {
  const present = await filesIn(folder)
  const drifted: Drift[] = []
  for (const [path, text] of files) {
    const now = present.get(path)
    if (now === undefined) drifted.push({ path, message: 'is missing' })
    else if (now !== text) drifted.push({ path, ...firstDifference(now, text) })
  }
  return [...drifted, ...stale(present, files).map(path => ({ path, message: 'is no longer generated' }))]
}

function stale(present: ReadonlyMap<string, string>, files: ReadonlyMap<string, string>): string[] {
  return [...present].filter(([path, text]) => !files.has(path) && mark.test(text)).map(([path]) => path)
}

function firstDifference(now: string, wanted: string): { line: number; message: string } {
  const [a, b] = [now.split('\n'), wanted.split('\n')]
  const index = a.findIndex((text, i) => text !== b[i])
  const at = index === -1 ? a.length : index
  const show = (text: string | undefined) => (text === undefined ? 'nothing' : `\`${text.trim()}\``)
  return { line: at + 1, message: `differs at line ${at + 1}: has ${show(a[at])}, should have ${show(b[at])}` }
}

async function filesIn(folder: string): Promise<Map<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  const files = new Map<string, string>()
  for (const entry of entries) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    files.set(path.slice(folder.length + 1), await readFile(path, 'utf8'))
  }
  return files
}
