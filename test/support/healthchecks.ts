import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

/** Stands for Healthchecks, an outside service: its management API v3, as its documentation says, and its pings. */
export async function startHealthchecks(key: string) {
  const checks = new Map<string, { uuid: string; body: Record<string, unknown> }>()
  const pings: { check: string; what: string; body: string; at: Date }[] = []
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
      pings.push({ check, what: ping[2] ?? 'success', body: text, at: new Date() })
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
  /** What it tells at a moment: which checks are down, by the wording of its own messages. */
  const down = (now: Date): { check: string; text: string }[] =>
    [...checks].flatMap(([name, { body }]) => {
      const last = pings.filter(({ check, what }) => check === name && what !== 'start').at(-1)
      if (!last) return []
      const next = nextRun(String(body.schedule), String(body.tz), last.at)
      const late = new Date(next.getTime() + Number(body.grace) * 1000)
      if (last.what === 'success' && now < late) return []
      const since = last.what === 'fail' ? last.at : late
      const why = last.what === 'fail' ? 'received a failure signal' : 'success signal did not arrive on time'
      const said = `Last ping: ${last.at.toISOString()}.${last.body === '' ? '' : ` ${last.body}`}`
      return [{ check: name, text: `${name} is DOWN since ${since.toISOString()} (${why}). ${said} ${body.desc}` }]
    })
  return {
    api: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v3/`,
    checks,
    pings,
    down,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** The first minute after a time that matches five fields of cron, each a number or `*`. */
function nextRun(schedule: string, timezone: string, after: Date): Date {
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone: timezone,
    minute: 'numeric',
    hour: 'numeric',
    day: 'numeric',
    month: 'numeric',
    weekday: 'short',
    hourCycle: 'h23',
  })
  const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
  const wanted = schedule.split(' ')
  for (let minute = Math.floor(after.getTime() / 60_000) + 1; ; minute++) {
    const at = new Date(minute * 60_000)
    const is = Object.fromEntries(parts.formatToParts(at).map(({ type, value }) => [type, value]))
    const fields = [is.minute, is.hour, is.day, is.month, days.indexOf(is.weekday ?? '')].map(Number)
    if (wanted.every((field, index) => field === '*' || Number(field) === fields[index])) return at
  }
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
