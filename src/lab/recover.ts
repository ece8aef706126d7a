import { kindOf, recoveryOrder, type System } from '../kinds/index.ts'
import { recoveryStages } from '../kinds/kind.ts'
import { asSecond } from '../kinds/second.ts'
import { inParallel } from '../store/parallel.ts'
import { differences } from './content/difference.ts'
import { labKindOf } from './kinds/index.ts'
import type { State } from './kinds/kind.ts'
import type { Lab } from './lab.ts'
import { AT_ONCE, backUpAll, deployAll, type Launch, launcher, templateOf } from './launch.ts'
import { kubectl } from './reach.ts'

/** The result of a full recovery for one system. */
export interface RecoveryRow {
  readonly system: string
  /** How much was destroyed, for people. */
  readonly lost: string
  /** How much the restore brought back, for people. */
  readonly back: string
  /** Of the restore alone. */
  readonly seconds: number
  /** Whether it is as it was. */
  readonly same: boolean
  /** The differences, a line each. */
  readonly why: readonly string[]
}

/**
 * A full recovery, on the lab: backs everything up once more, takes each system's fingerprint, destroys all of them –
 * the servers' data, the volumes with their copies, Rancher's data, the CronJobs, the Secrets; only the buckets stay –
 * and restores them stage by stage, as the runbook does, by the job templates that AWX would launch; the kits by the
 * runbook's own commands. Then it compares each with its fingerprint.
 *
 * @param from `second`: the first store is destroyed, too, and everything comes from the second
 * @throws Failure if a job fails; what was restored until then stays
 */
export async function recover(
  lab: Lab,
  log: (line: string) => void,
  signal: AbortSignal,
  from: 'first' | 'second' = 'first',
): Promise<RecoveryRow[]> {
  const launch = await launcher(lab, log, signal)
  const order = recoveryOrder(lab.config.systems)
  await deployAll(lab, launch)
  await backUpAll(order, launch)
  if (from === 'second') await inParallel(order, AT_ONCE, ({ name }) => launch(`Second copy: ${name}`))
  const before = new Map<System, State>()
  await inParallel(order, AT_ONCE, async system => {
    log(`${system.name}: taking its fingerprint`)
    const kind = labKindOf(system)
    before.set(system, await (kind.stateInCopy ?? kind.state)(system, lab))
  })
  await inParallel(order, AT_ONCE, async system => {
    log(`${system.name}: destroying it`)
    await undeploy(system, lab)
    await labKindOf(system).destroy(system, lab)
  })
  if (from === 'second') await destroyStore(lab, log)
  log(from === 'second' ? "only the second store's buckets are left" : 'only the buckets are left')
  const rows = new Map<System, RecoveryRow>()
  for (const stage of recoveryStages) {
    if (stage === 'deployment') await deployAll(lab, launch)
    const systems = order.filter(system => kindOf(system).stage(system) === stage)
    await inParallel(systems, AT_ONCE, async system => {
      rows.set(system, await bringBack(system, before.get(system) as State, lab, from, launch, log))
    })
  }
  return order.map(system => rows.get(system) as RecoveryRow)
}

/** Restores one system and compares it with what it was. */
async function bringBack(
  system: System,
  was: State,
  lab: Lab,
  from: 'first' | 'second',
  launch: Launch,
  log: (line: string) => void,
): Promise<RecoveryRow> {
  const started = performance.now()
  log(`${system.name}: restoring it`)
  const copied = from === 'second' ? asSecond(system) : system
  const storeOf = from === 'second' ? lab.secondStoreOf : lab.storeOf
  await labKindOf(system).bringBack(copied ?? system, { ...lab, storeOf }, () => restore(system, from, launch))
  const seconds = (performance.now() - started) / 1000
  log(`${system.name}: comparing`)
  const is = await labKindOf(system).state(system, lab)
  const why = differences(system.name, was.facts, is.facts)
  log(`${system.name}: ${why.length === 0 ? 'as it was' : `NOT as it was: ${why.join('; ')}`}`)
  return { system: system.name, lost: was.summary, back: is.summary, seconds, same: why.length === 0, why }
}

async function restore(system: System, from: 'first' | 'second', launch: Launch): Promise<void> {
  const { name, survey, recovery } = templateOf(system, template => template.recovery !== undefined)
  const store = survey.find(({ variable }) => variable.endsWith('_store'))
  await launch(name, { ...recovery?.answers, ...(store && { [store.variable]: from }) })
}

/** Destroys the first store: its data, and what runs it. The next start of the lab makes it anew, with empty buckets. */
async function destroyStore(lab: Lab, log: (line: string) => void): Promise<void> {
  log('destroying the first store')
  const store = ['-n', 'lab-store']
  await kubectl(lab, ['exec', 'deployment/store', ...store, '--', 'find', '/data', '-mindepth', '1', '-delete'])
  await kubectl(lab, ['scale', 'deployment/store', ...store, '--replicas=0'])
  await kubectl(lab, ['wait', '--for=delete', 'pod', '--selector=app=store', ...store, '--timeout=120s'])
}

/** Removes what `deploy-backups` created for a system in its cluster. */
async function undeploy(system: System, lab: Lab): Promise<void> {
  const place = kindOf(system).inCluster(system)
  if (!place) return
  const { namespace } = place
  // If the recovery fails, the next lab must not take the content for present.
  const jobs = (await kubectl(lab, ['get', 'jobs', '-n', namespace, '-o', 'name'])).split('\n')
  const content = jobs.filter(job => job.includes('-content-'))
  const secret = `secret/${place.storeSecret}`
  await kubectl(lab, ['delete', `cronjob/${system.name}`, secret, ...content, '-n', namespace, '--ignore-not-found'])
}
