import { readFile } from 'node:fs/promises'
import { defaultStoreSecret } from '../kinds/cronjob.ts'
import type { DatabaseSystem, KitSystem, MediaSystem, RancherSystem, System } from '../kinds/index.ts'
import { kindOf, recoveryOrder } from '../kinds/index.ts'
import { databaseFingerprint, type Sql } from './content/database.ts'
import { differences, type Facts } from './content/difference.ts'
import type { Lab } from './lab.ts'
import { backUpAll, deployAll, type Launch, launcher, templateOf } from './launch.ts'
import { openKit } from './proof/kit.ts'
import { toolsContainer, withPod } from './proof/pod.ts'
import { versionAtTheStop } from './proof/rancher.ts'
import { inPod, kubectl, onRancherHost } from './proof/reach.ts'
import { newestReceipt } from './proof/receipts.ts'

/** What became of one system in a whole recovery. */
export interface RecoveryRow {
  readonly system: string
  /** What was destroyed, in words. */
  readonly lost: string
  /** What the restore brought back, in words. */
  readonly back: string
  /** Of the restore alone. */
  readonly seconds: number
  readonly same: boolean
  /** Where it is not what it was, a line each. */
  readonly why: readonly string[]
}

/** What a system is, before and after: its fingerprint, and how much that is, in words. */
interface State {
  readonly facts: Facts
  readonly words: string
}

/**
 * The whole recovery, on the lab: backs everything up once more, takes each system's fingerprint, destroys all of them –
 * the servers' data, the volumes with their copies, Rancher's data, the CronJobs, the Secrets; only the buckets stay, with
 * the kits in them –, and brings them back in the order of the runbook, by the job templates that AWX would launch; the
 * kits by the runbook's own commands. Each is then compared with what it was.
 *
 * @throws Failure where a job fails; what was brought back until then stays
 */
export async function recover(lab: Lab, log: (line: string) => void, signal: AbortSignal): Promise<RecoveryRow[]> {
  const launch = await launcher(lab, log, signal)
  const order = recoveryOrder(lab.config.systems)
  await deployAll(lab, launch)
  await backUpAll(order, launch)
  const before = new Map<System, State>()
  for (const system of order) {
    log(`${system.name}: taking its fingerprint`)
    before.set(system, await stateBefore(system, lab))
  }
  for (const system of order) {
    log(`${system.name}: destroying it`)
    await destroy(system, lab)
  }
  log('everything is gone but the buckets')
  const rows: RecoveryRow[] = []
  let deployed = false
  for (const system of order) {
    // The claims and the store's Secrets that restores in a cluster use.
    if (!deployed && system.kind !== 'kit' && kindOf(system).cluster(system) !== undefined) {
      await deployAll(lab, launch)
      deployed = true
    }
    const started = performance.now()
    log(`${system.name}: bringing it back`)
    await bringBack(system, lab, launch)
    const seconds = (performance.now() - started) / 1000
    log(`${system.name}: comparing`)
    const was = before.get(system) as State
    const is = await state(system, lab)
    const why = differences(system.name, was.facts, is.facts)
    rows.push({ system: system.name, lost: was.words, back: is.words, seconds, same: why.length === 0, why })
    log(`${system.name}: ${why.length === 0 ? 'as it was' : `NOT as it was: ${why.join('; ')}`}`)
  }
  return rows
}

async function bringBack(system: System, lab: Lab, launch: Launch): Promise<void> {
  if (system.kind === 'kit') return await applyKit(system, lab)
  if (system.kind === 'database') await untilServed(system, lab)
  const { name, recovery } = templateOf(system, template => template.recovery !== undefined)
  await launch(name, recovery?.answers)
}

/** Rancher changes all the time: what counts is the state that its last copy was closed with. */
async function stateBefore(system: System, lab: Lab): Promise<State> {
  if (system.kind !== 'rancher') return await state(system, lab)
  const receipt = await newestReceipt(system, lab)
  const version = await versionAtTheStop(args => docker(lab, args), system.container, receipt)
  return rancherState(version)
}

async function state(system: System, lab: Lab): Promise<State> {
  switch (system.kind) {
    case 'database':
      return await databaseState(system, lab)
    case 'media':
      return await mediaState(system, lab)
    case 'kit':
      return await kitState(system, lab)
    case 'rancher':
      // It runs again and writes: whole is what it can be asked for.
      return rancherState(await versionAtTheStart(system, lab))
  }
}

const rancherState = (version: string): State => ({ facts: { version }, words: `Rancher's data at version ${version}` })

/** The version that Rancher said it was opened with when it last started. */
async function versionAtTheStart(system: RancherSystem, lab: Lab): Promise<string> {
  const said = await docker(lab, ['logs', '--tail=200', system.container])
  return [...said.matchAll(/data are whole at version (\d+)/g)].at(-1)?.[1] ?? 'unknown'
}

async function kitState({ namespace, secrets }: KitSystem, lab: Lab): Promise<State> {
  const facts: Record<string, Facts> = {}
  for (const { name, keys } of secrets) {
    const { data } = JSON.parse(await kubectl(lab, ['get', `secret/${name}`, '-n', namespace, '-o', 'json']))
    facts[name] = Object.fromEntries(keys.map(key => [key, data[key]]))
  }
  const keys = secrets.reduce((sum, secret) => sum + secret.keys.length, 0)
  return { facts, words: `${keys} keys of ${secrets.length} Secrets` }
}

