import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../config/index.ts'
import { storeCredential } from '../launch/stores.ts'
import { refreshSeconds } from '../monitoring/rules.ts'
import { type PageSystem, statusPage } from '../status/page.ts'
import { pageSystem } from '../status/page-system.ts'
import { readStatus } from '../status/status.ts'
import { Metrics } from './metrics.ts'

/** The parts of a config that the status depends on. */
export type StatusConfig = Pick<Config, 'organisation' | 'store' | 'systems'>

/** The keys of a user of the store who may read every bucket. */
export interface StoreKeys {
  readonly access_key_id: string
  readonly secret_access_key: string
}

// A service that has not finished reading for so many periods is started again.
const PERIODS = 4

/** Reads the buckets now and then, and answers with what it last read. */
export class StatusService {
  readonly #config: StatusConfig
  readonly #keys: StoreKeys
  readonly #folder: string
  readonly #metrics = new Metrics()
  #page: string | undefined
  #alive = Date.now()

  /** @param folder of cached receipts */
  constructor(config: StatusConfig, keys: StoreKeys, folder: string) {
    this.#config = config
    this.#keys = keys
    this.#folder = folder
  }

  /** Read the buckets until stopped. A bucket that does not answer is a finding; any other error is logged. */
  async keepReading(log: (line: string) => void, stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      try {
        log(await this.read())
      } catch (error) {
        log(`the status could not be read: ${error instanceof Error ? error.stack : String(error)}`)
      }
      await sleep(refreshSeconds * 1000, undefined, { signal: stop }).catch(() => {})
    }
  }

  /** Read the buckets once. @returns what was read, in a line */
  async read(): Promise<string> {
    const began = performance.now()
    const read = new Map<string, PageSystem>()
    const credentials = Object.fromEntries(
      this.#config.systems.map(system => [storeCredential(system), { ...this.#keys }]),
    )
    const status = await readStatus({
      config: this.#config,
      credentials,
      folder: this.#folder,
      now: new Date(),
      onSystem: each => void read.set(each.row.system, pageSystem(each)),
    })
    const seconds = (performance.now() - began) / 1000
    this.#metrics.show(status, seconds)
    const systems = status.rows.flatMap(({ system }) => read.get(system) ?? [])
    const { organisation } = this.#config
    this.#page = statusPage({ organisation, at: status.at, systems, findings: status.findings })
    this.#alive = Date.now()
    return `${status.rows.length} systems, ${status.findings.length} findings, ${status.requests} requests, ${seconds.toFixed(1)} s`
  }

  /** Serve `/`, `/metrics` and `/healthz`. */
  listen(port: number): Promise<Server> {
    const server = createServer((request, response) => void this.#answer(request, response))
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, () => resolve(server))
    })
  }

  async #answer({ method, url }: IncomingMessage, response: ServerResponse): Promise<void> {
    const send = (status: number, type: string, text: string) => {
      // The page has styles of its own, and nothing else.
      const policy = "default-src 'none'; style-src 'unsafe-inline'"
      response.writeHead(status, {
        'content-type': type,
        'content-security-policy': policy,
        'cache-control': 'no-store',
      })
      response.end(method === 'HEAD' ? undefined : text)
    }
    const plain = 'text/plain; charset=utf-8'
    if (method !== 'GET' && method !== 'HEAD') return send(405, plain, 'only GET\n')
    switch (url?.split('?')[0]) {
      case '/':
        if (this.#page === undefined) return send(503, plain, 'the buckets are being read for the first time\n')
        return send(200, 'text/html; charset=utf-8', this.#page)
      case '/metrics':
        return send(200, this.#metrics.contentType, await this.#metrics.text())
      case '/healthz': {
        const age = (Date.now() - this.#alive) / 1000
        return age > PERIODS * refreshSeconds
          ? send(503, plain, `nothing was read for ${Math.round(age)} s\n`)
          : send(200, plain, 'ok\n')
      }
      default:
        return send(404, plain, 'not found; the paths are /, /metrics and /healthz\n')
    }
  }
}
