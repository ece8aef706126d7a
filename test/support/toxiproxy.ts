import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { execa } from 'execa'
import { onTestFinished } from 'vitest'
import { labCache } from '../../src/lab/lab.ts'

/** What toxiproxy does to a connection: https://github.com/Shopify/toxiproxy#toxics */
export interface Toxic {
  readonly type: 'latency' | 'bandwidth' | 'timeout' | 'reset_peer' | 'limit_data'
  readonly stream: 'upstream' | 'downstream'
  readonly attributes: Readonly<Record<string, number>>
  /** The share of the connections that it hits, 0 to 1. Default: all. */
  readonly toxicity?: number
}

const bin = join(labCache, 'toxiproxy-2.12.0')

/** Build it. Go keeps what it built: only the first run downloads and compiles, for a minute or two. */
export async function ensureToxiproxy(): Promise<void> {
  await execa('go', ['install', 'github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0'], { env: { GOBIN: bin } })
}

/** Start toxiproxy between a client and a server, on loopback. @returns the URL for the client */
export async function toxicProxy(upstream: string, toxics: readonly Toxic[]): Promise<{ url: string }> {
  const port = randomInt(20_000, 30_000)
  const server = execa(join(bin, 'server'), ['-host', '127.0.0.1', '-port', String(port)], {
    reject: false,
    stdio: 'ignore',
  })
  onTestFinished(async () => {
    server.kill()
    await server
  })
  const post = async (path: string, body: object) => {
    const deadline = Date.now() + 10_000
    for (;;) {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
        method: 'POST',
        body: JSON.stringify(body),
      }).catch(error => {
        if (Date.now() > deadline) throw error
      })
      if (answer?.ok) return (await answer.json()) as { listen: string }
      if (answer) throw new Error(`toxiproxy: ${await answer.text()}`)
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }
  const { host } = new URL(upstream)
  const { listen } = await post('/proxies', { name: 'store', listen: '127.0.0.1:0', upstream: host })
  for (const [index, toxic] of toxics.entries()) await post('/proxies/store/toxics', { name: `${index}`, ...toxic })
  return { url: `http://${listen}` }
}
