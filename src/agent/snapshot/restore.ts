import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, readFile, rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { GetObjectCommand } from '@aws-sdk/client-s3'
import type { Store } from '../../store/client.ts'
import { type Receipt, readReceipts } from '../../store/receipt.ts'
import type { Container, Docker } from '../docker.ts'
import { log, progress, sized } from '../log.ts'
import { asFailure, Failure, type Result } from '../outcome.ts'
import { countEntries, unpack } from './archive.ts'
import { type Exchange, forgetAside, makeAside, planExchange, putInPlace } from './exchange.ts'
import { checkGuard, checkSelf, findRancher } from './preflight.ts'
import { arm, disarm, type Run, seconds, startRancher, stopRancher, waitUntilHealthy } from './run.ts'
import type { RestoreWishes } from './settings.ts'
import { versionOf } from './version.ts'

/** Where a restore stands, for whoever must take it back: `restore.json` of the staging folder. */
const RECORD = 'restore.json'

/**
 * Bring Rancher back to an archive. All is fetched, proven and unpacked before Rancher is touched; what was there stays
 * aside until Rancher is healthy with what was restored, and comes back where it does not become so.
 */
export async function restore(run: Run, wishes: RestoreWishes): Promise<Result> {
  const { settings, docker, store, stop } = run
  const { container, staging, data } = settings
  const { self, rancher, receipt } = await run.step('check', async () => {
    const own = await checkSelf(settings, docker)
    await checkGuard(settings, docker)
    if (await takeBack(docker, container, staging)) log('took back a restore that was broken off')
    const found = await findRancher(settings, docker)
    const proof = await findReceipt(store, settings, wishes)
    checkVersion(proof, found, wishes)
    return { self: own, rancher: found, receipt: proof, detail: `${proof.object.key}, taken ${proof.taken}` }
  })
  run.record.object = receipt.object.key
  const { archive } = await run.step('fetch and verify', () => fetchProven(store, receipt, staging, stop))
  const exchange = await run.step('unpack', async () => {
    const planned = await unpackAside(archive, data, receipt, stop)
    await rm(archive)
    return planned
  })
  const ran = rancher.State.Running
  if (ran) {
    // Taking back is part of the work, and needs the longer of the times.
    const deadlineMs = settings.stopDeadlineMs + 2 * settings.healthyTimeoutMs
    await run.step('arm the guard', () => arm(run, self, deadlineMs, [staging, data]))
  }
  await exchangeWhileStopped(run, rancher, exchange, ran)
  if (ran) await run.step('disarm the guard', () => disarm(run))
  return { object: receipt.object.key, taken: receipt.taken, stoppedSeconds: run.record.stoppedSeconds }
}

/** Stop, exchange, start, wait until healthy; and all the way back where one of these fails. */
async function exchangeWhileStopped(run: Run, rancher: Container, exchange: Exchange, ran: boolean): Promise<void> {
  const { settings, docker } = run
  const { container, staging } = settings
  // By then whoever starts Rancher has seen the deadline pass, or there is nobody.
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
      await takeBack(docker, container, staging)
      if (!ran) return
      await startRancher(run, rancher, late)
      await waitUntilHealthy(run, late)
      await disarm(run)
    })
    const now = ran ? 'it runs and is healthy with what was there before' : 'what was there before is in place again'
    throw new Failure('restore', `${container} was not restored, and ${now}: ${asFailure(error).message}`, {
      cause: error,
    })
  }
  await settle(staging, exchange)
}

/** The receipt of the archive that is wished for. @throws Failure restore where there is none */
export async function findReceipt(
  store: Store,
  where: { bucket: string; system: string },
  { object }: RestoreWishes,
): Promise<Receipt> {
  const { receipts } = await readReceipts(store, object === undefined ? { ...where, newest: 1 } : where)
  const found = receipts.find(({ receipt }) => object === undefined || receipt.object.key === object)
  if (found) return found.receipt
  const what = object === undefined ? `no copy of ${where.system} with a receipt` : `no receipt for ${object}`
  throw new Failure(
    'restore',
    `there is ${what} in ${where.bucket}: only proven copies are restored by this; look with "rclone lsf"`,
  )
}

