import { type IncomingMessage, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { log } from '../run/log.ts'

/** How a container is started: an image's settings, merged with those given when the container was created. */
interface Making {
  readonly Env: readonly string[] | null
  readonly Cmd: readonly string[] | null
  readonly Entrypoint: readonly string[] | null
  readonly Labels: Readonly<Record<string, string>> | null
}

/** The facts about an image that a backup needs. */
export interface Image {
  /** `sha256:…` */
  readonly Id: string
  readonly Config: Making
}

/** The facts about a container that a backup needs. Times are RFC 3339; the year 0001 means never. */
export interface Container {
  readonly Id: string
  /** The image's id, `sha256:…`. */
  readonly Image: string
  readonly RestartCount: number
  readonly State: {
    readonly Status: string
    readonly Running: boolean
    readonly Paused: boolean
    readonly Restarting: boolean
    readonly ExitCode: number
    readonly StartedAt: string
    readonly FinishedAt: string
  }
  readonly Config: Making & {
    /** The image's name when the container was created: `rancher/rancher:v2.9.2`. */
    readonly Image: string
    readonly Tty: boolean
  }
  readonly HostConfig: {
    readonly AutoRemove: boolean
    readonly Privileged: boolean
    readonly RestartPolicy: { readonly Name: string }
    /** `80/tcp` → where the host publishes it. */
    readonly PortBindings: Readonly<Record<string, readonly { readonly HostPort: string }[] | null>> | null
  }
  readonly Mounts: readonly { readonly Source: string; readonly Destination: string }[]
}

/** A new container: a subset of the body of Docker's `POST /containers/create`. */
export interface NewContainer {
  readonly Image: string
  /** Default: the image's. */
  readonly Cmd?: readonly string[]
  readonly Entrypoint?: readonly string[]
  /** In addition to the image's. */
  readonly Env: readonly string[]
  readonly User?: string
  readonly Labels: Readonly<Record<string, string>>
  readonly HostConfig: {
    readonly NetworkMode: string
    readonly Binds: readonly string[]
    readonly RestartPolicy: { readonly Name: 'always' | 'no' }
    readonly ReadonlyRootfs?: boolean
    readonly Privileged?: boolean
    readonly CapAdd?: readonly string[]
    /** 1000: the first that the kernel kills when memory runs out. */
    readonly OomScoreAdj?: number
    /** Relative to others when the CPUs are busy; default 1024. */
    readonly CpuShares?: number
  }
}

/** Docker refused a request. */
class DockerRefused extends Error {
  /** HTTP's. */
  readonly status: number
  constructor(status: number, what: string, said: string) {
    super(`Docker answered ${what} with ${status}: ${said}`)
    this.name = 'DockerRefused'
    this.status = status
  }
}

/** The Docker daemon did not answer: it is down, or the socket belongs to something else. */
class DockerUnreachable extends Error {
  constructor(socket: string, cause: Error) {
    super(`the Docker daemon does not answer on ${socket}: ${cause.message}`, { cause })
    this.name = 'DockerUnreachable'
  }
}

// Only stopping a container takes the daemon long. Without a limit a hung daemon would hang the run.
const ANSWER_MS = 30_000

/**
 * The few calls of the Docker API that a backup of a container needs, over the daemon's socket. Paths carry no API
 * version, so any daemon answers with its own: 20.10 and 29 have none in common.
 *
 * Every method throws `DockerRefused` or `DockerUnreachable`.
 */
export class Docker {
  readonly #socket: string

  constructor(socket = '/run/docker.sock') {
    this.#socket = socket
  }

  /** What Docker knows of a container, by name or id; undefined if there is none. */
  inspect(name: string): Promise<Container | undefined> {
    return this.#look<Container>(`/containers/${name}/json`)
  }

  /** What Docker knows of an image, by name or id; undefined if the host does not have it. */
  inspectImage(name: string): Promise<Image | undefined> {
    return this.#look<Image>(`/images/${name}/json`)
  }

  async #look<T>(path: string): Promise<T | undefined> {
    try {
      return JSON.parse(String(await this.#call('GET', path))) as T
    } catch (error) {
      if (error instanceof DockerRefused && error.status === 404) return undefined
      throw error
    }
  }

  /** Make a container; it does not run yet. @returns its id */
  async create(name: string, container: NewContainer): Promise<string> {
    const answer = await this.#call('POST', `/containers/create?name=${name}`, container)
    return (JSON.parse(String(answer)) as { Id: string }).Id
  }

  /** Start a container; one that runs already is left as it is. */
  async start(name: string): Promise<void> {
    await this.#call('POST', `/containers/${name}/start`)
  }

  /**
   * Stop a container: SIGTERM, and SIGKILL after its own grace (10 s if it has none). Returns when it has ended.
   *
   * @param signal gives up waiting; the daemon may continue to stop it
   */
  async stop(name: string, signal?: AbortSignal): Promise<void> {
    await this.#call('POST', `/containers/${name}/stop`, undefined, { timeoutMs: 0, ...(signal && { signal }) })
  }

  /** End a container at once, by SIGKILL. One that does not run is left as it is. */
  async kill(name: string): Promise<void> {
    try {
      await this.#call('POST', `/containers/${name}/kill`)
    } catch (error) {
      if (!(error instanceof DockerRefused) || (error.status !== 409 && error.status !== 404)) throw error
    }
  }

  /** Remove a container, running or not, if it exists. */
  async remove(name: string): Promise<void> {
    try {
      await this.#call('DELETE', `/containers/${name}?force=true&v=true`)
    } catch (error) {
      // 409: its removal is under way already.
      if (!(error instanceof DockerRefused) || (error.status !== 404 && error.status !== 409)) throw error
    }
  }

  /** Have a container not restarted any more when it ends. */
  async restartNoMore(name: string): Promise<void> {
    await this.#call('POST', `/containers/${name}/update`, { RestartPolicy: { Name: 'no' } })
  }

  /** The last lines that a container wrote, stdout and stderr in their order. */
  async lastLines(name: string, lines: number): Promise<string> {
    const raw = await this.#call('GET', `/containers/${name}/logs?stdout=true&stderr=true&tail=${lines}`)
    const container = await this.inspect(name)
    return container?.Config.Tty ? String(raw) : demultiplexed(raw)
  }

  #call(
    method: string,
    path: string,
    body?: unknown,
    { timeoutMs = ANSWER_MS, signal }: { timeoutMs?: number; signal?: AbortSignal } = {},
  ): Promise<Buffer> {
    const what = `${method} ${path.replace(/\?.*/, '')}`
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          socketPath: this.#socket,
          method,
          path,
          headers: { host: 'docker', ...(body !== undefined && { 'content-type': 'application/json' }) },
          // A connection of its own each time: one kept alive over a restart of the daemon is dead.
          agent: false,
          ...(timeoutMs > 0 && { timeout: timeoutMs }),
          ...(signal && { signal }),
        },
        answer => {
          readAll(answer).then(
            content => {
              const status = answer.statusCode ?? 0
              // 304: it is already as asked for.
              if (status < 300 || status === 304) resolve(content)
              else reject(new DockerRefused(status, what, messageOf(content)))
            },
            error => reject(new DockerUnreachable(this.#socket, error)),
          )
        },
      )
      sent.on('timeout', () => sent.destroy(new Error(`no answer to ${what} within ${timeoutMs / 1000} s`)))
      sent.on('error', error => reject(signal?.aborted ? signal.reason : new DockerUnreachable(this.#socket, error)))
      sent.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }
}

async function readAll(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of answer) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

function messageOf(content: Buffer): string {
  try {
    return (JSON.parse(String(content)) as { message: string }).message
  } catch {
    return String(content).trim()
  }
}

// Without a terminal, Docker frames what it sends: a byte for the stream, three of nothing, four for the length.
const FRAME_HEADER = 8

/** The text in a container's log as Docker frames it. */
export function demultiplexed(raw: Buffer): string {
  const texts: Buffer[] = []
  for (let at = 0; at + FRAME_HEADER <= raw.length; ) {
    const end = at + FRAME_HEADER + raw.readUInt32BE(at + 4)
    texts.push(raw.subarray(at + FRAME_HEADER, end))
    at = end
  }
  return Buffer.concat(texts).toString('utf8')
}

// Between two tries of a daemon that does not answer.
const RETRY_MS = 500

/** Retry while the Docker daemon does not answer. @throws DockerUnreachable once it is `until` (ms since 1970) */
export async function retryDocker<T>(work: () => Promise<T>, until: number): Promise<T> {
  let told = false
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof DockerUnreachable) || Date.now() >= until) throw error
      if (!told) log(`${error.message}; retrying`)
      told = true
      await sleep(RETRY_MS)
    }
  }
}
