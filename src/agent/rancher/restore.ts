import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { access, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Store } from '../../store/client.ts'
import { openObject } from '../../store/object.ts'
import { type Receipt, readReceipts, type StoredReceipt } from '../../store/receipt.ts'
import { choose, copyOf, list } from '../run/copies.ts'
import { contentName, decrypted, isEncrypted, requireIdentity } from '../run/encryption.ts'
import { log, progress, sized } from '../run/log.ts'
import { asFailure, Failure, type Result } from '../run/outcome.ts'
import type { Wanted } from '../run/restore-settings.ts'
import { checkRoom } from '../run/room.ts'
import { countEntries, unpack } from './archive.ts'
import type { Container, Docker } from './docker.ts'
import { type Exchange, forgetAside, makeAside, planExchange, putInPlace } from './exchange.ts'
import { checkGuard, checkSelf, clearDrill } from './preflight.ts'
import { rancherReceipts } from './receipt.ts'
import { arm, disarm, outage, type Run, seconds, startRancher, stopRancher, waitUntilHealthy } from './run.ts'
import { findRancher, versionOf } from './server.ts'
import type { RestoreOptions, SnapshotSettings } from './settings.ts'

/** The state of a restore, for whoever must roll it back: `restore.json` of the staging folder. */
const RECORD = 'restore.json'

/**
 * Restore Rancher from an archive. It is fetched, checked and unpacked before Rancher is touched. The previous data stay
 * aside until Rancher is healthy with the restored data, and are put back if it does not become healthy.
 *
 * A dry run ends before the unpacking, removes what it fetched, and says what would have happened.
 */
export async function restore(run: Run, { wanted, acceptVersion, dryRun, identity }: RestoreOptions): Promise<Result> {
  const { settings, docker, store, stop } = run
  const { container, staging, data, bucket, system } = settings
  if (wanted.which === 'list') {
    const { receipts } = await readReceipts(store, { bucket, system })
    const copies = list(receipts.map(copyOf), bucket)
    run.record.message = listed(receipts, bucket)
    return copies
  }
  const { self, rancher, receipt, room } = await run.step('check', async () => {
    const own = await checkSelf(settings, docker)
    await checkGuard(settings, docker)
    await clearDrill(settings, docker)
    if (dryRun && (await isIncomplete(staging))) log('an earlier restore is incomplete: it would be rolled back first')
    else if (await rollBack(docker, container, staging)) log('rolled back an incomplete restore')
    const found = await findRancher(settings, docker)
    const proof = await findReceipt(store, settings, wanted)
    checkVersion(proof, found, acceptVersion)
    requireIdentity(proof.object.key, identity)
    const free = await checkRoom([
      { place: staging, ...roomFor(proof) },
      { place: data, bytes: proof.details.treeBytes ?? 0, what: 'the restored data beside the current' },
    ])
    return {
      self: own,
      rancher: found,
      receipt: proof,
      room: free,
      detail: `${proof.object.key}, taken ${proof.taken}; ${free}`,
    }
  })
  run.record.object = receipt.object.key
  const { archive } = await run.step('fetch and verify', () =>
    fetchProven(store, receipt, { folder: staging, identity, stop }),
  )
  if (dryRun) {
    await rm(archive)
    run.record.message = `${receipt.object.key} is complete. ${wouldHappen(rancher, receipt, settings)} ${room}. Nothing was touched, and what was fetched is removed.`
    log(run.record.message)
    return { dryRun: true, object: receipt.object.key, taken: receipt.taken }
  }
  const exchange = await run.step('unpack', async () => {
    await unpack(archive, await makeAside(data), stop)
    await rm(archive)
    return await planExchange(data)
  })
  const ran = rancher.State.Running
  if (ran) {
    // The deadline includes a rollback.
    const deadlineMs = settings.stopDeadlineMs + 2 * settings.healthyTimeoutMs
    await run.step('arm the guard', () => arm(run, self, deadlineMs, [staging, data]))
  }
  await exchangeWhileStopped(run, rancher, exchange, ran)
  if (ran) await run.step('disarm the guard', () => disarm(run))
  run.record.message = `${bucket}/${receipt.object.key}, taken ${receipt.taken}, is restored. ${outage(run)}`
  return { object: receipt.object.key, taken: receipt.taken, stoppedSeconds: run.record.stoppedSeconds }
}

