import { randomUUID } from 'node:crypto'
import { readdir, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Store } from '../../store/client.ts'
import { deleteKeys } from '../../store/list.ts'
import { readReceipts, receiptPrefix } from '../../store/receipt.ts'
import { abortUploads, putVerified } from '../../store/upload.ts'
import { log, sized } from '../run/log.ts'
import { Failure } from '../run/outcome.ts'
import { keepPrivate } from '../run/private.ts'
import { requireProtection } from '../run/protection.ts'
import { takenOf } from './archive.ts'
import type { Container, Docker } from './docker.ts'
import { busyFiles, chooseEngine, type Engine } from './engine.ts'
import { rancherReceipts } from './receipt.ts'
import { type RunRecord, readGuard } from './records.ts'
import { findRancher, untilHealthy } from './server.ts'
import { containerNames, type SnapshotSettings } from './settings.ts'
import { readTree, treeBytes } from './tree.ts'
import { describeWindow, insideWindow } from './window.ts'

/** The folder of a run's copy in the staging folder; it contains `var/lib/rancher`. */
export const COPY = 'copy'

/** The folder that a drill unpacks to. */
export const DRILL = 'drill'

/** What the checks found, for the steps that follow. */
export interface Ready {
  readonly rancher: Container
  /** The container of this run. */
  readonly self: Container
  readonly engine: Engine
}

const REMOVED_MS = 30_000
// A healthy server that is busy may miss one answer.
const HEALTHY_MS = 10_000

/**
 * Check, from cheap to thorough and before anything is stopped, that a run can succeed, and remove what earlier runs
 * left.
 *
 * @param last the record of the previous run
 * @throws Failure with what to do
 */
export async function preflight(
  settings: SnapshotSettings,
  docker: Docker,
  store: Store,
  last: RunRecord | undefined,
  stop: AbortSignal,
): Promise<Ready> {
  const self = await checkSelf(settings, docker)
  await checkGuard(settings, docker)
  await checkPrevious(settings, last)
  const rancher = await checkRancher(settings, docker)
  await clearDrill(settings, docker)
  await clearLeftovers(settings, store)
  const engine = await checkStaging(settings, stop)
  await checkBucket(settings, store)
  return { rancher, self, engine }
}

/** @throws Failure rancher if a run may not stop Rancher at this time, by the store's clock */
export function checkWindow({ window, ignoreWindow, container }: SnapshotSettings, now: Date): void {
  if (window === undefined || insideWindow(window, now)) return
  const text = `it is ${now.toISOString()}, outside the window (${describeWindow(window)})`
  if (ignoreWindow) {
    log(`${text}; continuing, as requested`)
    return
  }
  throw new Failure(
    'rancher',
    `${text}: ${container} was not touched. If AWX started the schedule late, nothing needs to be done: the next run follows. To run now, launch with "Outside the window?" answered yes (rancher_backup_ignore_window)`,
  )
}

/** The container of this run; its name is the lock that excludes other runs. */
export async function checkSelf(
  { container, run, staging, data }: SnapshotSettings,
  docker: Docker,
): Promise<Container> {
  const name = containerNames(container).run
  const self = await docker.inspect(name)
  if (!self?.Config.Env?.includes(`BACKUP_RANCHER_RUN=${run}`)) {
    throw new Failure(
      'busy',
      `this run is not the container ${name}: another run is active, or it was not started by the playbook backup-rancher`,
    )
  }
  for (const place of [staging, data]) {
    if (!self.Mounts.some(mount => mount.Destination === place && mount.Source === place)) {
      throw new Failure(
        'environment',
        `the container ${name} must mount ${place} at the same path: start it with the playbook backup-rancher`,
      )
    }
  }
  return self
}

/** No guard of an earlier run may be active. */
export async function checkGuard({ container }: SnapshotSettings, docker: Docker): Promise<void> {
  const name = containerNames(container).guard
  const guard = await docker.inspect(name)
  if (guard?.State.Running || guard?.State.Restarting) {
    throw new Failure(
      'busy',
      `the guard ${name} of an earlier run is still active: see "docker logs ${name}", and run again when it has ended`,
    )
  }
  if (guard) await docker.remove(name)
}

