import { mkdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CommandModule } from 'yargs'
import { type Environment, openStore, type Store } from '../store/client.ts'
import { readReceipts, writeReceipt } from '../store/receipt.ts'
import { prune } from '../store/retention.ts'
import { uploadVerified, type VerifiedObject } from '../store/upload.ts'
import { type Container, Docker, DockerUnreachable } from './docker.ts'
import { log, progress, sized } from './log.ts'
import { asFailure, conclude, Failure, type Result } from './outcome.ts'
import { archiveName, countEntries, pack, tagOf, takenOf } from './snapshot/archive.ts'
import { checkCopy, copyChanges, copyWhileRunning } from './snapshot/copy.ts'
import { untilHealthy } from './snapshot/health.ts'
import { COPY, preflight, type Ready } from './snapshot/preflight.ts'
import { forgetGuard, type RunRecord, readGuard, readRun, type Step, writeRun } from './snapshot/records.ts'
import {
  companions,
  guardEnvironment,
  type SnapshotSettings,
  snapshotSettings,
  withSecrets,
} from './snapshot/settings.ts'
import { bytesOf, type Tree } from './snapshot/tree.ts'

const ARM_MS = 30_000
// Of the deadline; the rest is for starting Rancher, so that the guard acts only where this process cannot.
const COPY_SHARE = 0.75
const LOG_LINES = 30

/** One run, from the checks to the pruning; its record shows every step. */
class Run {
  readonly settings: SnapshotSettings
  readonly docker = new Docker()
  readonly store: Store
  readonly stop: AbortSignal
  readonly record: RunRecord
  readonly copy: string
  readonly heartbeatUrl: string | undefined
  /** The copy is whole and of one moment. */
  consistent = false

  constructor(settings: SnapshotSettings, env: Environment, stop: AbortSignal) {
    this.settings = settings
    this.stop = stop
    this.store = openStore(env)
    this.heartbeatUrl = env.BACKUP_HEARTBEAT_URL || undefined
    this.copy = join(settings.staging, COPY)
    this.record = {
      system: settings.system,
      run: settings.run,
      start: new Date().toISOString(),
      outcome: 'running',
      steps: [],
    }
  }

  /** Do one step and record how it went. What `work` returns may have a `detail`, for people. */
  async step<T>(name: string, work: () => Promise<T>): Promise<T> {
    const began = performance.now()
    const step: Step = { name, start: new Date().toISOString(), outcome: 'running' }
    this.record.steps.push(step)
    await this.write()
    const end = (outcome: Step['outcome'], detail: string | undefined) => {
      step.outcome = outcome
      step.seconds = seconds(began)
      if (detail !== undefined) step.detail = detail
      log(`${name}: ${outcome} in ${step.seconds} s${detail === undefined ? '' : ` (${detail})`}`)
    }
    try {
      const result = await work()
      end('done', (result as { detail?: string } | undefined)?.detail)
      return result
    } catch (error) {
      end('failed', asFailure(error).message)
      throw error
    } finally {
      await this.write()
    }
  }

  write(): Promise<void> {
    return writeRun(this.settings.staging, this.record)
  }
}

function seconds(since: number): number {
  return Math.round(performance.now() - since) / 1000
}

async function snapshot(env: Environment, stop: AbortSignal): Promise<Result> {
  const settings = snapshotSettings(env)
  const last = await readRun(settings.staging)
  const run = new Run(settings, env, stop)
  try {
    const result = await backUp(run, last)
    run.record.outcome = 'succeeded'
    return result
  } catch (error) {
    run.record.outcome = 'failed'
    run.record.message = asFailure(stop.aborted ? stop.reason : error).message
    throw error
  } finally {
    run.record.end = new Date().toISOString()
    await run.write()
  }
}

async function backUp(run: Run, last: RunRecord | undefined): Promise<Result> {
  const { settings, docker, store, stop } = run
  const ready = await run.step('check', () => preflight(settings, docker, store, last, stop))
  let tree: Tree
  try {
    const before = await run.step('copy while running', async () => {
      const target = join(run.copy, 'var/lib/rancher')
      await mkdir(target, { recursive: true, mode: 0o700 })
      const copied = await copyWhileRunning(ready.engine, settings.data, target, stop)
      return { tree: copied, detail: `${copied.entries.size} entries, ${sized(bytesOf(copied))}, ${ready.engine.name}` }
    })
    tree = await takeConsistently(run, ready, before.tree)
  } catch (error) {
    if (!run.consistent) await rm(run.copy, { recursive: true, force: true })
    throw error
  }
  // From here on Rancher runs and nobody waits: whatever fails now costs a copy, not the service.
  return await keep(run, ready, tree)
}

