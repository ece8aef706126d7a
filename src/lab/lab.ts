import { writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { runPlaybook } from '../ansible/playbook.ts'
import type { Config } from '../config/index.ts'
import { writeFolder } from '../generate/folder.ts'
import { inventoryOf } from '../generate/inventories.ts'
import { inventoryFiles } from '../inventory/files.ts'
import { kindOf } from '../kinds/index.ts'
import { readCredentials } from '../launch/credentials.ts'
import { exitCodes, Failure } from '../report/failure.ts'
import { givenSite, type LabSite, labConfig, labImages, ownSite } from './config.ts'
import { withLock } from './lock.ts'
import { type LabPlan, labPlan } from './plan.ts'
import type { ProofLab } from './proof/index.ts'

/** Where the lab lives while it stands: one a machine, whatever the clone. */
export const labState = '/var/lib/fragalysis-backups-lab'
/** What outlives the lab: root file systems, Kubernetes' binary, base images. */
export const labCache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'fragalysis-backups')

/** A lab that stands, and how to reach its parts. */
export interface Lab extends ProofLab {
  readonly config: Config
  readonly plan: LabPlan
  /** The file that holds what AWX's credentials would hold. */
  readonly credentials: string
  /** The inventory that the config makes, a file. */
  readonly inventory: string
  /** The environment in which ssh finds the Rancher host's key. */
  readonly sshEnvironment: Readonly<Record<string, string>>
}

export interface LabOptions {
  /** How many files a media tree has; default 3,000. */
  readonly files?: number
  /** A cluster of the user's own, and where it pulls images from. */
  readonly kubeconfig?: string
  readonly registry?: string
  readonly log: (line: string) => void
  readonly signal?: AbortSignal
}

/**
 * Raises the lab for a config: machines, cluster, store, databases, media, Rancher. What stands already is used.
 * Throws a `Failure` that says what this machine lacks, or which step did not go.
 */
export async function raiseLab(production: Config, options: LabOptions): Promise<Lab> {
  const wanted = await wantedLab(production, options)
  await withLock('/run/fragalysis-backups-lab.lock', async () => {
    await writeFolder(inventoryFolder, inventoryFiles(inventoryOf(wanted.config)))
    await writeFile(configFile, `export default ${JSON.stringify(wanted.config, null, 2)}\n`)
    await play('playbooks/lab.yml', inventoryFile, variables(wanted, options), options.log, options.signal)
  })
  return await standing(wanted, options)
}

/** The lab that was raised for a config before. */
export async function standingLab(production: Config, options: Wishes = {}): Promise<Lab> {
  return await standing(await wantedLab(production, options), options)
}

type Wishes = Pick<LabOptions, 'files' | 'kubeconfig' | 'registry'>

/** What a lab is to be. */
interface WantedLab {
  readonly config: Config
  readonly plan: LabPlan
  readonly site: LabSite
}

async function wantedLab(production: Config, options: Wishes): Promise<WantedLab> {
  const site = await siteOf(options)
  const config = labConfig(production, site)
  return { config, plan: labPlan(config, options.files ?? 3000, site), site }
}

/** The lab's own cluster, or the user's: its API, and a node by which its ports are reached. */
async function siteOf({ kubeconfig, registry }: Wishes): Promise<LabSite> {
  if (kubeconfig === undefined || registry === undefined) return ownSite
  const ask = async (args: string[]): Promise<string> => {
    const { stdout, stderr, failed } = await execa('kubectl', [`--kubeconfig=${kubeconfig}`, ...args], {
      reject: false,
    })
    if (!failed && stdout !== '') return stdout
    throw new Failure(
      exitCodes.unreachable,
      `the cluster of ${kubeconfig} does not answer \`kubectl ${args[0]}\`: ${stderr || 'nothing was found'}`,
      'install the kubectl that belongs to it, and see that it can list its nodes',
    )
  }
  const api = await ask(['config', 'view', '--minify', '--output=jsonpath={.clusters[0].cluster.server}'])
  const node = await ask([
    'get',
    'nodes',
    `--output=jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}`,
  ])
  return givenSite(api, node.split(' ')[0] ?? node, registry)
}

