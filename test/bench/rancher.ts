import { RancherHost } from '../support/rancher-host.ts'

/** `seconds` is how long Rancher was stopped, `healthySeconds` how long until it was healthy; medians. */
interface Row {
  bench: string
  way: string
  seconds: number
  healthySeconds: number
  samples: number
  [figure: string]: string | number
}

interface Outage {
  stopped: number
  healthy: number
}

// As k3s keeps it: what changes all the time is the same whatever else there is.
const BUSY = { STAND_IN_DB_MIB: '512', STAND_IN_WAL_SEGMENTS: '2', STAND_IN_WRITES: '1000' }
const CHANGING_MIB = 512 + 2 * 64
const gib = (count: number) => ({ ...BUSY, STAND_IN_FILES_MIB: String(count * 1024 - CHANGING_MIB) })

/**
 * Rancher's outage with 1 and 8 GiB, in one run: ours, the procedure of Rancher's documentation, and a bare restart.
 *
 * Ours is the playbook, its bucket included; it is told to stop once Rancher is healthy and the guard disarmed, because
 * nothing after that touches the outage.
 */
export async function run(): Promise<Row[]> {
  return [...(await plain(1, '')), ...(await plain(8, '-8gib')), ...(await reflinks())]
}

async function plain(size: number, suffix: string): Promise<Row[]> {
  return await withHost(size, '', async host => [
    row(`limit${suffix}`, await times(`limit, ${size} GiB`, 3, () => bare(host, 'true'))),
    ...(size === 1 ? [row('today', await times('today', 1, () => bare(host, documented(host))))] : []),
    row(`ours${suffix}`, await times(`ours, ${size} GiB`, 3, () => ours(host))),
  ])
}

export async function reflinks(): Promise<Row[]> {
  return await withHost(1, 'xfs', async host => [
    row('limit-reflink', await times('limit, reflinks', 3, () => bare(host, 'true'))),
    row('ours-reflink', await times('ours, reflinks', 3, () => ours(host))),
  ])
}

async function withHost(
  size: number,
  filesystem: '' | 'xfs',
  measure: (host: RancherHost) => Promise<Row[]>,
): Promise<Row[]> {
  const host = new RancherHost()
  try {
    if (filesystem !== '') await host.onFilesystem(filesystem, 4)
    say(`making ${size} GiB of data${filesystem && ` on ${filesystem}`}`)
    await host.raise(gib(size))
    return await measure(host)
  } finally {
    await host.fallForGood()
  }
}

const say = (line: string) => process.stderr.write(`rancher: ${line}\n`)

async function times(what: string, count: number, measure: () => Promise<Outage>): Promise<Outage[]> {
  const outages: Outage[] = []
  for (let at = 1; at <= count; at += 1) {
    const outage = await measure()
    say(`${what}, ${at} of ${count}: stopped ${outage.stopped} s, healthy after ${outage.healthy} s`)
    outages.push(outage)
  }
  return outages
}

function row(way: string, outages: readonly Outage[]): Row {
  const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
  return {
    bench: 'rancher',
    way,
    seconds: median(outages.map(({ stopped }) => stopped)),
    healthySeconds: median(outages.map(({ healthy }) => healthy)),
    samples: outages.length,
  }
}

/** Stop, something, start, as a shell on the host does it. */
async function bare(host: RancherHost, between: string): Promise<Outage> {
  const printed = await host.shell(`
    sync
    began=$(date +%s%N)
    docker stop ${host.container} >/dev/null
    ${between}
    docker start ${host.container} >/dev/null
    started=$(date +%s%N)
    until curl --silent --fail --output /dev/null ${host.healthUrl}; do sleep 0.05; done
    echo $(( started - began )) $(( $(date +%s%N) - began ))`)
  const [stopped = 0, healthy = 0] = printed.split(' ').map(nanoseconds => Number(nanoseconds) / 1e9)
  return { stopped, healthy }
}

/** What Rancher's documentation does between stop and start, without the upload that it puts there, too. */
function documented(host: RancherHost): string {
  return `docker run --rm --volumes-from ${host.container} --volume ${host.folder}:/backup --entrypoint tar \
    ${host.image} pzcf /backup/rancher-data-backup.tar.gz /var/lib/rancher`
}

async function ours(host: RancherHost): Promise<Outage> {
  const enough = await host.at('archive', 'kill -TERM $agent')
  const { output } = await host.play()
  await enough.done
  const record = await host.runRecord()
  if (record?.stoppedSeconds === undefined || record.healthySeconds === undefined) throw new Error(output)
  return { stopped: record.stoppedSeconds, healthy: record.healthySeconds }
}