// The most lines that fit into a play's last message.
const LISTED = 50

function listed(receipts: readonly StoredReceipt[], bucket: string): string {
  const lines = receipts
    .slice(0, LISTED)
    .map(
      ({ receipt: { taken, object, versions } }) =>
        `${taken}  ${versions.rancher}  ${sized(object.bytes)}  ${object.key}`,
    )
  return [`${receipts.length} copies in ${bucket}, newest first:`, ...lines].join('\n')
}

function wouldHappen(
  rancher: Container,
  receipt: Receipt<typeof rancherReceipts>,
  { container, data }: SnapshotSettings,
): string {
  const version = receipt.versions.rancher
  const before = rancher.State.Running ? `${container} would be stopped` : `${container} is ${rancher.State.Status}`
  return `${before}; the ${sized(receipt.details.treeBytes ?? 0)} of ${receipt.counts.files} files in it, of Rancher ${version} and taken ${receipt.taken}, would replace the contents of ${data}; ${container} (${rancher.Config.Image}, Rancher ${versionOf(rancher)}) would be started, and would get its previous data back if it does not become healthy.`
}

/** Stop, exchange, start, wait until healthy; roll everything back if one of these fails. */
async function exchangeWhileStopped(run: Run, rancher: Container, exchange: Exchange, ran: boolean): Promise<void> {
  const { settings, docker } = run
  const { container, staging } = settings
  // By then the guard has seen the deadline pass, or there is no guard.
  const late = new Date()
  await recordExchange(staging, exchange)
  const began = performance.now()
  try {
    await run.step('stop', () => stopRancher(run, run.stop))
    await run.step('exchange', () => putInPlace(exchange, 'restored'))
    await run.step('start', () => startRancher(run, rancher, late))
    run.record.stoppedSeconds = seconds(began)
    await run.step('wait until healthy', () => waitUntilHealthy(run, late))
    run.record.healthySeconds = seconds(began)
  } catch (error) {
    await run.step('go back', async () => {
      await rollBack(docker, container, staging)
      if (!ran) return
      await startRancher(run, rancher, late)
      await waitUntilHealthy(run, late)
      await disarm(run)
    })
    const now = ran ? 'it is healthy with its previous data' : 'its previous data are in place again'
    throw new Failure('restore', `${container} was not restored, and ${now}: ${asFailure(error).message}`, {
      cause: error,
    })
  }
  await settle(staging, exchange)
}

/** The receipt of the wanted archive. @throws Failure restore if there is none */
export async function findReceipt(
  store: Store,
  { bucket, system }: { bucket: string; system: string },
  wanted: Exclude<Wanted, { which: 'list' }>,
): Promise<Receipt<typeof rancherReceipts>> {
  const newest = wanted.which === 'latest' ? { newest: 1 } : {}
  const { receipts, problems } = await readReceipts(store, { bucket, system, kinds: [rancherReceipts], ...newest })
  for (const problem of problems) log(problem)
  const copies = receipts.map(stored => ({ ...copyOf(stored), receipt: stored.receipt }))
  return choose(copies, wanted, `${bucket}, with a receipt of ${system}`).receipt
}

/** @throws Failure restore if the archive is of another version and that was not accepted */
function checkVersion(receipt: Receipt<typeof rancherReceipts>, rancher: Container, accept: boolean): void {
  const [copied, here] = [receipt.versions.rancher, versionOf(rancher)]
  if (copied === here) return
  const text = `the archive is of Rancher ${copied}, the container's image (${rancher.Config.Image}) is ${here}`
  if (!accept) {
    throw new Failure(
      'restore',
      `${text}: create the container again from ${receipt.details.image}, or launch with "Another version?" answered yes (rancher_backup_restore_accept_version)`,
    )
  }
  log(`${text}; continuing, as requested`)
}