async function checkPrevious(settings: SnapshotSettings, last: RunRecord | undefined): Promise<void> {
  const guard = await readGuard(settings.staging)
  if (last && last.outcome !== 'succeeded') {
    const step = last.steps.at(-1)?.name ?? 'start'
    log(`the previous run, of ${last.start}, ${last.message ? `failed: ${last.message}` : `was killed at "${step}"`}`)
  }
  if (guard?.outcome !== 'started' && guard?.outcome !== 'unhealthy') return
  const story = guard.events.map(({ at, what }) => `${at} ${what.split('\n')[0]}`).join('; ')
  if (settings.acceptPrevious)
    return log(`the guard of run ${guard.run} intervened, which a person has accepted: ${story}`)
  throw new Failure(
    'rancher',
    `the guard of run ${guard.run} intervened, so ${settings.container} is not stopped again until a person accepts that: ${story}. Then launch once with "Run despite the guard's last intervention?" answered yes (rancher_backup_accept_previous)`,
  )
}

async function checkRancher(settings: SnapshotSettings, docker: Docker): Promise<Container> {
  const { container, healthUrl } = settings
  const rancher = await findRancher(settings, docker)
  if (!rancher.State.Running || rancher.State.Paused || rancher.State.Restarting) {
    throw new Failure(
      'source',
      `${container} is ${rancher.State.Status}, and is only backed up while it runs: start it, and run again`,
    )
  }
  const said = await untilHealthy(healthUrl, HEALTHY_MS)
  if (said !== undefined) {
    throw new Failure(
      'source',
      `${container} is not healthy (${healthUrl}: ${said}): see "docker logs ${container}", and run again when it is`,
    )
  }
  return rancher
}

/** Remove a drill's containers and folder. Only the run that holds the name may call it. */
export async function clearDrill({ container, staging }: SnapshotSettings, docker: Docker): Promise<void> {
  const { drill, drillNetwork } = containerNames(container)
  for (const name of [drill, drillNetwork]) {
    await docker.remove(name)
    // Docker may answer before the removal is complete, and the folder is then still mounted.
    for (const end = Date.now() + REMOVED_MS; (await docker.inspect(name)) && Date.now() < end; await sleep(100));
  }
  await rm(join(staging, DRILL), { recursive: true, force: true })
}

/** Only the run that holds the name may call it: what is there belongs to runs that have ended. */
async function clearLeftovers({ staging, bucket }: SnapshotSettings, store: Store): Promise<void> {
  for (const name of await readdir(staging)) {
    if (name !== COPY && takenOf(name) === undefined && !name.startsWith('trial-')) continue
    log(`removing ${name}, left by an earlier run`)
    await rm(join(staging, name), { recursive: true, force: true })
  }
  const aborted = await abortUploads(store, { bucket, prefix: 'rancher-data-backup-' })
  if (aborted > 0) log(`aborted ${aborted} unfinished uploads of earlier runs`)
}

async function checkStaging({ data, staging, recipients }: SnapshotSettings, stop: AbortSignal): Promise<Engine> {
  const tree = await readTree(data, { changing: true, signal: stop })
  const bytes = treeBytes(tree)
  if (bytes === 0) throw new Failure('source', `${data} is empty: nothing to back up`)
  const engine = await chooseEngine(data, staging)
  // An archive of incompressible data is as large as the data.
  const whileCopied = bytes + (engine.takesRoom ? bytes : treeBytes(tree, busyFiles(tree)))
  // It is encrypted to another file, once the copy is removed.
  const needed = recipients.length > 0 ? Math.max(whileCopied, 2 * bytes) : whileCopied
  const { bavail, bsize, files, ffree } = await statfs(staging)
  if (bavail * bsize < needed) {
    throw new Failure(
      'volume',
      `${staging} has ${sized(bavail * bsize)} free, the copy and its archive of ${sized(bytes)} need ${sized(needed)}: free some, or set rancher_backup_staging_directory to a larger place`,
    )
  }
  // Filesystems that allocate inodes dynamically report 0 of 0.
  if (files > 0 && ffree < tree.entries.size) {
    throw new Failure('volume', `${staging} has ${ffree} inodes free, the copy needs ${tree.entries.size}`)
  }
  log(
    `${tree.entries.size} entries, ${sized(bytes)}; ${sized(bavail * bsize)} free for the copy; copy method: ${engine.name}`,
  )
  return engine
}

async function checkBucket({ bucket, system }: SnapshotSettings, store: Store): Promise<void> {
  await requireProtection(store, bucket)
  const { receipts } = await readReceipts(store, { bucket, system, kinds: [rancherReceipts], newest: 1 })
  await keepPrivate(store, bucket, { objects: receipts.length === 0 })
  const key = `${receiptPrefix(system)}writable-${randomUUID()}`
  await putVerified(store, { bucket, key, body: 'A run checked that it can write here.\n' })
  await deleteKeys(store, bucket, [key])
}
