import { readFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import type { Config } from '../config/index.ts'
import { CommandFailure, exitCodes } from '../report/failure.ts'
import type { Problem } from '../report/problem.ts'
import { accessManifests } from './access.ts'
import { architecturePicture, readRooms } from './architecture.ts'
import { configTypes } from './config-types.ts'
import { findingsPage } from './findings.ts'
import { compareFolder, type Drift, type Written, writeFolder } from './folder.ts'
import { inventoriesOf } from './inventories.ts'
import { referencePages } from './reference.ts'
import { roleOptionFiles } from './role-options.ts'
import { roleReadmes } from './roles.ts'
import { runbook } from './runbook.ts'

/**
 * Every folder that `npm run generate` writes, with its files: folder → path in it → text. What the config makes is
 * written beside it; the reference, the roles' READMEs and the like belong to the project.
 *
 * @param root the config file's folder
 * @param project the project's root, whose roles and architecture page are read
 */
async function generatedFolders(
  config: Config,
  root: string,
  project: string,
): Promise<Map<string, Map<string, string>>> {
  const folders = new Map([
    [join(root, 'inventories'), inventoriesOf(config)],
    [join(root, 'docs'), new Map([['RUNBOOK.md', runbook(config)], ...accessManifests(config)])],
  ])
  if (root !== project) return folders
  const architecture = await readFile(join(project, 'docs/ARCHITECTURE.md'), 'utf8')
  const docs = folders.get(join(root, 'docs'))
  for (const [path, text] of referencePages()) docs?.set(`reference/${path}`, text)
  docs?.set('FINDINGS.md', findingsPage())
  docs?.set('architecture.svg', await architecturePicture(readRooms(architecture)))
  folders.set(join(project, 'src/config'), new Map([['config-types.ts', configTypes()]]))
  const roles = join(project, 'roles')
  const options = await roleOptionFiles(roles)
  return folders.set(roles, new Map([...options, ...(await roleReadmes(roles, options))]))
}

/**
 * Writes everything that is generated from a config, beside its file. Paths are absolute.
 *
 * @throws CommandFailure if another config of the same folder owns what is there
 */
export async function writeGenerated(
  config: Config,
  configFile: string,
  project: string,
): Promise<Written & { files: number }> {
  if (dirname(resolve(configFile)) === project && basename(configFile) !== 'backups.config.ts') {
    throw new CommandFailure(
      exitCodes.usage,
      `${configFile} lies beside backups.config.ts, whose inventories and runbook it would overwrite`,
      'move it into a folder of its own',
    )
  }
  const written: string[] = []
  const removed: string[] = []
  let files = 0
  for (const [folder, made] of await generatedFolders(config, dirname(resolve(configFile)), project)) {
    const done = await writeFolder(folder, made)
    written.push(...done.written.map(path => join(folder, path)))
    removed.push(...done.removed.map(path => join(folder, path)))
    files += made.size
  }
  return { written, removed, files }
}

/** Every file generated from a config that is not as the config makes it. Paths are absolute. */
export async function compareGenerated(config: Config, configFile: string, project: string): Promise<Drift[]> {
  const folders = await generatedFolders(config, dirname(resolve(configFile)), project)
  const found = await Promise.all(
    [...folders].map(async ([folder, made]) =>
      (await compareFolder(folder, made)).map(drift => ({ ...drift, path: join(folder, drift.path) })),
    ),
  )
  return found.flat()
}

/** What `compareGenerated` found, as one problem: one command corrects it. */
export function generatedProblem(drifted: readonly Drift[], configFile: string, project: string): Problem {
  const root = dirname(resolve(configFile))
  const [first] = drifted
  const more = drifted.length > 1 ? `, and ${drifted.length - 1} more files differ from what the config generates` : ''
  const option = resolve(configFile) === resolve(project, 'backups.config.ts') ? '' : ` -- --config ${configFile}`
  return {
    ruleId: 'generated-differs',
    severity: 'error',
    location: {
      file: first?.path ?? join(root, 'inventories'),
      path: '',
      ...(first?.line !== undefined && { line: first.line }),
    },
    message: `${first?.message ?? 'differs'}${more}`,
    suggest: `run \`npm run generate${option}\` and commit what it writes`,
  }
}
