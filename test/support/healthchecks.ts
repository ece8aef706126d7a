import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

/** Stands for Healthchecks, an outside service: its management API v3, as its documentation says, and its pings. */
export async function startHealthchecks(key: string) {
  const checks = new Map<string, { uuid: string; body: Record<string, unknown> }>()
  const pings: { check: string; what: string; body: string }[] = []
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    const send = (status: number, value: object) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(value))
    }
    const ping = /^\/ping\/([^/]+)(?:\/(start|fail))?$/.exec(request.url ?? '')
    if (ping) {
      const check = [...checks].find(([, { uuid }]) => uuid === ping[1])?.[0]
      if (check === undefined) return send(404, { error: 'not found' })
      pings.push({ check, what: ping[2] ?? 'success', body: text })
      return send(200, {})
    }
    if (request.method !== 'POST' || request.url !== '/api/v3/checks/') return send(404, { error: 'not found' })
    if (request.headers['x-api-key'] !== key) return send(401, { error: 'missing api key' })
    const body = JSON.parse(text) as Record<string, unknown>
    const refusal = refusalOf(body)
    if (refusal !== undefined) return send(400, { error: `json validation error: ${refusal}` })
    const name = String(body.name)
    const isUnique = Array.isArray(body.unique) && body.unique.includes('name')
    const before = isUnique ? checks.get(name) : undefined
    const uuid = before?.uuid ?? randomUUID()
    checks.set(name, { uuid, body })
    const { port } = server.address() as AddressInfo
    send(before ? 200 : 201, { ...body, ping_url: `http://127.0.0.1:${port}/ping/${uuid}` })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', () => resolve()))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { api: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v3/`, checks, pings }
}

const fields = [
  'name',
  'slug',
  'tags',
  'desc',
  'timeout',
  'grace',
  'schedule',
  'tz',
  'manual_resume',
  'methods',
  'channels',
  'unique',
]

function refusalOf(body: Record<string, unknown>): string | undefined {
  const unknown = Object.keys(body).find(field => !fields.includes(field))
  if (unknown) return `unknown field ${unknown}`
  if (typeof body.name !== 'string' || body.name.length > 100) return 'name is too long'
  if (typeof body.grace !== 'number' || body.grace < 60 || body.grace > 31_536_000) return 'grace is out of range'
  if (typeof body.schedule !== 'string' || body.schedule.split(' ').length !== 5)
    return 'schedule is not a valid cron expression'
  try {
    Intl.DateTimeFormat('en', { timeZone: String(body.tz) })
  } catch {
    return 'tz is not a valid timezone'
  }
  return undefined
}
