import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { listPlays } from '../ansible/listing.ts'
import { runPlaybook, syntaxCheck } from '../ansible/playbook.ts'
import { ensureVenv, projectRoot } from '../ansible/venv.ts'
import { definitions } from '../awx/definitions.ts'
import { readRoleOptions } from '../awx/project.ts'
import { awxRules } from '../awx/rules/index.ts'
import { type Config, loadConfig, withLines } from '../config/index.ts'
import { problemsOf } from '../config/rules/rule.ts'
import { compareGenerated, generatedProblem } from '../generate/documents.ts'
import { writeFolder } from '../generate/folder.ts'
import { inventoryOf } from '../generate/inventories.ts'
import { checkInventory } from '../inventory/check.ts'
import { inventoryFiles } from '../inventory/files.ts'
import { type Inventory, inventory } from '../inventory/inventory.ts'
import { cronjobsGroup, statusGroup } from '../kinds/groups.ts'
import { checkManifests } from '../kubernetes/schema.ts'
import type { Problem } from '../report/problem.ts'
import { definitionLine } from './definition-line.ts'
import { checkImages } from './images.ts'
import { oneOfEachShape } from './shapes.ts'

/** Everything that is wrong, and whether it is the config itself. */
export interface Validation {
  readonly problems: readonly Problem[]
  readonly configBroken: boolean
}

/**
 * Checks a config, the inventories made from it, the playbooks, and the manifests they render against their rules and
 * their real readers (ansible-inventory, ansible-playbook, the Kubernetes API's schema). Reads nothing outside the
 * project and the config's folder; the first use installs Ansible.
 *
 * @param log takes one line of progress at a time
 * @throws VenvError
 */
export async function validate(configFile: string, log: (line: string) => void): Promise<Validation> {
  const { config, problems } = await loadConfig(configFile)
  if (!config) return { problems, configBroken: true }
  await ensureVenv(log)
  log('generated files, playbooks, manifests')
  const folder = await mkdtemp(join(tmpdir(), 'backups-validate-'))
  try {
    const meant = inventoryOf(config)
    const inventories = join(dirname(resolve(configFile)), 'inventories/production')
    const drifted = await compareGenerated(config, configFile, projectRoot)
    const found = await Promise.all([
      drifted.length > 0 ? [generatedProblem(drifted, configFile, projectRoot)] : checkInventory(inventories, meant),
      withLines(checkImages(config, configFile), configFile),
      checkAwx(config, meant.groups, folder, join(inventories, 'host_vars/awx.yml')),
      manifests(meant, folder),
    ])
    return { problems: [...problems, ...found.flat()].map(fromRoot), configBroken: false }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function fromRoot(problem: Problem): Problem {
  const { file } = problem.location
  const inside = relative(projectRoot, resolve(projectRoot, file))
  return { ...problem, location: { ...problem.location, file: inside.startsWith('..') ? file : inside } }
}

/** The playbooks, as Ansible reads them, and AWX's definitions, which refer to them. */
async function checkAwx(config: Config, groups: Inventory['groups'], folder: string, file: string): Promise<Problem[]> {
  // A listing names hosts, and needs no variable of theirs.
  const names = join(folder, 'names')
  await writeFolder(names, inventoryFiles({ groups, hosts: {} }))
  const files = (await readdir(join(projectRoot, 'playbooks')))
    .filter(file => file.endsWith('.yml'))
    .map(file => `playbooks/${file}`)
    .sort()
  // One run reads them all. Only if it fails is each read on its own, to say which and where.
  const listed = await listPlays(files, join(names, 'hosts.yml'))
  const broken = listed ? [] : (await Promise.all(files.map(file => syntaxCheck(file)))).flat()
  const project = {
    playbooks: new Map(files.map(file => [file, listed?.get(file) ?? []])),
    options: await readRoleOptions(projectRoot),
    inventory: inventory(config, {}),
  }
  const text = await readFile(file, 'utf8').catch(() => '')
  const found = problemsOf(awxRules, file, definitions(config), project).map(problem => {
    const line = definitionLine(text, problem.location.path)
    return line === undefined ? problem : { ...problem, location: { ...problem.location, line } }
  })
  return [...broken, ...found]
}

/** The manifests of one system of each shape, and of the status service, as the deployment would apply them. */
async function manifests(made: Inventory, folder: string): Promise<Problem[]> {
  const services = made.groups[statusGroup] ?? []
  const shapes = oneOfEachShape(made.hosts, made.groups[cronjobsGroup] ?? [])
  if (shapes.length + services.length === 0) return []
  // Only these hosts, and of `awx` what kits name: a play takes longer the more there is in its inventory.
  const hosts = {
    ...Object.fromEntries([...shapes, ...services].map(name => [name, made.hosts[name] ?? {}])),
    awx: { kit_config: made.hosts.awx?.kit_config },
  }
  const groups = { [cronjobsGroup]: shapes, [statusGroup]: services, controller: ['awx'] }
  await writeFolder(join(folder, 'shapes'), inventoryFiles({ groups, hosts }))
  const play = await runPlaybook(
    {
      playbook: 'playbooks/render-backups.yml',
      inventory: join(folder, 'shapes/hosts.yml'),
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
        suggest: 'run `npm run generate`, then the playbook by hand to see all of its output',
      },
    ]
  }
  const files = ['manifests.yaml', 'status.yaml'].map(name => join(folder, name)).filter(file => existsSync(file))
  return (await checkManifests(files)).map(problem => {
    const role = problem.location.file.endsWith('status.yaml') ? 'status_service' : 'backup_cronjob'
    return { ...problem, location: { ...problem.location, file: `roles/${role}/templates/manifests.yaml.j2` } }
  })
}

function lastError(output: string): string {
  const lines = output.split('\n').filter(line => /^(fatal|ERROR|\[ERROR\])/.test(line))
  return lines.at(-1)?.slice(0, 400) ?? 'the playbook failed'
}
