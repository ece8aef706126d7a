import { get as httpGet } from 'node:http'
import { get as httpsGet } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { Failure } from '../run/outcome.ts'
import type { Container, Docker, Image } from './docker.ts'
import type { SnapshotSettings } from './settings.ts'

/** Rancher's container, which survives being stopped and mounts the data at the expected place. */
export async function findRancher({ container, data }: SnapshotSettings, docker: Docker): Promise<Container> {
  const rancher = await docker.inspect(container)
  if (!rancher) {
    throw new Failure(
      'source',
      `there is no container ${container}: set rancher_backup_container to its name (docker ps), or create it as Rancher's documentation does`,
    )
  }
  if (rancher.HostConfig.AutoRemove) {
    throw new Failure(
      'source',
      `${container} was created with --rm and would be removed when stopped: create it again without`,
    )
  }
  const mount = rancher.Mounts.find(({ Destination }) => Destination === '/var/lib/rancher')
  if (mount?.Source !== data) {
    throw new Failure(
      'source',
      `${container} keeps /var/lib/rancher at ${mount?.Source ?? 'no mount'}, not at ${data}: set rancher_backup_data_directory to it`,
    )
  }
  return rancher
}

/** Rancher's version, from the environment of its image; newer images have it in a label too. */
export function versionOf({ Config }: Container | Image): string {
  const variable = Config.Env?.find(text => text.startsWith('CATTLE_SERVER_VERSION='))
  return variable?.split('=')[1] || Config.Labels?.['org.opencontainers.image.version'] || 'unknown'
}

// Often enough that the measured time is Rancher's and not ours; a request costs it nothing.
const POLL_MS = 100
const ANSWER_MS = 5_000

/** Request Rancher's health once. @returns undefined if it is healthy (any 2xx), else its answer */
function askHealth(url: string): Promise<string | undefined> {
  // Rancher's certificate is self-signed, and nothing secret is sent: only whether it answers matters.
  const get = url.startsWith('https:') ? httpsGet : httpGet
  return new Promise(resolve => {
    const asked = get(url, { agent: false, rejectUnauthorized: false, timeout: ANSWER_MS }, answer => {
      answer.resume()
      const status = answer.statusCode ?? 0
      resolve(status >= 200 && status < 300 ? undefined : `HTTP ${status}`)
    })
    asked.on('timeout', () => asked.destroy(new Error(`no answer within ${ANSWER_MS / 1000} s`)))
    asked.on('error', error => resolve((error as NodeJS.ErrnoException).code ?? error.message))
  })
}

/** Wait until Rancher is healthy. @returns undefined then, else its last answer */
export async function untilHealthy(url: string, timeoutMs: number): Promise<string | undefined> {
  const end = Date.now() + timeoutMs
  for (;;) {
    const said = await askHealth(url)
    if (said === undefined || Date.now() >= end) return said
    await sleep(POLL_MS)
  }
}
