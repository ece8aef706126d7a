import { existsSync, readFileSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { execa } from 'execa'
import { runPlaybook } from '../ansible/playbook.ts'
import type { Config } from '../config/index.ts'
import { writeFolder } from '../generate/folder.ts'
import { inventoryOf } from '../generate/inventories.ts'
import { inventoryFiles } from '../inventory/files.ts'
import type { System } from '../kinds/index.ts'
import { type CredentialInputs, readCredentials } from '../launch/credentials.ts'
import { secondCredentials, secondOf, storeCredential } from '../launch/stores.ts'
import { CommandFailure, exitCodes } from '../report/failure.ts'
import { labConfig, withSecondStore } from './config.ts'
import { labKindOf } from './kinds/index.ts'
import { withLock } from './lock.ts'
import { type LabPlan, labPlan } from './plan.ts'
import { exportPostgres } from './postgres.ts'
import type { LabAccess, StoreAccess } from './reach.ts'
import { givenSite, type LabSite, labImages, ownSite } from './site.ts'

/** Where the lab lives while it is up: one on each machine, whichever clone started it. */
const labState = '/var/lib/fragalysis-backups-lab'
/** What `lab down` keeps: root file systems, Kubernetes' binaries, base images. */
export const labCache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'fragalysis-backups')

/** A lab that is up, and how to reach its parts. */
export interface Lab extends LabAccess {
  readonly config: Config
  readonly plan: LabPlan
  /** As `storeOf`, of the second store. */
  readonly secondStoreOf: LabAccess['storeOf']
  /** The credentials file, with what AWX's credentials would hold. */
  readonly credentials: string
  /** The inventory's file. */
  readonly inventory: string
}

export interface LabOptions {
  /** How many files a media tree has; default 3,000. */
  readonly files?: number
  /** Whether every system has a second copy, in a second store. */
  readonly second?: boolean
  /** The user's own cluster, and the registry that it pulls images from. */
  readonly kubeconfig?: string
  readonly registry?: string
  readonly log: (line: string) => void
  readonly signal?: AbortSignal
}

/**
 * Starts the lab for a config: machines, cluster, store, databases, media, Rancher. Parts that are up already are used.
 *
 * @throws CommandFailure that says what this machine lacks, or which step failed
 */
export async function raiseLab(production: Config, options: LabOptions): Promise<Lab> {
  const wanted = await wantedLab(production, options)
  await withLock('/run/fragalysis-backups-lab.lock', async () => {
    await writeFolder(inventoryFolder, inventoryFiles(inventoryOf(wanted.config)))
    await writeFile(configFile, `export default ${JSON.stringify(wanted.config, null, 2)}\n`)
    await play('playbooks/lab.yml', inventoryFile, variables(wanted, options), options.log, options.signal)
    const lab = await standing(wanted, options)
    for (const system of lab.config.systems) await labKindOf(system).fill?.(system, lab)
  })
  return await standing(wanted, options)
}

/** The lab that `raiseLab` started for a config. */
export async function standingLab(production: Config, options: LabChoices = {}): Promise<Lab> {
  return await standing(await wantedLab(production, options), options)
}

type LabChoices = Pick<LabOptions, 'files' | 'second' | 'kubeconfig' | 'registry'>

/** The lab that a config and its options ask for. */
interface WantedLab {
  readonly config: Config
  readonly plan: LabPlan
  readonly site: LabSite
}

async function wantedLab(production: Config, options: LabChoices): Promise<WantedLab> {
  const site = { ...(await siteOf(options)), hostKey: await hostKey() }
  const first = labConfig(production, site)
  const config = options.second ? withSecondStore(first, site) : first
  return { config, plan: labPlan(config, { files: options.files ?? 3000, serverImage: site.images.base }), site }
}

/** The public ssh key of the Docker host, made here because the inventory holds it before the host is there. */
async function hostKey(): Promise<string> {
  const file = join(labState, 'ssh/host_ed25519')
  if (!existsSync(file)) {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'fragalysis-backups-lab', '-f', file])
  }
  const [type, body] = (await readFile(`${file}.pub`, 'utf8')).split(' ')
  return `${type} ${body}`
}

