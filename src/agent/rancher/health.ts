import { get as httpGet } from 'node:http'
import { get as httpsGet } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'

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
