import { setTimeout as sleep } from 'node:timers/promises'
import type { CommandModule } from 'yargs'
import { heartbeat } from '../run/heartbeat.ts'
import { log, logTail } from '../run/log.ts'
import { asFailure, failures } from '../run/outcome.ts'
import { Docker, retryDocker } from './docker.ts'
import { type GuardRecord, readGuard, writeGuard } from './records.ts'
import { rollBack } from './restore.ts'
import { untilHealthy } from './server.ts'
import { containerNames, type GuardSettings, guardSettings } from './settings.ts'

const POLL_MS = 1_000
// A Docker daemon that restarts may create a new socket, and we still have the old one. If the guard exits, Docker
// starts it again with the new one.
const UNREACHABLE_MS = 15_000
const KILL_MS = 5_000
const LOG_LINES = 30

/**
 * Watch one run of `snapshot`, and start Rancher if the run does not. It acts when the run's container has ended
 * without disarming it, and at the deadline. It is a container of its own, which Docker starts again after a restart
 * of the daemon or the host; it needs neither the run nor ssh nor Ansible nor AWX.
 */
async function guard(settings: GuardSettings, heartbeatUrl: string | undefined): Promise<void> {
  const docker = new Docker()
  const names = containerNames(settings.container)
  const before = await readGuard(settings.staging)
  const record: GuardRecord =
    before?.run === settings.run
      ? before
      : {
          run: settings.run,
          armed: new Date().toISOString(),
          deadline: settings.deadline.toISOString(),
          outcome: 'watching',
          events: [],
        }
  const note = async (what: string) => {
    log(what)
    record.events.push({ at: new Date().toISOString(), what })
    await writeGuard(settings.staging, record)
  }
  // A run whose guard has to act did not end as it should, whatever the guard finds. Do not wait for the alarm.
  const alarm = () => heartbeat(heartbeatUrl, 'fail', logTail())
  if (record !== before) await note(`armed until ${record.deadline}`)
  else if (record.outcome === 'watching')
    await note('the guard itself was restarted: the Docker daemon or the host was')

  if (record.outcome === 'watching') {
    await untilActing(docker, settings, names.run, note)
    if (await rollBack(docker, settings.container, settings.staging)) {
      await note('rolled back an incomplete restore: the previous data are in place')
    }
    const started = await ensureRunning(docker, settings, note, alarm)
    const health = await ensureHealthy(docker, settings, note)
    record.outcome = health === 'healthy' ? (started ? 'started' : 'idle') : health
    await note(endings[record.outcome].replaceAll('Rancher', settings.container))
    await alarm()
  }
  await docker.restartNoMore(names.guard)
}

const endings: Record<GuardRecord['outcome'], string> = {
  watching: '',
  idle: 'Rancher is healthy and was never stopped; the run ended without disarming the guard',
  started: 'Rancher is healthy; the guard had to start it',
  unhealthy: 'Rancher is not healthy: an operator must look at it (docker logs Rancher)',
}

type Note = (what: string) => Promise<void>

/** Wait until the run's container has ended, or the deadline has passed and Rancher is stopped. */
async function untilActing(docker: Docker, settings: GuardSettings, run: string, note: Note): Promise<void> {
  for (;;) {
    const running = (await retryDocker(() => docker.inspect(run), Date.now() + UNREACHABLE_MS))?.State.Running ?? false
    if (!running) return await note(`${run} has ended without disarming the guard`)
    if (Date.now() >= settings.deadline.getTime()) {
      const rancher = await retryDocker(() => docker.inspect(settings.container), Date.now() + UNREACHABLE_MS)
      if (!rancher?.State.Running) {
        await note(`the deadline has passed and ${settings.container} is stopped: ending ${run}`)
        // A process that hangs in the kernel cannot be killed: Rancher must not wait for it.
        await Promise.race([docker.kill(run).catch(error => note(String(error))), sleep(KILL_MS)])
        return
      }
    }
    await sleep(POLL_MS)
  }
}

/**
 * Start Rancher if it does not run, and check at the deadline that it still runs, because a requested stop may come
 * late. @returns whether it had to be started
 */
async function ensureRunning(
  docker: Docker,
  settings: GuardSettings,
  note: Note,
  alarm: () => Promise<void>,
): Promise<boolean> {
  let started = false
  let told = ''
  for (;;) {
    const rancher = await retryDocker(() => docker.inspect(settings.container), Date.now() + UNREACHABLE_MS)
    if (!rancher) {
      await note(`there is no container ${settings.container} anymore: nothing to start`)
      return started
    }
    if (!rancher.State.Running) {
      try {
        await docker.start(settings.container)
        started = true
        await note(`started ${settings.container}, which had ended at ${rancher.State.FinishedAt}`)
      } catch (error) {
        const message = (error as Error).message
        if (message !== told) {
          await note(`cannot start ${settings.container}: ${message}; trying again until it starts`)
          void alarm()
        }
        told = message
      }
    } else if (Date.now() >= settings.deadline.getTime() || started) return started
    await sleep(POLL_MS)
  }
}

/** Wait until Rancher is healthy; if that takes too long, restart it once. */
async function ensureHealthy(
  docker: Docker,
  settings: GuardSettings,
  note: Note,
): Promise<'healthy' | 'started' | 'unhealthy'> {
  const said = await untilHealthy(settings.healthUrl, settings.healthyTimeoutMs)
  if (said === undefined) return 'healthy'
  await note(
    `${settings.container} is not healthy (${said}): restarting it, once. Its last lines:\n${await tail(docker, settings)}`,
  )
  try {
    await docker.stop(settings.container)
    await docker.start(settings.container)
  } catch (error) {
    await note(`the restart failed: ${(error as Error).message}`)
  }
  const then = await untilHealthy(settings.healthUrl, settings.healthyTimeoutMs)
  if (then === undefined) return 'started'
  await note(`${settings.container} is still not healthy (${then}). Its last lines:\n${await tail(docker, settings)}`)
  return 'unhealthy'
}

async function tail(docker: Docker, settings: GuardSettings): Promise<string> {
  return await docker.lastLines(settings.container, LOG_LINES).catch(error => String(error))
}

export const command: CommandModule = {
  command: 'guard',
  describe: 'Start Rancher if a run of "snapshot" does not; that run starts it as a container of its own',
  handler: async () => {
    // Docker sends SIGTERM when the daemon ends; it starts the guard again afterwards.
    process.on('SIGTERM', () => process.exit(failures.stopped.code))
    try {
      await guard(guardSettings(process.env), process.env.BACKUP_HEARTBEAT_URL)
      process.exit(0)
    } catch (error) {
      const failure = asFailure(error)
      log(`the guard exits, and Docker restarts it: ${failure.message}`)
      process.exit(failures[failure.kind].code)
    }
  },
}
