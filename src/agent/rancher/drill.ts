import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import type { Receipt } from '../../store/receipt.ts'
import { writeDrillReceipt } from '../run/drill-receipt.ts'
import { requireIdentity } from '../run/encryption.ts'
import { log } from '../run/log.ts'
import { asFailure, Failure, type Result } from '../run/outcome.ts'
import type { Wanted } from '../run/restore-settings.ts'
import { checkRoom } from '../run/room.ts'
import { unpack } from './archive.ts'
import { type Container, type Docker, type Image, retryDocker } from './docker.ts'
import { checkGuard, checkSelf, clearDrill, DRILL } from './preflight.ts'
import type { rancherReceipts } from './receipt.ts'
import { fetchProven, findReceipt, roomFor } from './restore.ts'
import { LOG_LINES, type Run, seconds } from './run.ts'
import { findRancher, untilHealthy, versionOf } from './server.ts'
import { containerNames } from './settings.ts'
import { readTree } from './tree.ts'

const POLL_MS = 200
const NETWORK_MS = 30_000

/**
 * Drill a restore: fetch an archive, check it against its receipt, unpack it into the staging folder, start a second
 * Rancher on it without a network, and write a receipt once it is healthy. The running Rancher is only inspected.
 *
 * Everything is removed in every case; the next run of any kind removes what a killed drill left (`clearDrill`).
 */
export async function drill(run: Run, wanted: Wanted, identity: string | undefined): Promise<Result> {
  const { settings, store, stop } = run
  const start = run.now()
  const began = performance.now()
  const folder = join(settings.staging, DRILL)
  const ready = await run.step('check', () => check(run, wanted, identity))
  const { receipt } = ready
  run.record.object = receipt.object.key
  let counts: Record<string, number> = {}
  let took = 0
  try {
    await mkdir(join(folder, 'data'), { recursive: true, mode: 0o700 })
    const { archive } = await run.step('fetch and verify', () =>
      fetched(fetchProven(store, receipt, { folder, identity, stop })),
    )
    counts = await run.step('unpack', async () => {
      await unpack(archive, join(folder, 'data'), stop)
      await rm(archive)
      return await compareCounts(join(folder, 'data'), receipt, stop)
    })
    await run.step('start a second Rancher', () => startAside(run, ready, join(folder, 'data')))
    await run.step('wait until healthy', () => untilItAnswers(run))
    took = seconds(began)
  } finally {
    await run.step('clean up', () => retryDocker(() => clearDrill(settings, run.docker), Date.now() + NETWORK_MS))
  }
  const written = await run.step('receipt', async () => {
    const details = { image: ready.image.Id, steps: run.stepSeconds() }
    const key = await writeDrillReceipt(store, receipt, { start, seconds: took, counts, details })
    return { key, detail: key }
  })
  run.record.message = `${receipt.object.key}, taken ${receipt.taken}, was restored in ${took} s: a second Rancher became healthy on it and was removed. ${settings.container} was not touched.`
  return {
    system: settings.system,
    copy: receipt.object.key,
    taken: receipt.taken,
    seconds: took,
    receipt: written.key,
  }
}

/** What the checks found, for the steps that follow. */
interface Ready {
  readonly receipt: Receipt<typeof rancherReceipts>
  readonly rancher: Container
  /** The container of this run, whose image also isolates the second Rancher. */
  readonly self: Container
  /** The image of the second Rancher. */
  readonly image: Image
}

