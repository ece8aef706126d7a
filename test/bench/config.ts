import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import production from '../../backups.config.ts'
import { ensureVenv, projectRoot } from '../../src/ansible/venv.ts'
import { definitions } from '../../src/awx/definitions.ts'
import { readRoleOptions } from '../../src/awx/project.ts'
import { awxRules } from '../../src/awx/rules/index.ts'
import { type Config, checkConfig } from '../../src/config/index.ts'
import { problemsOf } from '../../src/config/rules/rule.ts'
import { accessManifests } from '../../src/generate/access.ts'
import { inventoryOf } from '../../src/generate/inventories.ts'
import { runbook } from '../../src/generate/runbook.ts'
import { inventoryFiles } from '../../src/inventory/files.ts'
import { labDrillKey } from '../../src/lab/kit-key.ts'

interface Row {
  readonly bench: string
  readonly way: string
  readonly seconds: number
  readonly peakMb: number
}

// The last is 400 times production; its time over its size must not be more than that of the one before.
const sizes = [20, 200, 2000]

/**
 * Configs of 20 to 2,000 systems: through all that is ours (schema, rules, inventory, AWX's definitions and their rules,
 * the files' text), then `generate` and `validate` as a person runs them, Ansible included.
 */
export async function run(): Promise<Row[]> {
  const rows: Row[] = []
  for (const size of sizes) {
    rows.push(await measured(`config-${size}`, 'ours', [fileURLToPath(import.meta.url), String(size)]))
    const folder = await mkdtemp(join(tmpdir(), 'backups-bench-'))
    try {
      const file = join(folder, 'backups.config.mjs')
      await writeFile(file, `export default ${JSON.stringify(configOf(size), null, 2)}\n`)
      for (const command of ['generate', 'validate']) {
        rows.push(await measured(`config-${command}`, String(size), ['tools/backups.js', command, '--config', file]))
      }
    } finally {
      await rm(folder, { recursive: true })
    }
  }
  return rows
}

// Python can ask how much memory the largest of its children took, and theirs; Node.js can't.
const meter = `
import resource, subprocess, sys, time
started = time.monotonic()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
`

/** One measurement in a process of its own, with those that it starts. The peak is that of the largest of them. */
async function measured(bench: string, way: string, command: string[]): Promise<Row> {
  const python = join(await ensureVenv(() => {}), 'python')
  const { stdout } = await execa(python, ['-c', meter, process.execPath, ...command], { cwd: projectRoot })
  const [seconds = 0, kibibytes = 0] = stdout.split(' ').map(Number)
  return { bench, way, seconds, peakMb: Math.round(kibibytes / 1024) }
}

/**
 * Production's systems over and over, thirty to a cluster, each with a name, a bucket, places and a drill key of its own. Half of them
 * are kits; only the first is a Rancher server, because no two of them may be stopped at the same time.
 */
export function configOf(size: number): Config {
  const clusters = Array.from({ length: Math.ceil(size / 30) }, (_, index) => ({
    name: `cluster-${index}`,
    environment: 'production',
    api: `https://cluster-${index}.example:6443`,
  }))
  const systems = Array.from({ length: size }, (_, index) => {
    const [rancher, ...others] = structuredClone(production.systems) as Config['systems']
    const system = (index === 0 ? rancher : others[index % others.length]) as Config['systems'][number]
    const own = { name: `system-${index}`, bucket: `bucket-${index}` }
    if (system.kind === 'rancher') return { ...system, ...own }
    if (system.kind === 'media') system.replica = { nfs: { server: 'nfs.example', path: `/replica-${index}` } }
    if (system.kind === 'kit' && system.drillIdentity) system.drillIdentity.recipient = labDrillKey(own.name).recipient
    return { ...system, ...own, cluster: `cluster-${Math.floor(index / 30)}`, namespace: `space-${index}` }
  })
  const { awx: _, ...rest } = production
  const statusService = { ...(production.statusService as NonNullable<Config['statusService']>), cluster: 'cluster-0' }
  return { ...rest, clusters, statusService, systems: systems as Config['systems'] }
}

/** Takes a config of so many systems through all that is ours; throws if it finds a problem. */
export async function work(size: number): Promise<void> {
  const { config, problems } = checkConfig(configOf(size), 'bench')
  if (!config)
    throw new Error(`the config of the bench is broken: ${problems[0]?.location.path} ${problems[0]?.message}`)
  const all = definitions(config)
  const made = inventoryOf(config)
  inventoryFiles(made)
  accessManifests(config)
  runbook(config)
  const project = {
    playbooks: new Map([...new Set(all.controller_templates.map(t => t.playbook))].map(playbook => [playbook, []])),
    options: await readRoleOptions(projectRoot),
    inventory: made,
  }
  const found = problemsOf(awxRules, 'bench', all, project)
  if (found[0])
    throw new Error(`the definitions of the bench are broken: ${found[0].location.path} ${found[0].message}`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await work(Number(process.argv[2]))
