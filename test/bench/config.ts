import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import production from '../../backups.config.ts'
import { projectRoot } from '../../src/ansible/venv.ts'
import { definitions } from '../../src/awx/definitions.ts'
import { readRoleOptions } from '../../src/awx/project.ts'
import { awxRules } from '../../src/awx/rules/index.ts'
import { type Config, checkConfig } from '../../src/config/index.ts'
import { problemsOf } from '../../src/config/rules/rule.ts'
import { inventoryFiles } from '../../src/inventory/files.ts'
import { inventory } from '../../src/inventory/inventory.ts'
import { validate } from '../../src/validate/validate.ts'

interface Row {
  readonly bench: string
  readonly way: string
  readonly seconds: number
  readonly peakMb: number
}

// The last is 400 times production; its time over its size must not be more than that of the one before.
const sizes = [20, 200, 2000]

/**
 * Configs of 20 to 2,000 systems, through all that is ours: schema, rules, inventory, AWX's definitions and their rules,
 * the files' text. And `validate` of the real config as a whole, where most of the time is Ansible's.
 */
export async function run(): Promise<Row[]> {
  const rows: Row[] = []
  for (const size of sizes) rows.push(await measured(`config-${size}`, String(size)))
  rows.push(await measured('config-validate', 'validate'))
  return rows
}

/** One measurement in a process of its own, so that its memory is its own as well. */
async function measured(bench: string, what: string): Promise<Row> {
  const { stdout } = await execa(process.execPath, [fileURLToPath(import.meta.url), what], { cwd: projectRoot })
  return { bench, way: 'ours', ...(JSON.parse(stdout) as { seconds: number; peakMb: number }) }
}

/**
 * Production's databases and media over and over, each with a name, a bucket and a namespace of its own, thirty to a
 * cluster. Rancher and the kits do not come in such numbers: there is one for all, or a few that name the others.
 */
function configOf(size: number): Config {
  const clusters = Array.from({ length: Math.ceil(size / 30) }, (_, index) => ({
    name: `cluster-${index}`,
    environment: 'production',
    api: `https://cluster-${index}.example:6443`,
  }))
  const kinds = production.systems.filter(({ kind }) => kind === 'database' || kind === 'media')
  const systems = Array.from({ length: size }, (_, index) => {
    const system = structuredClone(kinds[index % kinds.length]) as Config['systems'][number]
    const own = { name: `system-${index}`, bucket: `bucket-${index}` }
    if (system.kind === 'media') system.replica = { nfs: { server: 'nfs.example', path: `/replica-${index}` } }
    return { ...system, ...own, cluster: `cluster-${Math.floor(index / 30)}`, namespace: `space-${index}` }
  })
  const statusService = { ...(production.statusService as NonNullable<Config['statusService']>), cluster: 'cluster-0' }
  return { ...production, clusters, statusService, systems: systems as Config['systems'] }
}

/** Takes a config of so many systems through all that is ours; throws if it finds a problem. */
export async function work(size: number): Promise<void> {
  const { config, problems } = checkConfig(configOf(size), 'bench')
  if (!config)
    throw new Error(`the config of the bench is broken: ${problems[0]?.location.path} ${problems[0]?.message}`)
  const all = definitions(config)
  const made = inventory(config, { ...all })
  inventoryFiles(made)
  const project = {
    playbooks: new Map([...new Set(all.controller_templates.map(t => t.playbook))].map(playbook => [playbook, []])),
    options: await readRoleOptions(projectRoot),
    inventory: made,
  }
  const found = problemsOf(awxRules, 'bench', all, project)
  if (found[0])
    throw new Error(`the definitions of the bench are broken: ${found[0].location.path} ${found[0].message}`)
}

const what = process.argv[1] === fileURLToPath(import.meta.url) ? process.argv[2] : undefined
if (what !== undefined) {
  const started = performance.now()
  if (what === 'validate') await validate(join(projectRoot, 'backups.config.ts'), () => {})
  else await work(Number(what))
  const seconds = Number(((performance.now() - started) / 1000).toFixed(2))
  // maxRSS is in KiB.
  process.stdout.write(JSON.stringify({ seconds, peakMb: Math.round(process.resourceUsage().maxRSS / 1024) }))
}