async function check(run: Run, wanted: Wanted, identity: string | undefined): Promise<Ready & { detail: string }> {
  const { settings, docker, store } = run
  if (wanted.which === 'list') throw new Failure('environment', 'FROM_BACKUP is NONE: a drill needs a copy')
  const self = await checkSelf(settings, docker)
  await checkGuard(settings, docker)
  await clearDrill(settings, docker)
  const rancher = await findRancher(settings, docker)
  const receipt = await findReceipt(store, settings, wanted)
  const image = await findImage(docker, rancher, receipt)
  requireIdentity(receipt.object.key, identity)
  const room = await checkRoom([
    { place: settings.staging, ...roomFor(receipt) },
    { place: settings.staging, bytes: receipt.details.treeBytes ?? 0, what: 'the unpacked data' },
  ])
  return { receipt, rancher, self, image, detail: `${receipt.object.key}, taken ${receipt.taken}; ${room}` }
}

/** The image that the copy was made with, by its id or, if that is gone, its name. */
async function findImage(docker: Docker, rancher: Container, receipt: Receipt<typeof rancherReceipts>): Promise<Image> {
  const wanted = receipt.versions.rancher
  const { imageId, image: name } = receipt.details
  for (const candidate of [imageId, name, rancher.Image]) {
    const image = candidate === undefined ? undefined : await docker.inspectImage(candidate)
    if (image && versionOf(image) === wanted) return image
  }
  throw new Failure(
    'source',
    `the copy is of Rancher ${wanted}, and the host no longer has an image of that version: run docker pull ${name}`,
  )
}

/** A drill exists to find copies that do not match their receipts, so that is its own kind of failure. */
async function fetched<T>(fetching: Promise<T>): Promise<T> {
  try {
    return await fetching
  } catch (error) {
    const failure = asFailure(error)
    throw failure.kind === 'restore' ? new Failure('drill', failure.message, { cause: error }) : error
  }
}

const counted = [
  ['files', 'f'],
  ['folders', 'd'],
  ['links', 'l'],
] as const

async function compareCounts(
  data: string,
  receipt: Receipt<typeof rancherReceipts>,
  stop: AbortSignal,
): Promise<Record<string, number>> {
  const entries = [...(await readTree(data, { changing: false, signal: stop })).entries.values()]
  const counts = Object.fromEntries(
    counted.map(([what, kind]) => [what, entries.filter(entry => entry.kind === kind).length]),
  )
  for (const [what, count] of Object.entries(counts)) {
    if (count === receipt.counts[what]) continue
    throw new Failure(
      'drill',
      `${count} ${what} were restored, the receipt of ${receipt.taken} says ${receipt.counts[what]}`,
    )
  }
  return counts
}

/** The line that `isolateNetwork` logs once Rancher may be started. */
const NETWORK_ISOLATED = 'the isolated network is ready'

// From the block for documentation (RFC 5737). K3s does not accept a link-local address as the node's.
const ADDRESS = '203.0.113.254/31'
const GATEWAY = '203.0.113.255'

async function startAside(run: Run, { rancher, self, image }: Ready, data: string): Promise<void> {
  const { settings, docker, stop } = run
  const names = containerNames(settings.container)
  const Labels = { 'fragalysis-backups.system': settings.system, 'fragalysis-backups.run': settings.run }
  const network = await docker.create(names.drillNetwork, {
    Image: self.Image,
    Cmd: ['snapshot', 'isolate-network'],
    Env: [
      `BACKUP_RANCHER_HEALTH_URL=${insideUrl(settings.healthUrl, rancher)}`,
      `BACKUP_RANCHER_HEALTHY_TIMEOUT_SECONDS=${settings.healthyTimeoutMs / 1000}`,
    ],
    User: '0:0',
    Labels,
    HostConfig: {
      NetworkMode: 'none',
      Binds: [],
      RestartPolicy: { Name: 'no' },
      ReadonlyRootfs: true,
      CapAdd: ['NET_ADMIN'],
    },
  })
  await docker.start(network)
  for (const end = Date.now() + NETWORK_MS; ; await sleep(POLL_MS)) {
    stop.throwIfAborted()
    const said = await docker.lastLines(network, LOG_LINES)
    if (said.includes(NETWORK_ISOLATED)) break
    if (Date.now() < end && (await docker.inspect(network))?.State.Running) continue
    throw new Failure('drill', `${names.drillNetwork} could not set up the second Rancher's network. Its log: ${said}`)
  }
  const own = (await docker.inspectImage(rancher.Image))?.Config
  const given = <T>(value: T, ofImage: T) => (JSON.stringify(value) === JSON.stringify(ofImage) ? undefined : value)
  const [command, entrypoint] = [given(rancher.Config.Cmd, own?.Cmd), given(rancher.Config.Entrypoint, own?.Entrypoint)]
  await docker.create(names.drill, {
    Image: image.Id,
    ...(command && { Cmd: command }),
    ...(entrypoint && { Entrypoint: entrypoint }),
    // What its own image sets belongs to that image's version.
    Env: (rancher.Config.Env ?? []).filter(text => !own?.Env?.includes(text)),
    Labels,
    HostConfig: {
      NetworkMode: `container:${network}`,
      Binds: [`${data}:/var/lib/rancher`],
      RestartPolicy: { Name: 'no' },
      Privileged: rancher.HostConfig.Privileged,
      // When memory or CPU is short, the running Rancher must not suffer.
      OomScoreAdj: 1000,
      CpuShares: 128,
    },
  })
  await docker.start(names.drill)
}

