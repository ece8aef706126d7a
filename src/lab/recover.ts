import { readFile } from 'node:fs/promises'
import { readCredentials } from '../awx/credentials.ts'
import { definitions } from '../awx/definitions.ts'
import { findTemplate, launchLocal } from '../awx/launchLocal.ts'
import { exitCodes, Failure } from '../report/failure.ts'
import { recoveryOrder } from '../runbook/order.ts'
import { openStore } from '../store/client.ts'
import { type Receipt, readReceipts } from '../store/receipt.ts'
import { defaultStoreSecret } from '../systems/cronjob.ts'
import type { DatabaseSystem, KitSystem, MediaSystem, RancherSystem, System } from '../systems/index.ts'
import { kindOf } from '../systems/index.ts'
import { databaseFingerprint, type Sql } from './content/database.ts'
import { differences, type Facts } from './content/difference.ts'
import type { Lab } from './lab.ts'
import { toolsContainer, withPod } from './proof/pod.ts'
import { versionAtTheStop } from './proof/rancher.ts'
import { inPod, kubectl, onRancherHost } from './proof/reach.ts'

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

/** What is destroyed and brought back. */
type Recoverable = Exclude<System, KitSystem>

/** What a system is, before and after: its fingerprint, and how much that is, in words. */
interface State {
  readonly facts: Facts
  readonly words: string
}

/**
 * The whole recovery, on the lab: backs everything up once more, takes each system's fingerprint, destroys all of them –
 * the servers' data, the volumes with their copies, Rancher's data, the CronJobs and the store's Secrets; the bucket
 * stays, and the Secrets with the servers' passwords, which are the kit's –, and brings them back in the order of the
 * runbook by the job templates that AWX would launch. Each is then compared with what it was.
 *
 * @throws Failure where a job fails; what was brought back until then stays
 */
export async function recover(lab: Lab, log: (line: string) => void): Promise<RecoveryRow[]> {
  const launch = await launcher(lab, log)
  const clusters = [...new Set(lab.config.systems.flatMap(system => kindOf(system).cluster(system) ?? []))]
  // The kit is what stays, with the bucket.
  const order = recoveryOrder(lab.config.systems).filter(system => system.kind !== 'kit')
  for (const cluster of clusters) await launch(`Deploy backups: ${cluster}`)
  for (const system of order) {
    const [backup] = kindOf(system).templates(system)
    const window = backup?.survey.filter(question => question.variable.endsWith('_ignore_window')) ?? []
    if (backup) await launch(backup.name, Object.fromEntries(window.map(question => [question.variable, 'yes'])))
  }
  const before = new Map<System, State>()
  for (const system of order) {
    log(`${system.name}: taking its fingerprint`)
    before.set(system, await stateBefore(system, lab))
  }
  for (const system of order) {
    log(`${system.name}: destroying it`)
    await destroy(system, lab)
  }
  log('everything is gone but the bucket')
  const rows: RecoveryRow[] = []
  let deployed = false
  for (const system of order) {
    // The claims and the store's Secrets that restores in a cluster use.
    if (kindOf(system).cluster(system) !== undefined && !deployed) {
      for (const cluster of clusters) await launch(`Deploy backups: ${cluster}`)
      deployed = true
    }
    const started = performance.now()
    const template = kindOf(system)
      .templates(system)
      .find(use => use.recovery)
    if (template) await launch(template.name, template.recovery?.answers)
    else throw new Error(`${system.name} has no job template that restores it`)
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

/** Launches a job template as AWX would, and returns when it has ended well. */
async function launcher(lab: Lab, log: (line: string) => void) {
  const all = definitions(lab.config, 'lab')
  const credentials = await readCredentials(lab.credentials)
  return async (name: string, answers: Readonly<Record<string, string>> = {}): Promise<void> => {
    log(`job template "${name}"`)
    const lines: string[] = []
    const { exitCode } = await launchLocal(all, findTemplate(all, name), {
      answers,
      inventory: lab.inventory,
      credentials,
      environment: lab.sshEnvironment,
      signal: new AbortController().signal,
      log: line => {
        lines.push(line)
      },
    })
    if (exitCode === 0) return
    throw new Failure(
      exitCodes.findings,
      `the job "${name}" failed (ansible-playbook: ${exitCode})\n${lines.slice(-40).join('\n')}`,
      'see its last lines above; `npm run lab -- down` and `npm run lab` make the lab anew',
    )
  }
}

/** Rancher changes all the time: what counts is the state that its last copy was closed with. */
async function stateBefore(system: Recoverable, lab: Lab): Promise<State> {
  if (system.kind !== 'rancher') return await state(system, lab)
  const receipt = await newestReceipt(system, lab)
  const version = await versionAtTheStop(args => docker(lab, args), system.container, receipt)
  return rancherState(version)
}

async function state(system: Recoverable, lab: Lab): Promise<State> {
  switch (system.kind) {
    case 'database':
      return await databaseState(system, lab)
    case 'media':
      return await mediaState(system, lab)
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
  const databases = Object.entries(facts).filter(([name]) => name.startsWith('database '))
  const tables = databases.flatMap(([, contents]) =>
    Object.entries(contents as Facts).filter(([name]) => name.startsWith('table ')),
  )
  const rows = tables.reduce((sum, [, table]) => sum + Number((table as Facts).rows), 0)
  return { facts, words: `${databases.length} databases, ${tables.length} tables, ${rows} rows` }
}

async function mediaState(system: MediaSystem, lab: Lab): Promise<State> {
  const program = await readFile(new URL('./content/mediaTree.ts', import.meta.url), 'utf8')
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

async function destroy(system: Recoverable, lab: Lab): Promise<void> {
  const empty = (which: 'volume' | 'source' | 'replica', of: DatabaseSystem | MediaSystem) =>
    inVolume(lab, of, which, inContainer => inContainer(['find', '/volume', '-mindepth', '1', '-delete']))
  if (system.kind !== 'rancher') {
    const secret = system.storeSecret?.name ?? defaultStoreSecret.name
    const gone = ['-n', system.namespace, '--ignore-not-found']
    await kubectl(lab, ['delete', `cronjob/${system.name}`, `secret/${secret}`, ...gone])
  }
  switch (system.kind) {
    case 'database': {
      const where = serverOf(system)
      await empty('volume', system)
      // The server's own folder; the pod that follows makes a new, empty server in it.
      await inPod(lab, where, ['sh', '-c', 'rm -rf /data/*'])
      await kubectl(lab, [
        'delete',
        'pod',
        `${system.service}-0`,
        '-n',
        system.namespace,
        '--grace-period=0',
        '--force',
      ])
      await kubectl(lab, ['rollout', 'status', where.target, '-n', system.namespace, '--timeout=180s'])
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

function docker(lab: Lab, args: readonly string[], input?: string): Promise<string> {
  return onRancherHost(lab, ['docker', ...args], input)
}

async function newestReceipt(system: System, lab: Lab): Promise<Receipt> {
  const access = lab.storeOf(system)
  const store = openStore({
    RCLONE_S3_ENDPOINT: access.endpoint,
    AWS_DEFAULT_REGION: access.region,
    AWS_ACCESS_KEY_ID: access.accessKeyId,
    AWS_SECRET_ACCESS_KEY: access.secretAccessKey,
  })
  const { receipts } = await readReceipts(store, { bucket: system.bucket, system: system.name, newest: 1 })
  const newest = receipts[0]
  if (!newest) throw new Error(`${system.name} has no receipt in ${system.bucket}`)
  return newest.receipt
}