/** Arm, stop, copy what changed, start, wait until healthy, disarm. However it ends, Rancher is started. */
async function takeConsistently(run: Run, { rancher, self, engine }: Ready, before: Tree): Promise<Tree> {
  const { settings, docker, stop } = run
  const deadline = await run.step('arm the guard', () => arm(run, self))
  const began = performance.now()
  const copyUntil = AbortSignal.timeout(Math.round(settings.stopDeadlineMs * COPY_SHARE))
  const halt = AbortSignal.any([stop, copyUntil])
  let tree: Tree | undefined
  let failed: unknown
  try {
    stop.throwIfAborted()
    const stopped = await run.step('stop', () => stopRancher(run, halt))
    const copied = await run.step('copy what changed', async () => {
      const changes = await copyChanges(engine, settings.data, join(run.copy, 'var/lib/rancher'), before, halt)
      return { ...changes, detail: `${changes.files} entries, ${sized(changes.bytes)} looked at` }
    })
    const still = await docker.inspect(settings.container)
    if (still?.State.Running || still?.State.FinishedAt !== stopped.finished) {
      throw new Failure(
        'rancher',
        `${settings.container} was started while its data were being copied: the copy is torn and was thrown away. Somebody or the guard started it; see guard.json in ${settings.staging}`,
      )
    }
    tree = copied.tree
    run.consistent = true
  } catch (error) {
    failed =
      copyUntil.aborted && !stop.aborted
        ? new Failure(
            'rancher',
            `${settings.container} was not copied within ${Math.round((settings.stopDeadlineMs * COPY_SHARE) / 1000)} s and was started again: look what slowed the copy down, or raise rancher_backup_stop_deadline_seconds`,
          )
        : error
  }
  await run.step('start', () => startRancher(run, rancher, deadline.at))
  run.record.stoppedSeconds = seconds(began)
  await run.step('wait until healthy', () => waitUntilHealthy(run, deadline.at))
  run.record.healthySeconds = seconds(began)
  log(
    `${settings.container} was stopped for ${run.record.stoppedSeconds} s, and healthy ${run.record.healthySeconds} s after the stop`,
  )
  await run.step('disarm the guard', () => disarm(run))
  if (!tree) throw failed
  return tree
}

/** Make the guard, and see it at work before anything is stopped. */
async function arm(run: Run, self: Container): Promise<{ at: Date; detail: string }> {
  const { settings, docker } = run
  const name = companions(settings.container).guard
  const at = new Date(Date.now() + settings.stopDeadlineMs)
  const mount = (destination: string) => {
    const source = self.Mounts.find(({ Destination }) => Destination === destination)?.Source
    return `${source}:${destination}`
  }
  await forgetGuard(settings.staging)
  await docker.create(name, {
    Image: self.Image,
    Cmd: ['guard'],
    Env: guardEnvironment(settings, at, run.heartbeatUrl),
    User: '0:0',
    Labels: { 'fragalysis-backups.system': settings.system, 'fragalysis-backups.run': settings.run },
    HostConfig: {
      NetworkMode: 'host',
      Binds: [mount('/run/docker.sock'), mount(settings.staging)],
      RestartPolicy: { Name: 'always' },
      ReadonlyRootfs: true,
    },
  })
  try {
    await docker.start(name)
    for (const end = Date.now() + ARM_MS; (await readGuard(settings.staging))?.run !== settings.run; await sleep(50)) {
      if (Date.now() > end) {
        const said = await docker.lastLines(name, LOG_LINES).catch(String)
        throw new Failure(
          'rancher',
          `the guard did not arm itself within ${ARM_MS / 1000} s, so ${settings.container} was not stopped. It said: ${said}`,
        )
      }
    }
  } catch (error) {
    await disarm(run)
    throw error
  }
  return { at, detail: `until ${at.toISOString()}` }
}

async function disarm(run: Run): Promise<void> {
  await patiently(() => run.docker.remove(companions(run.settings.container).guard), Date.now() + ARM_MS)
  await forgetGuard(run.settings.staging)
}

async function stopRancher(
  { settings, docker }: Run,
  halt: AbortSignal,
): Promise<{ finished: string; detail: string }> {
  await docker.stop(settings.container, halt)
  const state = (await docker.inspect(settings.container))?.State
  if (!state || state.Running)
    throw new Failure('rancher', `${settings.container} still runs after it was stopped: does something start it?`)
  return {
    finished: state.FinishedAt,
    detail: state.ExitCode === 137 ? 'it did not end by itself and was killed' : `exit code ${state.ExitCode}`,
  }
}

async function startRancher({ settings, docker }: Run, rancher: Container, deadline: Date): Promise<void> {
  try {
    await patiently(() => docker.start(rancher.Id), deadline.getTime())
  } catch (error) {
    throw new Failure(
      'rancher',
      `${settings.container} CANNOT BE STARTED: ${(error as Error).message}. The guard goes on trying until it starts; see "docker logs ${companions(settings.container).guard}"`,
      { cause: error },
    )
  }
}

