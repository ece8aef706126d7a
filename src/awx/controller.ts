import { setTimeout as sleep } from 'node:timers/promises'
import { CommandFailure, exitCodes } from '../report/failure.ts'

/** An object as AWX's API shows it. */
export interface LiveObject {
  readonly id: number
  readonly name?: string
  readonly url: string
  readonly related: Readonly<Record<string, string>>
  readonly summary_fields: Readonly<Record<string, unknown>>
  readonly [field: string]: unknown
}

/** The part of AWX's API that this project uses. Paths are relative to `/api/v2/`, or as AWX returns them. */
export interface Controller {
  /** Its address, without a slash at its end. */
  readonly host: string
  get<T = LiveObject>(path: string): Promise<T>
  /** Every object of a list, all its pages. */
  list<T = LiveObject>(path: string, query?: Readonly<Record<string, string>>): Promise<T[]>
  post<T = LiveObject>(path: string, body?: unknown): Promise<T>
  patch<T = LiveObject>(path: string, body: unknown): Promise<T>
  delete(path: string): Promise<void>
}

/** AWX refused a request; `status` is HTTP's. */
export class ControllerRefusal extends CommandFailure {
  override name = 'ControllerRefusal'
  readonly status: number
  constructor(status: number, message: string, next: string) {
    super(status === 401 || status === 403 || status >= 500 ? exitCodes.unreachable : exitCodes.findings, message, next)
    this.status = status
  }
}

/** The variables that every AWX tool reads: its address and the login. */
export type ControllerEnvironment = Readonly<Record<string, string | undefined>>

// AWX answers a list of 200 objects in a second or two; a request that takes longer than this is lost.
const timeoutMilliseconds = 60_000

// An upgrade of AWX, or a restart of its ingress, takes minutes.
const patienceMilliseconds = 5 * 60_000

// What a proxy answers while AWX is away for a moment.
const passing = [429, 502, 503, 504]

/** How requests are sent. */
export interface ControllerOptions {
  /** For how long a GET is tried again while the connection breaks or a proxy answers for AWX, milliseconds. */
  readonly patience?: number
}

/**
 * The AWX that `CONTROLLER_HOST` names (with the path below which it is served, if it has one), logged in by
 * `CONTROLLER_OAUTH_TOKEN`, or by `CONTROLLER_USERNAME` and `CONTROLLER_PASSWORD`. Sends nothing yet. Set
 * `NODE_EXTRA_CA_CERTS` to trust a private certificate authority.
 *
 * @throws CommandFailure if the environment does not name an AWX and a login
 */
export function openController(
  environment: ControllerEnvironment,
  { patience = patienceMilliseconds }: ControllerOptions = {},
): Controller {
  const { CONTROLLER_HOST, CONTROLLER_OAUTH_TOKEN, CONTROLLER_USERNAME, CONTROLLER_PASSWORD } = environment
  if (!CONTROLLER_HOST) {
    throw new CommandFailure(exitCodes.unreachable, 'no AWX is named', "set CONTROLLER_HOST to AWX's address")
  }
  const authorization = CONTROLLER_OAUTH_TOKEN
    ? `Bearer ${CONTROLLER_OAUTH_TOKEN}`
    : CONTROLLER_USERNAME && CONTROLLER_PASSWORD
      ? `Basic ${Buffer.from(`${CONTROLLER_USERNAME}:${CONTROLLER_PASSWORD}`).toString('base64')}`
      : undefined
  if (authorization === undefined) {
    throw new CommandFailure(
      exitCodes.unreachable,
      `no login for ${CONTROLLER_HOST}`,
      'set CONTROLLER_OAUTH_TOKEN, or CONTROLLER_USERNAME and CONTROLLER_PASSWORD',
    )
  }
  const host = (/^https?:\/\//.test(CONTROLLER_HOST) ? CONTROLLER_HOST : `https://${CONTROLLER_HOST}`).replace(
    /\/+$/,
    '',
  )
  if (!URL.canParse(host)) {
    throw new CommandFailure(
      exitCodes.usage,
      `CONTROLLER_HOST is not an address: ${CONTROLLER_HOST}`,
      'write it as https://awx.example, with the path below which AWX is served if it has one',
    )
  }
  const prefix = new URL(host).pathname.replace(/\/$/, '')
  // AWX knows nothing of the path that a proxy serves it below: the addresses that it gives may lack it.
  const address = (path: string) => {
    const absolute = path.startsWith('/') ? path : `/api/v2/${path}`
    return new URL(absolute.startsWith(`${prefix}/`) ? absolute : `${prefix}${absolute}`, host)
  }

  /** Sends a request; a GET, which changes nothing, again and again for as long as the patience lasts. */
  async function send<T>(method: string, url: URL, body?: unknown): Promise<T> {
    const end = performance.now() + (method === 'GET' ? patience : 0)
    for (let wait = 250; ; wait = Math.min(wait * 2, 10_000)) {
      try {
        return await sendOnce<T>(method, url, body)
      } catch (error) {
        const lost =
          error instanceof ControllerRefusal ? passing.includes(error.status) : error instanceof CommandFailure
        if (!lost || performance.now() + wait > end) throw error
        await sleep(wait)
      }
    }
  }

  async function sendOnce<T>(method: string, url: URL, body?: unknown): Promise<T> {
    let response: Response
    let text: string
    try {
      response = await fetch(url, {
        method,
        headers: { Authorization: authorization as string, 'Content-Type': 'application/json' },
        signal: AbortSignal.timeout(timeoutMilliseconds),
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
      text = await response.text()
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error)
      throw new CommandFailure(
        exitCodes.unreachable,
        `AWX at ${host} cannot be reached: ${cause}`,
        'check CONTROLLER_HOST, the network, and the certificate (NODE_EXTRA_CA_CERTS)',
        { cause: error },
      )
    }
    if (response.ok) return parse<T>(text, host)
    throw new ControllerRefusal(
      response.status,
      `AWX at ${host} refuses ${method} ${url.pathname} (${response.status}): ${text.slice(0, 500)}`,
      response.status === 401
        ? 'check CONTROLLER_OAUTH_TOKEN, or user and password: they may have expired'
        : response.status === 403
          ? 'ask for the permission, or log in as a user who has it'
          : 'see its answer above',
    )
  }

  return {
    host,
    get: path => send('GET', address(path)),
    async list<T>(path: string, query: Readonly<Record<string, string>> = {}): Promise<T[]> {
      const url = address(path)
      for (const [key, value] of Object.entries({ page_size: '200', ...query })) url.searchParams.set(key, value)
      const found: T[] = []
      for (let next: URL | undefined = url; next; ) {
        const page: { results: T[]; next: string | null } = await send('GET', next)
        found.push(...page.results)
        next = page.next === null ? undefined : address(page.next)
      }
      return found
    },
    post: (path, body = {}) => send('POST', address(path), body),
    patch: (path, body) => send('PATCH', address(path), body),
    delete: path => send('DELETE', address(path)),
  }
}

function parse<T>(text: string, host: string): T {
  try {
    return (text ? JSON.parse(text) : undefined) as T
  } catch {
    throw new CommandFailure(
      exitCodes.unreachable,
      `${host} answers with something that is not JSON: ${text.slice(0, 80)}`,
      "check CONTROLLER_HOST: it may be a proxy's or a login page's address, not AWX's",
    )
  }
}