/** The lab's own cluster, or the user's: its API, and the address of a node. */
async function siteOf({ kubeconfig, registry }: LabChoices): Promise<LabSite> {
  if (kubeconfig === undefined || registry === undefined) return ownSite
  const ask = async (args: string[]): Promise<string> => {
    const { stdout, stderr, failed } = await execa('kubectl', [`--kubeconfig=${kubeconfig}`, ...args], {
      reject: false,
    })
    if (!failed && stdout !== '') return stdout
    throw new CommandFailure(
      exitCodes.unreachable,
      `\`kubectl ${args[0]}\` failed for the cluster of ${kubeconfig}: ${stderr || 'it printed nothing'}`,
      'install a kubectl that fits the cluster, and check that it can list the nodes',
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

/** Stops the lab and removes everything but the cache; from a cluster of the user's, what it created there. */
export async function endLab(log: (line: string) => void, kubeconfig = ''): Promise<void> {
  const extraVars = { lab_state: labState, lab_cache: labCache, lab_kubeconfig: kubeconfig }
  await withLock('/run/fragalysis-backups-lab.lock', () => play('playbooks/lab-down.yml', 'localhost,', extraVars, log))
}

/** The environment in which the tests find the lab. */
export async function testEnvironment(lab: Lab, log: (line: string) => void): Promise<Record<string, string>> {
  const credentials = await readCredentials(lab.credentials)
  const postgres = await exportPostgres(lab.dockerHost, labImages.drill, log)
  const tests = credentials[testsCredential]
  const writer = credentials[writerCredential]
  return {
    BACKUP_POSTGRES_PROGRAMS: postgres.programs,
    PATH: `${postgres.newest}:${process.env.PATH ?? ''}`,
    BACKUPS_TEST_LAB_STATE: labState,
    BACKUPS_TEST_S3_ENDPOINT: lab.config.store.endpoint,
    BACKUPS_TEST_S3_ACCESS_KEY_ID: String(tests?.access_key_id),
    BACKUPS_TEST_S3_SECRET_ACCESS_KEY: String(tests?.secret_access_key),
    BACKUPS_TEST_S3_WRITER_ACCESS_KEY_ID: String(writer?.access_key_id),
    BACKUPS_TEST_S3_WRITER_SECRET_ACCESS_KEY: String(writer?.secret_access_key),
  }
}

/** Written on each run. */
const inventoryFolder = join(labState, 'inventory')
/** The lab's config, for `--config` of the other commands. */
const configFile = join(labState, 'backups.config.mjs')
const inventoryFile = join(inventoryFolder, 'hosts.yml')
const credentialsFile = join(labState, 'credentials.yml')
/** A user of the store who may create buckets, for tests. */
const testsCredential = 'Store: tests'
/** A user of the store, `tests-writer`, who owns nothing: policies of buckets say what it may do. */
const writerCredential = 'Store: tests-writer'

function variables({ plan, site }: WantedLab, { kubeconfig, registry }: LabChoices): Record<string, unknown> {
  return {
    lab_state: labState,
    lab_cache: labCache,
    lab_kubeconfig: kubeconfig ?? '',
    lab_registry: registry ?? '',
    lab_volumes: plan.volumes,
    lab_tenants: plan.tenants,
    lab_secrets: plan.secrets,
    lab_stores: plan.stores,
    lab_second_stores: plan.secondStores,
    lab_second_secrets: plan.secondSecrets,
    lab_second_endpoint: site.secondStore,
    lab_hosts: plan.hosts,
    ...plan.content,
    lab_images: labImages,
    lab_endpoint: site.store,
    lab_pod_images: site.images,
  }
}

async function standing({ config, plan, site }: WantedLab, { kubeconfig }: LabChoices): Promise<Lab> {
  const credentials = await readCredentials(credentialsFile)
  return {
    config,
    plan,
    credentials: credentialsFile,
    inventory: inventoryFile,
    kubectl: { binary: join(labState, 'kubectl'), kubeconfig: kubeconfig ?? join(labState, 'kubeconfig') },
    dockerHost: [join(labState, 'machine'), 'exec', 'rancher'],
    images: site.images,
    storeOf: system => storeAccess(config, system, credentials),
    secondStoreOf: system => storeAccess(secondOf(config, 'second'), system, secondCredentials(credentials)),
  }
}

function storeAccess(config: Config, system: System, credentials: CredentialInputs): StoreAccess {
  const inputs = credentials[storeCredential(system)]
  return {
    ...config.store,
    accessKeyId: String(inputs?.access_key_id),
    secretAccessKey: String(inputs?.secret_access_key),
  }
}

/** How far the build of Kubernetes is, if one is running: a line that `roles/lab_cluster/files/build` keeps up to date. */
function buildProgress(): string | undefined {
  try {
    return readFileSync(join(labCache, 'build-progress'), 'utf8').trim()
  } catch {
    return undefined
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
        else if (line.startsWith('ASYNC POLL')) log(`  ${buildProgress() ?? 'still running'}`)
        else if (/^(fatal|ASYNC FAILED|FAILED - RETRYING)/.test(line)) log(`  ${line.slice(0, 200)}`)
      },
      ...(signal && { signal }),
    },
  )
  if (exitCode === 0) return
  // The last failure is the one that no rescue handled.
  const failed = lines.findLastIndex(line => /^fatal/.test(line))
  throw new CommandFailure(
    exitCodes.unreachable,
    `${playbook} failed (ansible-playbook: ${exitCode})\n${lines.slice(failed === -1 ? -30 : failed, failed === -1 ? undefined : failed + 30).join('\n')}`,
    'see the task above; the next run keeps the parts that are up and continues from there',
  )
}
