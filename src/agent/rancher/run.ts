import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Environment, openStore, type Store } from '../../store/client.ts'
import { StoreClock } from '../../store/clock.ts'
import { clearGuarded, markGuarded } from '../../store/receipt.ts'
import { clockOfStore } from '../run/clock.ts'
import { log } from '../run/log.ts'
import { asFailure, Failure, type Result } from '../run/outcome.ts'
import { type Container, Docker, retryDocker } from './docker.ts'
import { COPY } from './preflight.ts'
import { forgetGuard, type RunRecord, readGuard, type Step, writeRun } from './records.ts'
import { untilHealthy } from './server.ts'
import { containerNames, guardEnvironment, type SnapshotSettings } from './settings.ts'

const ARM_MS = 30_000
/** How many lines of a container's log a message contains. */
export const LOG_LINES = 30

/** One run, from the checks to the pruning; its record shows every step. */
export class Run {
  readonly settings: SnapshotSettings
  readonly docker = new Docker()
  readonly store: Store
  readonly stop: AbortSignal
  readonly record: RunRecord
  readonly copy: string
  readonly heartbeatUrl: string | undefined
  /** The copy is complete and consistent. */
  consistent = false

  readonly #clock: StoreClock

  /** Begin a run. Its times are the store's: a host's clock may be wrong. If the store is away, the checks refuse. */
  static async begin(settings: SnapshotSettings, env: Environment, stop: AbortSignal): Promise<Run> {
    return new Run(settings, env, stop, (await clockOfStore(env, settings.bucket)) ?? new StoreClock())
  }

  private constructor(settings: SnapshotSettings, env: Environment, stop: AbortSignal, clock: StoreClock) {
    this.settings = settings
    this.stop = stop
    this.#clock = clock
    this.store = openStore(env)
    this.heartbeatUrl = env.BACKUP_HEARTBEAT_URL || undefined
    this.copy = join(settings.staging, COPY)
    this.record = {
      system: settings.system,
      run: settings.run,
      start: this.now().toISOString(),
      outcome: 'running',
      steps: [],
    }
  }

  /** The time by the store's clock. */
  now(): Date {
    return this.#clock.now()
  }

  /** Do one step and record its outcome. The result of `work` may have a `detail`, for people. */
  async step<T>(name: string, work: () => Promise<T>): Promise<T> {
    const began = performance.now()
    const step: Step = { name, start: this.now().toISOString(), outcome: 'running' }
    this.record.steps.push(step)
    await this.write()
    const end = (outcome: Step['outcome'], detail: string | undefined) => {
      step.outcome = outcome
      step.seconds = seconds(began)
      if (detail !== undefined) step.detail = detail
      log(`${name}: ${outcome} in ${step.seconds} s${detail === undefined ? '' : ` (${detail})`}`)
    }
    try {
      const result = await work()
      end('done', (result as { detail?: string } | undefined)?.detail)
      return result
    } catch (error) {
      end('failed', asFailure(error).message)
      throw error
    } finally {
      await this.write()
    }
  }

  /** Do all steps of a run, and record its outcome. */
  async whole(steps: () => Promise<Result>): Promise<Result> {
    try {
      const result = await steps()
      this.record.outcome = 'succeeded'
      return result
    } catch (error) {
      this.record.outcome = 'failed'
      this.record.message = asFailure(this.stop.aborted ? this.stop.reason : error).message
      throw error
    } finally {
      this.record.end = this.now().toISOString()
      await this.write()
    }
  }

  /** How long each step took so far, in seconds. */
  stepSeconds(): Record<string, number> {
    return Object.fromEntries(
      this.record.steps.flatMap(step => (step.seconds === undefined ? [] : [[step.name, step.seconds]])),
    )
  }

  write(): Promise<void> {
    return writeRun(this.settings.staging, this.record)
  }
}

/** Seconds since a moment of `performance.now()`, to the millisecond. */
export function seconds(since: number): number {
  return Math.round(performance.now() - since) / 1000
}

/** How long Rancher was down, in a sentence. */
export function outage({ settings, record }: Run): string {
  return `${settings.container} was stopped for ${record.stoppedSeconds} s, and healthy ${record.healthySeconds} s after the stop.`
}