/** Ends the lab and removes all of it but the cache; from a cluster of the user's, what it made there. */
export async function endLab(log: (line: string) => void, kubeconfig = ''): Promise<void> {
  const extraVars = { lab_state: labState, lab_cache: labCache, lab_kubeconfig: kubeconfig }
  await withLock('/run/fragalysis-backups-lab.lock', () => play('playbooks/lab-down.yml', 'localhost,', extraVars, log))
}

/** What the tests of every level find their parts by. */
export async function testEnvironment(lab: Lab): Promise<Record<string, string>> {
  const credentials = await readCredentials(lab.credentials)
  const tests = credentials[testsCredential]
  return {
    BACKUPS_TEST_LAB_STATE: labState,
    BACKUPS_TEST_S3_ENDPOINT: lab.config.store.endpoint,
    BACKUPS_TEST_S3_ACCESS_KEY_ID: String(tests?.access_key_id),
    BACKUPS_TEST_S3_SECRET_ACCESS_KEY: String(tests?.secret_access_key),
  }
}

/** Written on each run. */
const inventoryFolder = join(labState, 'inventory')
/** The lab's config, for `--config` of the other commands. */
const configFile = join(labState, 'backups.config.mjs')
const inventoryFile = join(inventoryFolder, 'hosts.yml')
const credentialsFile = join(labState, 'credentials.yml')
/** A user of the store who may make buckets, for tests alone. */
const testsCredential = 'Store: tests'

function variables({ plan, site }: WantedLab, { kubeconfig, registry }: Wishes): Record<string, unknown> {
  return {
    lab_state: labState,
    lab_cache: labCache,
    lab_kubeconfig: kubeconfig ?? '',
    lab_registry: registry ?? '',
    lab_volumes: plan.volumes,
    lab_tenants: plan.tenants,
    lab_secrets: plan.secrets,
    lab_stores: plan.stores,
    lab_servers: plan.servers,
    lab_media: plan.media,
    lab_images: labImages,
    lab_store_endpoint: site.store,
    lab_pod_images: site.images,
  }
}

async function standing({ config, plan, site }: WantedLab, { kubeconfig }: Wishes): Promise<Lab> {
  const credentials = await readCredentials(credentialsFile)
  return {
    config,
    plan,
    credentials: credentialsFile,
    inventory: inventoryFile,
    kubectl: { binary: join(labState, 'kubectl'), kubeconfig: kubeconfig ?? join(labState, 'kubeconfig') },
    rancherHost: [join(labState, 'machine'), 'exec', 'rancher'],
    images: site.images,
    sshEnvironment: {
      ANSIBLE_SSH_COMMON_ARGS: `-o UserKnownHostsFile=${join(labState, 'ssh/known_hosts')} -o StrictHostKeyChecking=yes`,
    },
    storeOf: system => {
      const inputs = credentials[`Store: ${kindOf(system).cluster(system) ?? system.name}`]
      return {
        ...config.store,
        accessKeyId: String(inputs?.access_key_id),
        secretAccessKey: String(inputs?.secret_access_key),
      }
    },
  }
}

async function play(
  playbook: string,
  inventory: string,
  extraVars: Record<string, unknown>,
  log: (line: string) => void,
  signal?: AbortSignal,
): Promise<void> {
  const lines: string[] = []
  const { exitCode } = await runPlaybook(
    { playbook, inventory, extraVars },
    {
      log: line => {
        lines.push(line)
        const task = /^(?:TASK|PLAY|RUNNING HANDLER) \[(.*?)\]/.exec(line)?.[1]
        if (task) log(task)
        else if (/^(fatal|ASYNC (POLL|FAILED)|FAILED - RETRYING)/.test(line)) log(`  ${line.slice(0, 200)}`)
      },
      ...(signal && { signal }),
    },
  )
  if (exitCode === 0) return
  // The last is the one that nothing rescued.
  const failed = lines.findLastIndex(line => /^fatal/.test(line))
  throw new Failure(
    exitCodes.unreachable,
    `${playbook} failed (ansible-playbook: ${exitCode})\n${lines.slice(failed === -1 ? -30 : failed, failed === -1 ? undefined : failed + 30).join('\n')}`,
    'see the task above; what stands is kept, and the next run goes on from there',
  )
}
