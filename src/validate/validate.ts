import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { listPlays } from '../ansible/listing.ts'
import { runPlaybook, syntaxCheck } from '../ansible/playbook.ts'
import { ensureVenv, projectRoot } from '../ansible/venv.ts'
import { definitions } from '../awx/definitions.ts'
import { readRoleOptions } from '../awx/project.ts'
import { awxRules } from '../awx/rules/index.ts'
import { type Config, loadConfig } from '../config/index.ts'
import { problemsOf } from '../config/rules/rule.ts'
import { generatedFolders } from '../generate/documents.ts'
import { compareFolder } from '../generate/folder.ts'
import { inventoryOf } from '../generate/inventories.ts'
import { checkInventory } from '../inventory/check.ts'
import { cronjobsGroup, inventory } from '../inventory/inventory.ts'
import { checkManifests } from '../kubernetes/schema.ts'
import type { Problem } from '../report/problem.ts'

/** Everything that is wrong, and whether the config itself is what is broken. */
export interface Validation {
  readonly problems: readonly Problem[]
  readonly configBroken: boolean
}

/**
 * Checks a config, the inventory made from it, the playbooks, and the manifests they render, with the project's rules
 * and with their real readers (ansible-inventory, ansible-playbook, the Kubernetes API's schema). Reads nothing outside
 * the project; the first use installs Ansible.
 *
 * @param log takes one line of progress at a time
 */
export async function validate(configFile: string, log: (line: string) => void): Promise<Validation> {
  const { config, problems } = await loadConfig(configFile)
  if (!config) return { problems, configBroken: true }
  await ensureVenv(log)
  log('generated files, playbooks, manifests')
  const drifted = await compareGenerated(config)
  // If the files differ from the config, checking how Ansible reads them would only repeat that.
  const inventories =
    drifted.length > 0 ? [] : checkInventory(join(projectRoot, 'inventories/production'), inventoryOf(config))
  const found = await Promise.all([drifted, inventories, checkAwx(config), manifests(config)])
  return { problems: [...problems, ...found.flat()].map(fromRoot), configBroken: false }
}

function fromRoot(problem: Problem): Problem {
  const { file, path } = problem.location
  return { ...problem, location: { file: file.startsWith('/') ? relative(projectRoot, file) : file, path } }
}

async function compareGenerated(config: Config): Promise<Problem[]> {
  const folders = [...(await generatedFolders(config, projectRoot))]
  const found = await Promise.all(folders.map(([folder, files]) => compareFolder(join(projectRoot, folder), files)))
  return found.flat()
}

/** Checks the playbooks with Ansible, and AWX's definitions, which refer to them. */
async function checkAwx(config: Config): Promise<Problem[]> {
  const files = (await readdir(join(projectRoot, 'playbooks')))
    .filter(file => file.endsWith('.yml'))
    .map(file => `playbooks/${file}`)
    .sort()
  // One run reads all of them. If it fails, each is read on its own to find the place.
  const listed = await listPlays(files, join(projectRoot, 'inventories/production/hosts.yml'))
  const broken = listed ? [] : (await Promise.all(files.map(file => syntaxCheck(file)))).flat()
  const project = {
    playbooks: new Map(files.map(file => [file, listed?.get(file) ?? []])),
    options: await readRoleOptions(projectRoot),
    inventory: inventory(config, {}),
  }
  const file = 'inventories/production/host_vars/awx.yml'
  return [...broken, ...problemsOf(awxRules, file, definitions(config), project)]
}

async function manifests(config: Config): Promise<Problem[]> {
  if (!inventory(config, {}).groups[cronjobsGroup]?.length) return []
  const folder = await mkdtemp(join(tmpdir(), 'backups-manifests-'))
  try {
    const play = await runPlaybook(
      {
        playbook: 'playbooks/render-backups.yml',
        inventory: join(projectRoot, 'inventories/production/hosts.yml'),
        extraVars: { backup_cronjob_render_directory: folder },
      },
      { log: () => {} },
    )
    if (play.exitCode !== 0) {
      return [
        {
          ruleId: 'manifests-not-rendered',
          severity: 'error',
          location: { file: 'playbooks/render-backups.yml', path: '' },
          message: lastError(play.output),
          suggest: 'run `npm run generate`, then run the playbook by hand to see its output',
        },
      ]
    }
    return (await checkManifests([join(folder, 'manifests.yaml')])).map(problem => ({
      ...problem,
      location: { file: 'roles/backup_cronjob/templates/manifests.yaml.j2', path: problem.location.path },
    }))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function lastError(output: string): string {
  const lines = output.split('\n').filter(line => /^(fatal|ERROR|\[ERROR\])/.test(line))
  return lines.at(-1)?.slice(0, 400) ?? 'the playbook failed'
}