const serverOf = (system: DatabaseSystem) => ({
  namespace: system.namespace,
  target: `statefulset/${system.service}`,
  container: 'server',
})

async function databaseState(system: DatabaseSystem, lab: Lab): Promise<State> {
  const where = serverOf(system)
  const admin = (await inPod(lab, where, ['printenv', 'ADMIN_USER'])).trim()
  const sql: Sql = (database, statement) =>
    inPod(
      lab,
      where,
      [
        'psql',
        '-XAtq',
        '--set=ON_ERROR_STOP=1',
        `--username=${admin}`,
        `--dbname=dbname='${database.replaceAll(/[\\']/g, String.raw`\$&`)}'`,
      ],
      statement,
    )
  const facts = await databaseFingerprint(sql, system.database ?? '')
  const databases =
    system.database === undefined
      ? Object.entries(facts).filter(([name]) => name.startsWith('database '))
      : [[system.database, facts] as const]
  const tables = databases.flatMap(([, contents]) =>
    Object.entries(contents as Facts).filter(([name]) => name.startsWith('table ')),
  )
  const rows = tables.reduce((sum, [, table]) => sum + Number((table as Facts).rows), 0)
  return {
    facts,
    words: `${databases.length} database${databases.length === 1 ? '' : 's'}, ${tables.length} tables, ${rows} rows`,
  }
}

async function mediaState(system: MediaSystem, lab: Lab): Promise<State> {
  const program = await readFile(new URL('./content/media-tree.ts', import.meta.url), 'utf8')
  const facts = await inVolume(lab, system, 'source', inContainer =>
    inContainer(['node', '--input-type=module-typescript', '-', 'fingerprint', '/volume'], program),
  ).then(text => JSON.parse(text) as Facts)
  return { facts, words: `${Object.keys(facts).length} files, folders and links` }
}

/** Works in a pod that has one of a system's volumes at /volume. */
async function inVolume<T>(
  lab: Lab,
  system: DatabaseSystem | MediaSystem,
  which: 'volume' | 'source' | 'replica',
  work: (inContainer: (command: readonly string[], input?: string) => Promise<string>) => Promise<T>,
): Promise<T> {
  const volume = (system as unknown as Record<string, { claim?: string }>)[which]
  const claimName = volume?.claim
  if (!claimName) throw new Error(`${system.name} has no claim for its ${which}: the lab has no NFS`)
  const name = `recover-${system.name}`
  const pod = {
    namespace: system.namespace,
    ownNamespace: false,
    name,
    containers: [toolsContainer(lab, name, [{ name: 'volume', mountPath: '/volume' }])],
    volumes: [{ name: 'volume', persistentVolumeClaim: { claimName } }],
    variables: {},
  }
  return await withPod(lab, pod, inContainer => work((command, input) => inContainer('tools', command, input)))
}

async function destroy(system: System, lab: Lab): Promise<void> {
  const empty = (which: 'volume' | 'source' | 'replica', of: DatabaseSystem | MediaSystem) =>
    inVolume(lab, of, which, inContainer => inContainer(['find', '/volume', '-mindepth', '1', '-delete']))
  if (system.kind !== 'rancher') {
    // Where the recovery fails, the next lab fills what is empty again.
    const jobs = (await kubectl(lab, ['get', 'jobs', '-n', system.namespace, '-o', 'name'])).split('\n')
    const filled = jobs.filter(job => job.includes('-content-'))
    const store = system.storeSecret?.name ?? defaultStoreSecret.name
    const kept = system.kind === 'kit' ? system.secrets.map(secret => `secret/${secret.name}`) : []
    const gone = ['-n', system.namespace, '--ignore-not-found']
    await kubectl(lab, ['delete', `cronjob/${system.name}`, `secret/${store}`, ...kept, ...filled, ...gone])
  }
  switch (system.kind) {
    case 'kit':
      return
    case 'database': {
      const where = serverOf(system)
      await empty('volume', system)
      // The server's own folder; the pod that follows makes a new, empty server in it.
      await inPod(lab, where, ['sh', '-c', 'rm -rf /data/*'])
      const pod = [`pod/${system.service}-0`, '-n', system.namespace]
      await kubectl(lab, ['delete', ...pod, '--grace-period=0', '--force'])
      return
    }
    case 'media':
      await empty('source', system)
      await empty('replica', system)
      return
    case 'rancher':
      await docker(lab, ['stop', system.container])
      await onRancherHost(lab, [
        'sh',
        '-c',
        `find ${system.dataDirectory} -mindepth 1 -delete; rm -rf ${system.stagingDirectory}`,
      ])
      return
  }
}

/** The runbook's commands: only an operator's private key is needed. */
async function applyKit(system: KitSystem, lab: Lab): Promise<void> {
  const kit = await openKit(system, await newestReceipt(system, lab), lab, () => undefined)
  await kubectl(lab, ['apply', '-f', '-'], kit)
}

/** Waits until the new, empty server answers: its pod starts once its Secret is back. */
async function untilServed(system: DatabaseSystem, lab: Lab): Promise<void> {
  await kubectl(lab, ['rollout', 'status', serverOf(system).target, '-n', system.namespace, '--timeout=180s'])
}

function docker(lab: Lab, args: readonly string[], input?: string): Promise<string> {
  return onRancherHost(lab, ['docker', ...args], input)
}
