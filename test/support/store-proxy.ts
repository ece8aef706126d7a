import { request as ask, createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream'

/** A proxy in front of a bucket store that counts the requests. */
export interface CountingProxy {
  url: string
  /** Requests by method; LIST (a GET of the bucket) counts separately from other GETs. */
  requests: () => Record<string, number>
  close: () => void
}

/** Start one on loopback. The Host header is passed on unchanged, since requests are signed with it. */
export async function countRequests(endpoint: string): Promise<CountingProxy> {
  const counts: Record<string, number> = {}
  const server = createServer((incoming, answer) => {
    const { pathname, searchParams } = new URL(incoming.url ?? '/', 'http://store')
    const isList =
      incoming.method === 'GET' && pathname.split('/').filter(Boolean).length === 1 && !searchParams.has('acl')
    const kind = isList ? 'LIST' : (incoming.method ?? '')
    counts[kind] = (counts[kind] ?? 0) + 1
    forward(endpoint, incoming, answer)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  // It must not keep a test run from ending.
  server.unref()
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: () => ({ ...counts }),
    close: () => void server.close(),
  }
}

/** What a proxy knows of a request. */
export interface SeenRequest {
  method: string
  /** Decoded, with the bucket. */
  path: string
  /** The name of the sub-resource, such as `acl`; empty for the object or bucket itself. */
  query: string
  /** For a copy within the store: the source, decoded; and its byte range, for a part. */
  source: string | undefined
  range: string | undefined
}

/** Whether a request uploads a copy, or a file of one. */
export const isUpload = ({ method, path, query }: SeenRequest) =>
  method === 'PUT' && !/\/\.receipts\//.test(path) && !/^(acl|policy|publicAccessBlock)/.test(query)

/** A request that gets no answer at all. */
export const HELD = Symbol('held')

/** The answer of a proxy instead of the store's. */
export interface Answer {
  readonly status: number
  readonly code: string
}

const statuses: Readonly<Record<string, number>> = {
  QuotaExceeded: 403,
  AccessDenied: 403,
  InvalidAccessKeyId: 403,
  RequestTimeTooSkewed: 403,
  InternalError: 500,
  SlowDown: 503,
  NotImplemented: 501,
}

/**
 * A proxy in front of a bucket store that refuses some requests with an S3 error code, as a failing store does.
 *
 * @param address where it listens; the default is loopback
 * @param refuse returns the code, a whole answer, or `HELD`; or undefined for a request that the store answers
 */
export async function refusingProxy(
  endpoint: string,
  refuse: (request: SeenRequest) => string | Answer | typeof HELD | undefined,
  address = '127.0.0.1',
): Promise<{ url: string }> {
  const server = createServer((incoming, answer) => {
    const { method = '', url: path = '/', headers } = incoming
    const header = (name: string) =>
      headers[name] === undefined ? undefined : decodeURIComponent(String(headers[name]))
    const refusal = refuse({
      method,
      path: decodeURIComponent(new URL(path, 'http://store').pathname),
      query: new URL(path, 'http://store').search.replace(/^\?/, '').replace(/=.*/, ''),
      source: header('x-amz-copy-source'),
      range: header('x-amz-copy-source-range'),
    })
    if (refusal === HELD) {
      incoming.resume()
      return
    }
    if (refusal !== undefined) {
      const { status, code } =
        typeof refusal === 'string' ? { status: statuses[refusal] ?? 400, code: refusal } : refusal
      incoming.resume()
      incoming.on('end', () => {
        answer.writeHead(status, { 'content-type': 'application/xml' })
        answer.end(`<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code></Error>`)
      })
      return
    }
    forward(endpoint, incoming, answer)
  })
  await new Promise<void>(resolve => server.listen(0, address, resolve))
  server.unref()
  return { url: `http://${address}:${(server.address() as AddressInfo).port}` }
}

function forward(endpoint: string, incoming: IncomingMessage, answer: ServerResponse): void {
  const { hostname, port } = new URL(endpoint)
  const { method, url: path, headers } = incoming
  const outgoing = ask({ host: hostname, port: port || 80, method, path, headers }, from => {
    answer.writeHead(from.statusCode ?? 502, from.headers)
    // A failure of `from` destroys the answer, so that the client sees that it is cut.
    pipeline(from, answer, () => undefined)
  })
  // radosgw sends more than it announces after some answers 404. That is an error of the connection, while the answer is
  // complete and on its way to the client.
  outgoing.on('error', error => {
    if (!answer.headersSent) answer.destroy(error)
  })
  incoming.pipe(outgoing)
}
