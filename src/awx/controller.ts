import { exitCodes, Failure } from '../report/failure.ts'

/** An object as AWX's API shows it. */
export interface LiveObject {
  readonly id: number
  readonly name?: string
  readonly url: string
  readonly related: Readonly<Record<string, string>>
  readonly summary_fields: Readonly<Record<string, unknown>>
  readonly [field: string]: unknown
}

/** AWX's API, as far as this project speaks to it. Paths are relative to `/api/v2/`, or as AWX gives them. */
export interface Controller {
  readonly host: string
  get<T = LiveObject>(path: string): Promise<T>
  /** Every object of a list, all its pages. */
  list<T = LiveObject>(path: string, query?: Readonly<Record<string, string>>): Promise<T[]>
  post<T = LiveObject>(path: string, body?: unknown): Promise<T>
  delete(path: string): Promise<void>
}

/** AWX refused a request; `status` is HTTP's. */
export class ControllerRefusal extends Failure {
  override name = 'ControllerRefusal'
  readonly status: number
  constructor(status: number, message: string, next: string) {
    super(status === 401 || status === 403 || status >= 500 ? exitCodes.unreachable : exitCodes.findings, message, next)
    this.status = status
  }
}

/** The variables that every tool of AWX reads: where it is, and who asks. */
export type ControllerEnvironment = Readonly<Record<string, string | undefined>>

// AWX answers a list of 200 objects in a second or two; more than this is a network that swallows packets.
const timeoutMilliseconds = 60_000

/**
 * The AWX that `CONTROLLER_HOST` names, logged in by `CONTROLLER_OAUTH_TOKEN`, or by `CONTROLLER_USERNAME` and
 * `CONTROLLER_PASSWORD`. Sends nothing yet. A certificate of an authority of one's own is trusted by Node's
 * `NODE_EXTRA_CA_CERTS`.
 *
 * @throws Failure where the environment does not say
 */
export function openController(environment: ControllerEnvironment): Controller {
  const { CONTROLLER_HOST, CONTROLLER_OAUTH_TOKEN, CONTROLLER_USERNAME, CONTROLLER_PASSWORD } = environment
  if (!CONTROLLER_HOST) {
    throw new Failure(exitCodes.unreachable, 'no AWX is named', "set CONTROLLER_HOST to AWX's address")
  }
  const authorization = CONTROLLER_OAUTH_TOKEN
    ? `Bearer ${CONTROLLER_OAUTH_TOKEN}`
    : CONTROLLER_USERNAME && CONTROLLER_PASSWORD
      ? `Basic ${Buffer.from(`${CONTROLLER_USERNAME}:${CONTROLLER_PASSWORD}`).toString('base64')}`
      : undefined
  if (authorization === undefined) {
    throw new Failure(
      exitCodes.unreachable,
      `nobody to log in as at ${CONTROLLER_HOST}`,
      'set CONTROLLER_OAUTH_TOKEN, or CONTROLLER_USERNAME and CONTROLLER_PASSWORD',
    )
  }
  const host = /^https?:\/\//.test(CONTROLLER_HOST) ? CONTROLLER_HOST : `https://${CONTROLLER_HOST}`
  const address = (path: string) => new URL(path.startsWith('/') ? path : `/api/v2/${path}`, host)

  async function send<T>(method: string, url: URL, body?: unknown): Promise<T> {
    let response: Response
    try {
      response = await fetch(url, {
        method,
        headers: { Authorization: authorization as string, 'Content-Type': 'application/json' },
        signal: AbortSignal.timeout(timeoutMilliseconds),
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error)
      throw new Failure(
        exitCodes.unreachable,
        `AWX at ${host} cannot be reached: ${cause}`,
        'look at CONTROLLER_HOST, the network, and the certificate (NODE_EXTRA_CA_CERTS)',
        { cause: error },
      )
    }
    const text = await response.text()
    if (response.ok) return (text ? JSON.parse(text) : undefined) as T
    throw new ControllerRefusal(
      response.status,
      `AWX at ${host} refuses ${method} ${url.pathname} (${response.status}): ${text.slice(0, 500)}`,
      response.status === 401
        ? 'look at CONTROLLER_OAUTH_TOKEN, or user and password: they may have expired'
        : response.status === 403
          ? 'ask for the permission, or log in as somebody who has it'
          : 'see what it says above',
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
    delete: path => send('DELETE', address(path)),
  }
}