/** @throws Failure restore where the archive is of another version and nobody accepts that */
export function checkVersion(receipt: Receipt, rancher: Container, { acceptVersion }: RestoreWishes): void {
  const [copied, here] = [receipt.versions.rancher, versionOf(rancher)]
  if (copied === here) return
  const text = `the archive is of Rancher ${copied}, the container's image (${rancher.Config.Image}) is ${here}`
  if (!acceptVersion) {
    throw new Failure(
      'restore',
      `${text}: make the container anew from ${String(receipt.details.image)}, or launch with rancher_backup_restore_accept_version=yes`,
    )
  }
  log(`${text}; told to go on`)
}

/**
 * Fetch an archive and prove it whole: size, SHA-256, and every entry readable. Rancher is not touched.
 *
 * @returns its path
 */
export async function fetchProven(
  store: Store,
  receipt: Receipt,
  staging: string,
  stop: AbortSignal,
): Promise<{ archive: string; detail: string }> {
  const { key, bytes, sha256 } = receipt.object
  const { bavail, bsize } = await statfs(staging)
  if (bavail * bsize < bytes) {
    throw new Failure(
      'volume',
      `${staging} has ${sized(bavail * bsize)} free, the archive is ${sized(bytes)}: free some`,
    )
  }
  const archive = join(staging, key.replaceAll('/', '_'))
  const answer = await store.s3.send(new GetObjectCommand({ Bucket: receipt.bucket, Key: key }), { abortSignal: stop })
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
  await pipeline(answer.Body as Readable, tap, createWriteStream(archive, { mode: 0o600 }), { signal: stop })
  const found = hash.digest('hex')
  if (got !== bytes || found !== sha256) {
    throw new Failure(
      'restore',
      `${receipt.bucket}/${key} is not what its receipt says (${got} bytes, SHA-256 ${found}; ${bytes}, ${sha256}): Rancher was not touched; take another archive`,
    )
  }
  const entries = await countEntries(archive, stop)
  return { archive, detail: `${key}, ${sized(bytes)}, ${entries} entries, of ${receipt.taken}` }
}

/** Unpack a proven archive beside the data it is to replace. */
export async function unpackAside(
  archive: string,
  data: string,
  receipt: Receipt,
  stop: AbortSignal,
): Promise<Exchange> {
  await mkdir(data, { recursive: true, mode: 0o755 })
  const needed = Number(receipt.details.treeBytes ?? 0)
  const { bavail, bsize } = await statfs(data)
  if (bavail * bsize < needed) {
    throw new Failure(
      'volume',
      `${data} has ${sized(bavail * bsize)} free, the restored data need ${sized(needed)}: free some`,
    )
  }
  await unpack(archive, await makeAside(data), stop)
  return await planExchange(data)
}

/** Write down that an exchange is under way; until it is settled, whoever finds this takes it back. */
export async function recordExchange(staging: string, exchange: Exchange): Promise<void> {
  await writeFile(join(staging, RECORD), JSON.stringify(exchange), { mode: 0o600, flush: true })
}

/** The restored state is good: remove what was there before. */
export async function settle(staging: string, exchange: Exchange): Promise<void> {
  await rm(join(staging, RECORD))
  await forgetAside(exchange.data)
}

/**
 * Take back an exchange that nobody settled: stop Rancher, put the state of before in place. Starting it is left to
 * the caller.
 *
 * @returns whether there was one
 */
export async function takeBack(docker: Docker, container: string, staging: string): Promise<boolean> {
  const text = await readFile(join(staging, RECORD), 'utf8').catch(() => undefined)
  if (text === undefined) return false
  const exchange = JSON.parse(text) as Exchange
  await docker.stop(container)
  await putInPlace(exchange, 'before')
  await settle(staging, exchange)
  return true
}
