import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { openStore } from '../../../src/store/client.ts'
import { openObject } from '../../../src/store/object.ts'

const content = randomBytes(300_000)

/** A store whose connections are cut after so many bytes of an answer; it says what was asked for. */
async function cutting(cutAfter: (answer: number) => number, etagOf = (_answer: number) => 'one') {
  const asked: (string | undefined)[] = []
  const server = createServer((request, response) => {
    const answer = asked.push(request.headers.range) - 1
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const ifMatch = request.headers['if-match']
    if (ifMatch !== undefined && ifMatch !== `"${etagOf(answer)}"`) {
      response.writeHead(412).end('<Error><Code>PreconditionFailed</Code></Error>')
      return
    }
    const rest = content.subarray(from)
    response.writeHead(from === 0 ? 200 : 206, { etag: `"${etagOf(answer)}"`, 'content-length': rest.length })
    const most = cutAfter(answer)
    if (most >= rest.length) response.end(rest)
    else response.write(rest.subarray(0, most), () => response.destroy())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const store = openStore({
    RCLONE_S3_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    AWS_ACCESS_KEY_ID: 'id',
    AWS_SECRET_ACCESS_KEY: 'key',
  })
  const connections = () =>
    new Promise<number>((resolve, reject) =>
      server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    )
  return { asked, connections, open: (stop?: AbortSignal) => openObject(store, { bucket: 'bucket', key: 'key' }, stop) }
}

test('a reading that is cut goes on where it was cut', async () => {
  const { asked, open } = await cutting(answer => (answer < 3 ? 90_000 : Number.POSITIVE_INFINITY))
  const { body, bytes } = await open()
  expect(bytes).toBe(content.length)
  expect(await buffer(body)).toEqual(content)
  expect(asked[0]).toBe(undefined)
  expect(asked.slice(1)).toEqual([90_000, 180_000, 270_000].map(from => `bytes=${from}-`))
})

test('an object that was replaced meanwhile is not continued', async () => {
  const { open } = await cutting(
    () => 90_000,
    answer => (answer === 0 ? 'one' : 'another'),
  )
  await expect(buffer((await open()).body)).rejects.toThrow('GetObject bucket/key: PreconditionFailed (HTTP 412)')
})

test('connections that are cut again and again end in a failure that names the object', async () => {
  const { asked, open } = await cutting(answer => (answer === 0 ? 1000 : 0))
  await expect(buffer((await open()).body)).rejects.toThrow(/^GetObject bucket\/key: ECONNRESET/)
  expect(asked).toHaveLength(6)
})

test('a run that is stopped does not ask again', async () => {
  const { asked, open } = await cutting(() => 1000)
  const stop = new AbortController()
  const { body } = await open(stop.signal)
  stop.abort(new Error('stopped'))
  await expect(buffer(body)).rejects.toThrow('stopped')
  expect(asked).toHaveLength(1)
})

test('a body that is never read and destroyed lets go of its connection', async () => {
  const { open, connections } = await cutting(() => Number.POSITIVE_INFINITY)
  const { body } = await open()
  expect(await connections()).toBe(1)
  body.destroy()
  await expect.poll(connections).toBe(0)
})
