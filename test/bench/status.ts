import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { CreateBucketCommand, DeleteBucketCommand } from '@aws-sdk/client-s3'
import { execa } from 'execa'
import production from '../../backups.config.ts'
import type { Config } from '../../src/config/index.ts'
import { Memory, memoryFolder } from '../../src/status/memory.ts'
import { reportStatus, summariseStatus } from '../../src/status/report.ts'
import { readStatus } from '../../src/status/status.ts'
import { openStore } from '../../src/store/client.ts'
import { deleteKeys, listObjects } from '../../src/store/list.ts'
import { inParallel } from '../../src/store/parallel.ts'
import { type Receipt, receiptPrefix } from '../../src/store/receipt.ts'
import { putVerified } from '../../src/store/upload.ts'
import { storeEnvironment } from '../support/bucket.ts'
import { receiptsOf } from '../support/receipts.ts'

const SYSTEMS = Number(process.env.BENCH_SYSTEMS ?? 500)
const YEARS = 3
const DAY_MS = 86_400_000
// What the agent leaves in a bucket of a nightly system: the copies, and the receipts of 35 days.
const [COPIES, RECEIPTS] = [28, 35]

/**
 * `status` over 500 nightly systems with buckets of their own, of which three years of receipts were read before: those
 * of 35 days are still in the bucket, the others only remembered.
 */
export async function run() {
  const environment = storeEnvironment()
  const store = openStore(environment, { connections: 64 })
  const cache = await mkdtemp(join(tmpdir(), 'backups-bench-status-'))
  const folder = memoryFolder({ XDG_CACHE_HOME: cache })
  await mkdir(folder, { recursive: true })
  const now = new Date()
  const night = new Date(now.getTime() - 5 * 3_600_000)
  const model = production.systems.find(({ name }) => name === 'infra-db-production')
  const systems = Array.from({ length: SYSTEMS }, (_, index) => ({
    ...model,
    name: `system-${index}`,
    bucket: `bench-status-${index}`,
  })) as Config['systems']
  const config = {
    ...production,
    store: { ...production.store, endpoint: environment.RCLONE_S3_ENDPOINT ?? '' },
    systems,
  }
  const keys = {
    access_key_id: environment.AWS_ACCESS_KEY_ID ?? '',
    secret_access_key: environment.AWS_SECRET_ACCESS_KEY ?? '',
  }
  try {
    await inParallel(systems, 16, async ({ name, bucket }) => {
      await store.s3.send(new CreateBucketCommand({ Bucket: bucket }))
      const place = {
        system: name,
        bucket,
        kind: 'database',
        keyOf: (taken: Date) => `hourly/backup-${taken.toISOString().slice(0, 19)}Z-dumpall.sql.gz`,
      }
      const drill = { ...place, system: `drill.${name}`, kind: 'drill' }
      const runs = Array.from({ length: YEARS * 365 }, (_, index) => ({
        taken: new Date(night.getTime() - (YEARS * 365 - 1 - index) * DAY_MS),
        bytes: 4,
      }))
      const memory = await Memory.open(folder, [store.endpoint, bucket, receiptPrefix(name)])
      let previous: string | null = null
      for (const [index, { receipt, key }] of receiptsOf(place, runs).reverse().entries()) {
        const age = runs.length - 1 - index
        let object = receipt.object
        if (age < COPIES) {
          const { etag, sha256 } = await putVerified(store, { bucket, key: object.key, body: 'dump' })
          object = { ...object, etag, sha256 }
        }
        const made = { ...receipt, object, previous } as Receipt
        const body = JSON.stringify(made)
        previous = createHash('sha256').update(body).digest('hex')
        if (age < RECEIPTS) await putVerified(store, { bucket, key, body })
        else memory.add({ key, receipt: made, sha256: previous }, 'expired')
      }
      await memory.save()
      const [last] = receiptsOf(drill, [{ taken: new Date(now.getTime() - 3 * DAY_MS) }])
      await putVerified(store, { bucket, key: last?.key ?? '', body: JSON.stringify(last?.receipt) })
    })
    const rows = []
    for (const way of ['first', 'nothing new', 'nothing new, again']) {
      const started = performance.now()
      const status = await readStatus({ config, credentials: { 'Store: production': keys }, folder, now })
      reportStatus(status, 'text', false)
      process.stderr.write(`${summariseStatus(status)}\n`)
      const seconds = (performance.now() - started) / 1000
      rows.push({
        bench: 'status',
        way,
        seconds,
        systems: SYSTEMS,
        requests: status.requests,
        mb: Math.round(process.memoryUsage().rss / 1e6),
      })
    }
    rows.push({ bench: 'status', way: 'service', ...(await serve(config, keys, cache)), systems: SYSTEMS })
    return rows
  } finally {
    await inParallel(systems, 16, async ({ bucket }) => {
      const all: string[] = []
      for await (const { key } of listObjects(store, { bucket })) all.push(key)
      await deleteKeys(store, bucket, all)
      await store.s3.send(new DeleteBucketCommand({ Bucket: bucket }))
    })
    store.s3.destroy()
    await rm(cache, { recursive: true })
  }
}

/** The status service over the same systems, until its page is there: how long that took, and the most memory it had. */
async function serve(
  { organisation, store, systems }: Config,
  keys: { readonly access_key_id: string; readonly secret_access_key: string },
  cache: string,
): Promise<{ seconds: number; mb: number }> {
  const file = join(cache, 'config.json')
  await writeFile(file, JSON.stringify({ organisation, store, systems }))
  const started = performance.now()
  const service = execa(process.execPath, [fileURLToPath(new URL('../../src/service/main.ts', import.meta.url))], {
    env: {
      STATUS_CONFIG: file,
      STATUS_PORT: '18080',
      AWS_ACCESS_KEY_ID: keys.access_key_id,
      AWS_SECRET_ACCESS_KEY: keys.secret_access_key,
      XDG_CACHE_HOME: cache,
    },
    reject: false,
    stdio: 'ignore',
  })
  try {
    for (let answered = false; !answered; ) {
      await sleep(100)
      answered = await fetch('http://127.0.0.1:18080/').then(
        ({ ok }) => ok,
        () => false,
      )
    }
    const seconds = (performance.now() - started) / 1000
    const peak = /^VmHWM:\s+(\d+) kB$/m.exec(await readFile(`/proc/${service.pid}/status`, 'utf8'))?.[1]
    return { seconds, mb: Math.round((Number(peak) * 1024) / 1e6) }
  } finally {
    service.kill()
    await service
  }
}
