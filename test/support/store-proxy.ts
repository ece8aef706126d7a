import { request as ask, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Stands before a bucket store and counts what is asked of it. */
export interface CountingProxy {
  url: string
  /** Requests by their method, LIST (a GET of the bucket) apart from other GETs. */
  requests: () => Record<string, number>
  close: () => void
}

/** Start one on loopback. The host's name is passed on as it came, since requests are signed with it. */
export async function countRequests(endpoint: string): Promise<CountingProxy> {
  const { hostname, port } = new URL(endpoint)
  const counts: Record<string, number> = {}
  const server = createServer((incoming, answer) => {
    const { pathname, searchParams } = new URL(incoming.url ?? '/', 'http://store')
    const isList =
      incoming.method === 'GET' && pathname.split('/').filter(Boolean).length === 1 && !searchParams.has('acl')
    const kind = isList ? 'LIST' : (incoming.method ?? '')
    counts[kind] = (counts[kind] ?? 0) + 1
    const { method, url: path, headers } = incoming
    const outgoing = ask({ host: hostname, port: port || 80, method, path, headers }, from => {
      answer.writeHead(from.statusCode ?? 502, from.headers)
      from.pipe(answer)
    })
    outgoing.on('error', error => answer.destroy(error))
    incoming.pipe(outgoing)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  // It must not hold up the end of a test run.
  server.unref()
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: () => ({ ...counts }),
    close: () => void server.close(),
  }
}