/**
 * Start the guard, and wait until it is watching before anything is stopped.
 *
 * @param folders what it must see of the host, at the same paths
 */
export async function arm(
  run: Run,
  self: Container,
  deadlineMs: number,
  folders: readonly string[],
): Promise<{ at: Date; detail: string }> {
  const { settings, docker } = run
  const name = containerNames(settings.container).guard
  const at = new Date(Date.now() + deadlineMs)
  const mount = (destination: string) => {
    const source = self.Mounts.find(({ Destination }) => Destination === destination)?.Source
    return `${source}:${destination}`
  }
  await forgetGuard(settings.staging)
  await told(run, 'mark in the bucket that the guard is armed', () =>
    markGuarded(run.store, { ...settings, armed: run.now() }),
  )
  await docker.create(name, {
    Image: self.Image,
    Cmd: ['guard'],
    Env: guardEnvironment(settings, at, run.heartbeatUrl),
    User: '0:0',
    Labels: { 'fragalysis-backups.system': settings.system, 'fragalysis-backups.run': settings.run },
    HostConfig: {
      NetworkMode: 'host',
      Binds: ['/run/docker.sock', ...folders].map(mount),
      RestartPolicy: { Name: 'always' },
      ReadonlyRootfs: true,
    },
  })
  try {
    await docker.start(name)
    for (const end = Date.now() + ARM_MS; (await readGuard(settings.staging))?.run !== settings.run; await sleep(50)) {
      if (Date.now() > end) {
        const said = await docker.lastLines(name, LOG_LINES).catch(String)
        throw new Failure(
          'rancher',
          `the guard did not arm itself within ${ARM_MS / 1000} s, so ${settings.container} was not stopped. Its log: ${said}`,
        )
      }
    }
  } catch (error) {
    await disarm(run)
    throw error
  }
  return { at, detail: `until ${at.toISOString()}` }
}

export async function disarm(run: Run): Promise<void> {
  await retryDocker(() => run.docker.remove(containerNames(run.settings.container).guard), Date.now() + ARM_MS)
  await forgetGuard(run.settings.staging)
  await told(run, 'clear the mark that the guard is armed', () => clearGuarded(run.store, run.settings))
}

/** Do what only `status` needs: its failure is logged, and costs neither the copy nor Rancher. */
async function told(run: Run, what: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work()
  } catch (error) {
    log(`${run.settings.bucket}: could not ${what}: ${(error as Error).message}`)
  }
}

export async function stopRancher(
  { settings, docker }: Run,
  halt: AbortSignal,
): Promise<{ finished: string; detail: string }> {
  await docker.stop(settings.container, halt)
  const state = (await docker.inspect(settings.container))?.State
  if (!state || state.Running)
    throw new Failure('rancher', `${settings.container} still runs after it was stopped: something else may start it`)
  return {
    finished: state.FinishedAt,
    detail: state.ExitCode === 137 ? 'it did not exit in time and was killed' : `exit code ${state.ExitCode}`,
  }
}

export async function startRancher({ settings, docker }: Run, rancher: Container, deadline: Date): Promise<void> {
  try {
    await retryDocker(() => docker.start(rancher.Id), deadline.getTime())
  } catch (error) {
    throw new Failure(
      'rancher',
      `${settings.container} CANNOT BE STARTED: ${(error as Error).message}. The guard keeps trying until it starts; see "docker logs ${containerNames(settings.container).guard}"`,
      { cause: error },
    )
  }
}

export async function waitUntilHealthy(run: Run, deadline: Date): Promise<void> {
  const { settings, docker } = run
  const said = await untilHealthy(settings.healthUrl, settings.healthyTimeoutMs)
  if (said === undefined) return
  const kept = run.consistent
    ? ` The copy that was just taken is complete, and stays at ${run.copy} until the next run.`
    : ''
  const lines = await docker.lastLines(settings.container, LOG_LINES).catch(String)
  throw new Failure(
    'rancher',
    `${settings.container} was started but IS NOT HEALTHY after ${settings.healthyTimeoutMs / 1000} s (${said}). The guard stays armed: from ${deadline.toISOString()} it waits as long again, restarts ${settings.container} once, and sends an alarm.${kept} The container's last lines:\n${lines}`,
  )
}