/** The room that fetching an archive takes: of an encrypted one, also for its content. */
export function roomFor({ object: { key, bytes } }: Receipt<typeof rancherReceipts>): { bytes: number; what: string } {
  return isEncrypted(key)
    ? { bytes: 2 * bytes, what: 'the archive, encrypted and opened' }
    : { bytes, what: 'the archive' }
}

/**
 * Fetch an archive and check it: size, SHA-256, and every entry readable. Rancher is not touched.
 *
 * @param to.identity the private age keys, if it is encrypted
 * @returns its path; that of its content, if it is encrypted
 */
export async function fetchProven(
  store: Store,
  receipt: Receipt<typeof rancherReceipts>,
  { folder, identity, stop }: { folder: string; identity: string | undefined; stop: AbortSignal },
): Promise<{ archive: string; detail: string }> {
  const { key, bytes, sha256 } = receipt.object
  const fetched = join(folder, key.replaceAll('/', '_'))
  const archive = contentName(fetched)
  const { body } = await openObject(store, { bucket: receipt.bucket, key }, stop)
  const hash = createHash('sha256')
  const told = progress('fetched', bytes)
  let got = 0
  const tap = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      got += chunk.length
      told(got)
      done(null, chunk)
    },
  })
  try {
    await pipeline(body, tap, createWriteStream(fetched, { mode: 0o600 }), { signal: stop })
    const found = hash.digest('hex')
    if (got !== bytes || found !== sha256) {
      throw new Failure(
        'restore',
        `${receipt.bucket}/${key} does not match its receipt (${got} bytes, SHA-256 ${found}; ${bytes}, ${sha256}): Rancher was not touched; take another archive`,
      )
    }
    if (fetched !== archive) await open(key, fetched, archive, { identity, stop })
    const entries = await countEntries(archive, stop)
    return { archive, detail: `${key}, ${sized(bytes)}, ${entries} entries, of ${receipt.taken}` }
  } catch (error) {
    for (const path of [fetched, archive]) await rm(path, { force: true })
    throw error
  }
}

/** Decrypt what was fetched, and remove it. */
async function open(
  key: string,
  fetched: string,
  archive: string,
  { identity, stop }: { identity: string | undefined; stop: AbortSignal },
): Promise<void> {
  const content = decrypted(key, createReadStream(fetched, { highWaterMark: 1024 * 1024 }), identity)
  await pipeline(content, createWriteStream(archive, { mode: 0o600 }), { signal: stop })
  await rm(fetched)
}

/** Record that an exchange is in progress; until it is settled, whoever finds the record rolls it back. */
async function recordExchange(staging: string, exchange: Exchange): Promise<void> {
  await writeFile(join(staging, RECORD), JSON.stringify(exchange), { mode: 0o600, flush: true })
}

/** The restored state is confirmed: remove the previous data. */
async function settle(staging: string, exchange: Exchange): Promise<void> {
  await rm(join(staging, RECORD))
  await forgetAside(exchange.data)
}

/** Whether there is an exchange that was not settled. */
async function isIncomplete(staging: string): Promise<boolean> {
  return await access(join(staging, RECORD)).then(
    () => true,
    () => false,
  )
}

/**
 * Roll back an exchange that was not settled: stop Rancher and put the previous state in place. The caller starts
 * Rancher.
 *
 * @returns whether there was one
 */
export async function rollBack(docker: Docker, container: string, staging: string): Promise<boolean> {
  const text = await readFile(join(staging, RECORD), 'utf8').catch(() => undefined)
  if (text === undefined) return false
  const exchange = JSON.parse(text) as Exchange
  await docker.stop(container)
  await putInPlace(exchange, 'before')
  await settle(staging, exchange)
  return true
}