async function waitUntilHealthy(run: Run, deadline: Date): Promise<void> {
  const { settings, docker } = run
  const said = await untilHealthy(settings.healthUrl, settings.healthyTimeoutMs)
  if (said === undefined) return
  const kept = run.consistent
    ? ` The copy that was just taken is whole, and stays at ${run.copy} until the next run.`
    : ''
  const lines = await docker.lastLines(settings.container, LOG_LINES).catch(String)
  throw new Failure(
    'rancher',
    `${settings.container} was started but IS NOT HEALTHY after ${settings.healthyTimeoutMs / 1000} s (${said}). The guard stays: from ${deadline.toISOString()} it waits as long again, restarts ${settings.container} once, and alarms.${kept} The container's last lines:\n${lines}`,
  )
}

/** Do something with Docker, again while it does not answer. */
async function patiently(work: () => Promise<void>, until: number): Promise<void> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof DockerUnreachable) || Date.now() > until) throw error
      log(`${error.message}; trying again`)
      await sleep(500)
    }
  }
}

/** Check the copy, pack it, upload it, verify it, write the receipt, prune. */
async function keep(run: Run, { rancher, engine }: Ready, tree: Tree): Promise<Result> {
  const { settings, store, stop } = run
  const taken = new Date(run.record.steps.find(step => step.name === 'stop')?.start ?? run.record.start)
  const version = versionOf(rancher)
  const name = archiveName({ version, tag: tagOf(rancher.Config.Image), taken })
  const archive = join(settings.staging, name)
  // tar takes no sockets.
  const entries = [...tree.entries.values()].filter(({ kind }) => kind !== 's').length

  await run.step('archive', async () => {
    await checkCopy(join(run.copy, 'var/lib/rancher'), tree, stop)
    await pack(run.copy, archive, stop)
    const found = await countEntries(archive, stop)
    if (found !== entries) throw new Failure('copy', `the archive has ${found} entries, the copy ${entries}`)
    await rm(run.copy, { recursive: true, force: true })
    return { detail: `${name}, ${sized((await stat(archive)).size)}, ${found} entries` }
  })
  const { object } = await run.step('upload and verify', async () => {
    const { size } = await stat(archive)
    try {
      const sent = await uploadVerified(store, {
        bucket: settings.bucket,
        key: name,
        file: archive,
        onProgress: progress('uploaded', size),
      })
      return { object: sent, detail: `${settings.bucket}/${name}` }
    } catch (error) {
      log(`the archive is whole, and stays at ${archive} until the next run`)
      throw error
    }
  })
  run.record.object = object.key
  await run.step('receipt', () => receipt(run, rancher, engine.name, version, object, tree))
  await rm(archive, { force: true })
  await run.step('prune', async () => {
    const { receipts } = await readReceipts(store, { bucket: settings.bucket, system: settings.system })
    const removed = await prune(store, {
      bucket: settings.bucket,
      system: settings.system,
      prefix: 'rancher-data-backup-',
      keep: settings.keep,
      takenAt: takenOf,
      receipts,
    })
    return { detail: removed.length === 0 ? 'nothing to remove' : `removed ${removed.join(', ')}` }
  })
  return {
    object: `${object.bucket}/${object.key}`,
    bytes: object.bytes,
    stoppedSeconds: run.record.stoppedSeconds,
    healthySeconds: run.record.healthySeconds,
  }
}

async function receipt(
  { settings, store, record }: Run,
  rancher: Container,
  engine: string,
  version: string,
  object: VerifiedObject,
  tree: Tree,
): Promise<void> {
  const { bucket, ...held } = object
  const count = (kind: string) => [...tree.entries.values()].filter(entry => entry.kind === kind).length
  await writeReceipt(store, {
    system: settings.system,
    kind: 'rancher',
    start: record.start,
    end: new Date().toISOString(),
    taken: record.steps.find(step => step.name === 'stop')?.start ?? record.start,
    bucket,
    object: held,
    bytes: held.bytes,
    versions: { rancher: version },
    counts: { entries: tree.entries.size, files: count('f'), folders: count('d'), links: count('l') },
    details: {
      image: rancher.Config.Image,
      imageId: rancher.Image,
      engine,
      treeBytes: bytesOf(tree),
      stoppedSeconds: record.stoppedSeconds,
      healthySeconds: record.healthySeconds,
      steps: Object.fromEntries(
        record.steps.flatMap(step => (step.seconds === undefined ? [] : [[step.name, step.seconds]])),
      ),
    },
  })
}

/** Rancher's version: its image has it in its environment, newer ones in a label as well. */
function versionOf(rancher: Container): string {
  const variable = rancher.Config.Env?.find(text => text.startsWith('CATTLE_SERVER_VERSION='))
  return variable?.split('=')[1] || rancher.Config.Labels?.['org.opencontainers.image.version'] || 'unknown'
}

export const command: CommandModule = {
  command: 'snapshot',
  describe: 'Copy the data of a Rancher server, which is stopped for the last moment of it, into its bucket',
  handler: async () => {
    const env = withSecrets(process.env)
    await conclude('snapshot', env, stop => snapshot(env, stop))
  },
}
