import { mkdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { CommandModule } from 'yargs'
import type { Environment, Store } from '../../store/client.ts'
import { readReceipts, writeReceipt } from '../../store/receipt.ts'
import { prune } from '../../store/retention.ts'
import { uploadVerified, type VerifiedObject } from '../../store/upload.ts'
import { ageVersion, encryptedName, encryptionDetails, encryptToFile } from '../run/encryption.ts'
import { log, progress, sized } from '../run/log.ts'
import { conclude, Failure, type Result } from '../run/outcome.ts'
import { archiveName, countEntries, pack, tagOf, takenOf } from './archive.ts'
import { type Copied, checkCopy, copyChanges, copyWhileRunning } from './copy.ts'
import type { Container } from './docker.ts'
import { drill, isolateNetwork } from './drill.ts'
import { checkWindow, preflight, type Ready } from './preflight.ts'
import { rancherReceipts } from './receipt.ts'
import { type RunRecord, readRun } from './records.ts'
import { restore } from './restore.ts'
import { arm, disarm, outage, Run, seconds, startRancher, stopRancher, waitUntilHealthy } from './run.ts'
import { versionOf } from './server.ts'
import { isolationSettings, restoreOptions, snapshotSettings } from './settings.ts'
import { flush, type Tree, treeBytes } from './tree.ts'

// The share of the deadline for copying; the rest is for starting Rancher, so the guard acts only if this cannot.
const COPY_SHARE = 0.75

async function snapshot(env: Environment, stop: AbortSignal): Promise<Result> {
  const settings = snapshotSettings(env)
  const last = await readRun(settings.staging)
  const run = await Run.begin(settings, env, stop)
  return await run.whole(() => backUp(run, last))
}

async function backUp(run: Run, last: RunRecord | undefined): Promise<Result> {
  const { settings, docker, store, stop } = run
  const ready = await run.step('check', () => {
    checkWindow(settings, run.now())
    return preflight(settings, docker, store, last, stop)
  })
  let tree: Tree
  try {
    const before = await run.step('copy while running', async () => {
      const target = join(run.copy, 'var/lib/rancher')
      await mkdir(target, { recursive: true, mode: 0o700 })
      const copied = await copyWhileRunning(ready.engine, settings.data, target, stop)
      return { copied, detail: `${copied.entries.size} entries, ${sized(treeBytes(copied))}, ${ready.engine.name}` }
    })
    tree = await takeConsistently(run, ready, before.copied)
  } catch (error) {
    if (!run.consistent) await rm(run.copy, { recursive: true, force: true })
    throw error
  }
  // From here on Rancher runs: a failure now costs a copy, not the service.
  return await keep(run, ready, tree)
}

/** Arm, stop, copy what changed, start, complete the copy, wait until healthy, disarm. Rancher is always started. */
async function takeConsistently(run: Run, { rancher, self }: Ready, before: Copied): Promise<Tree> {
  const { settings, docker, stop } = run
  const deadline = await run.step('arm the guard', async () => {
    // Sync now rather than while Rancher is stopped, and before the deadline is set, because it may take long.
    await flush(settings.data, stop)
    return await arm(run, self, settings.stopDeadlineMs, [settings.staging])
  })
  const began = performance.now()
  const copyUntil = AbortSignal.timeout(Math.round(settings.stopDeadlineMs * COPY_SHARE))
  const halt = AbortSignal.any([stop, copyUntil])
  let copied: Awaited<ReturnType<typeof copyChanges>> | undefined
  let failed: unknown
  try {
    stop.throwIfAborted()
    const stopped = await run.step('stop', () => stopRancher(run, halt))
    const found = await run.step('copy what changed', async () => {
      const changes = await copyChanges(settings.data, join(run.copy, 'var/lib/rancher'), before, halt)
      return { ...changes, detail: `${changes.files} entries, ${sized(changes.bytes)} looked at` }
    })
    const still = await docker.inspect(settings.container)
    if (still?.State.Running || still?.State.FinishedAt !== stopped.finished) {
      throw new Failure(
        'rancher',
        `${settings.container} was started while its data were being copied: the copy is inconsistent and was discarded. The guard or a person started it; see guard.json in ${settings.staging}`,
      )
    }
    copied = found
  } catch (error) {
    failed =
      copyUntil.aborted && !stop.aborted
        ? new Failure(
            'rancher',
            `${settings.container} was not copied within ${Math.round((settings.stopDeadlineMs * COPY_SHARE) / 1000)} s and was started again: find out what slowed the copy down, or raise rancher_backup_stop_deadline_seconds`,
          )
        : error
  }
  await run.step('start', () => startRancher(run, rancher, deadline.at))
  run.record.stoppedSeconds = seconds(began)
  try {
    if (copied) {
      const { complete } = copied
      await run.step('complete the copy', () => complete(stop))
      run.consistent = true
    }
  } catch (error) {
    failed = error
  }
  await run.step('wait until healthy', () => waitUntilHealthy(run, deadline.at))
  run.record.healthySeconds = seconds(began)
  log(outage(run))
  await run.step('disarm the guard', () => disarm(run))
  if (!copied || !run.consistent) throw failed
  return copied.tree
}

/** Check the copy, pack it, upload it, verify it, write the receipt, prune. */
async function keep(run: Run, { rancher, engine }: Ready, tree: Tree): Promise<Result> {
  const { settings, store, stop } = run
  const taken = new Date(run.record.steps.find(step => step.name === 'stop')?.start ?? run.record.start)
  const version = versionOf(rancher)
  const { recipients } = settings
  const plainName = archiveName({ version, tag: tagOf(rancher.Config.Image), taken })
  const name = recipients.length > 0 ? encryptedName(plainName) : plainName
  const archive = join(settings.staging, name)
  // tar does not archive sockets.
  const entries = [...tree.entries.values()].filter(({ kind }) => kind !== 's').length

  await run.step('archive', async () => {
    await checkCopy(join(run.copy, 'var/lib/rancher'), tree, stop)
    const plain = join(settings.staging, plainName)
    await pack(run.copy, plain, stop)
    const found = await countEntries(plain, stop)
    if (found !== entries) throw new Failure('copy', `the archive has ${found} entries, the copy ${entries}`)
    await rm(run.copy, { recursive: true, force: true })
    if (plain !== archive) {
      await encryptToFile({ file: plain }, recipients, archive, stop)
      await rm(plain)
    }
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
      log(`the archive is complete, and stays at ${archive} until the next run`)
      throw error
    }
  })
  run.record.object = object.key
  await run.step('receipt', () => receipt(run, rancher, engine.name, version, object, tree))
  await rm(archive, { force: true })
  await run.step('prune', async () => {
    const removed = await prune(store, {
      bucket: settings.bucket,
      system: settings.system,
      prefix: 'rancher-data-backup-',
      keep: settings.keep,
      takenAt: takenOf,
    })
    return { detail: removed.length === 0 ? 'nothing to remove' : `removed ${removed.join(', ')}` }
  })
  const outages = await run.step('outages so far', async () => {
    const lines = await outagesSoFar(store, settings)
    for (const line of lines) log(line)
    return { lines, detail: `${lines.length} receipts` }
  })
  run.record.message = [
    `${object.bucket}/${object.key} is verified and has its receipt. ${outage(run)} So far:`,
    ...outages.lines,
  ].join('\n')
  return {
    object: `${object.bucket}/${object.key}`,
    bytes: object.bytes,
    stoppedSeconds: run.record.stoppedSeconds,
    healthySeconds: run.record.healthySeconds,
  }
}