/**
 * Give a network namespace without interfaces a default route that leads nowhere, then wait for Rancher in it.
 *
 * K3s inside Rancher does not start without a default route, from which it takes the node's address. This one goes over
 * a pair of virtual interfaces with both ends in this namespace, so packets reach nothing. (A dummy interface would do
 * too, but needs a kernel module that not every host has; every Docker host has veth.)
 *
 * @param url Rancher's health, as seen from inside
 * @throws Failure drill with Rancher's last answer
 */
export async function isolateNetwork(url: string, timeoutMs: number): Promise<void> {
  const ip = (text: string) => execa('ip', text.split(' '))
  await ip('link set lo up')
  await ip('link add rancher0 type veth peer name nowhere0')
  await ip('link set nowhere0 up')
  await ip('link set rancher0 up')
  await ip(`address add ${ADDRESS} dev rancher0`)
  await ip(`route add default via ${GATEWAY} dev rancher0`)
  log(NETWORK_ISOLATED)
  const said = await untilHealthy(url, timeoutMs)
  if (said !== undefined) throw new Failure('drill', `${url}: ${said}, after ${timeoutMs / 1000} s`)
}

/** Rancher's health URL inside its container, whose port may differ from the host's. */
export function insideUrl(healthUrl: string, { HostConfig }: Pick<Container, 'HostConfig'>): string {
  const url = new URL(healthUrl)
  const port = url.port || (url.protocol === 'https:' ? '443' : '80')
  const published = Object.entries(HostConfig.PortBindings ?? {}).find(([, hosts]) =>
    hosts?.some(({ HostPort }) => HostPort === port),
  )
  url.hostname = '127.0.0.1'
  url.port = published?.[0].split('/')[0] ?? port
  return url.href
}

async function untilItAnswers({ settings, docker, stop }: Run): Promise<void> {
  const names = containerNames(settings.container)
  const failed = async (what: string) => {
    const lines = await docker.lastLines(names.drill, LOG_LINES).catch(String)
    throw new Failure('drill', `a second Rancher on the restored data ${what}. Its last lines:\n${lines}`)
  }
  for (;;) {
    stop.throwIfAborted()
    const [watch, rancher] = [await docker.inspect(names.drillNetwork), await docker.inspect(names.drill)]
    if (watch?.State.Running === false && watch.State.ExitCode === 0) return
    if (!watch?.State.Running) return await failed(`did not answer within ${settings.healthyTimeoutMs / 1000} s`)
    if (!rancher?.State.Running) return await failed(`ended with exit code ${rancher?.State.ExitCode}`)
    await sleep(POLL_MS)
  }
}