async function receipt(
  run: Run,
  rancher: Container,
  engine: string,
  version: string,
  object: VerifiedObject,
  tree: Tree,
): Promise<void> {
  const { settings, store, record } = run
  const { bucket, ...held } = object
  const count = (kind: string) => [...tree.entries.values()].filter(entry => entry.kind === kind).length
  await writeReceipt(store, rancherReceipts, {
    system: settings.system,
    start: record.start,
    end: run.now().toISOString(),
    taken: record.steps.find(step => step.name === 'stop')?.start ?? record.start,
    bucket,
    object: held,
    bytes: held.bytes,
    versions: { rancher: version, ...(await ageVersion(settings.recipients)) },
    counts: { entries: tree.entries.size, files: count('f'), folders: count('d'), links: count('l') },
    details: {
      ...encryptionDetails(settings.recipients),
      image: rancher.Config.Image,
      imageId: rancher.Image,
      engine,
      treeBytes: treeBytes(tree),
      stoppedSeconds: record.stoppedSeconds ?? 0,
      healthySeconds: record.healthySeconds ?? 0,
      steps: run.stepSeconds(),
    },
  })
}

// About two months of weekly runs.
const SHOWN = 8

/**
 * How long Rancher was down in the newest runs, from their receipts: a line of text each, newest first, which shows if
 * outages grow.
 */
async function outagesSoFar(store: Store, of: { bucket: string; system: string }): Promise<string[]> {
  const { receipts } = await readReceipts(store, { ...of, kinds: [rancherReceipts], newest: SHOWN })
  return receipts.map(({ receipt: { taken, details } }) => {
    const [stopped, healthy] = [details.stoppedSeconds, details.healthySeconds].map(value => Number(value).toFixed(1))
    return `${taken.slice(0, 16)}Z  stopped ${stopped} s, healthy after ${healthy} s`
  })
}

async function restoreFrom(env: Environment, stop: AbortSignal): Promise<Result> {
  const options = restoreOptions(env)
  const run = await Run.begin(snapshotSettings(env), env, stop)
  return await run.whole(() => restore(run, options))
}

async function runDrill(env: Environment, stop: AbortSignal): Promise<Result> {
  const { wanted, identity } = restoreOptions(env)
  const run = await Run.begin(snapshotSettings(env), env, stop)
  return await run.whole(() => drill(run, wanted, identity))
}

async function isolated(env: Environment): Promise<Result> {
  const { url, timeoutMs } = isolationSettings(env)
  await isolateNetwork(url, timeoutMs)
  return { healthy: url }
}

export const command: CommandModule = {
  command: 'snapshot [action]',
  describe: 'Back up the data of a Rancher server, stopping it only briefly; restore; drill',
  builder: yargs =>
    yargs.positional('action', {
      choices: ['take', 'restore', 'drill', 'isolate-network'],
      default: 'take',
      describe: 'a drill starts "isolate-network" beside its second Rancher',
    }),
  handler: async ({ action }) => {
    const { env } = process
    if (action === 'take') await conclude('snapshot', env, stop => snapshot(env, stop))
    if (action === 'drill') await conclude('snapshot drill', env, stop => runDrill(env, stop))
    if (action === 'isolate-network') await conclude('snapshot isolate-network', env, () => isolated(env))
    // A restore is not a backup: it does not ping the backup's dead-man's switch.
    const silent = { ...env, BACKUP_HEARTBEAT_URL: undefined }
    await conclude('snapshot restore', silent, stop => restoreFrom(silent, stop))
  },
}
