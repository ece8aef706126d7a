import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { log } from '../run/log.ts'

/** One step of a run, as recorded in `run.json`. */
export interface Step {
  readonly name: string
  readonly start: string
  seconds?: number
  outcome: 'running' | 'done' | 'failed'
  detail?: string
}

/** A run, as recorded in `run.json` of the staging folder; rewritten with every step. */
export interface RunRecord {
  readonly system: string
  readonly run: string
  readonly start: string
  end?: string
  /** Stays `running` if the agent was killed. */
  outcome: 'running' | 'succeeded' | 'failed'
  /** The result in a sentence: why it failed, or what it did. */
  message?: string
  /** From the request to stop Rancher until it was started. */
  stoppedSeconds?: number
  /** From the request to stop Rancher until it was healthy. */
  healthySeconds?: number
  object?: string
  readonly steps: Step[]
}

/** What a guard saw and did, as recorded in `guard.json` of the staging folder. */
export interface GuardRecord {
  readonly run: string
  readonly armed: string
  readonly deadline: string
  /**
   * `watching` until the run disarms it or it is done: `idle` if Rancher was never stopped, `started` when
   * it had to start Rancher, `unhealthy` when Rancher did not become healthy.
   */
  outcome: 'watching' | 'idle' | 'started' | 'unhealthy'
  readonly events: { at: string; what: string }[]
}

const RUN = 'run.json'
const GUARD = 'guard.json'

export function readRun(staging: string): Promise<RunRecord | undefined> {
  return read<RunRecord>(join(staging, RUN))
}

/**
 * Write the record of a run. A failure (a full disk) is logged only: Rancher's start must not wait for it,
 * nor for a disk that is busy with the copy.
 */
export function writeRun(staging: string, record: RunRecord): Promise<void> {
  const { steps, ...rest } = record
  // A line for each step, so that a shell can wait for one.
  const lines = steps.map(step => JSON.stringify(step)).join(',\n')
  return write(join(staging, RUN), `${JSON.stringify(rest).slice(0, -1)},"steps":[\n${lines}\n]}\n`, false)
}

export function readGuard(staging: string): Promise<GuardRecord | undefined> {
  return read<GuardRecord>(join(staging, GUARD))
}

/** Like `writeRun`, but synced to disk when this returns, so that it survives a crash of the host. */
export function writeGuard(staging: string, record: GuardRecord): Promise<void> {
  return write(join(staging, GUARD), `${JSON.stringify(record, null, 2)}\n`, true)
}

export async function forgetGuard(staging: string): Promise<void> {
  await rm(join(staging, GUARD), { force: true })
}

async function read<T>(file: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as T
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') log(`cannot read ${file}: ${(error as Error).message}`)
    return undefined
  }
}

async function write(file: string, text: string, durable: boolean): Promise<void> {
  try {
    await writeFile(`${file}.new`, text, { mode: 0o600, flush: durable })
    await rename(`${file}.new`, file)
  } catch (error) {
    log(`cannot write ${file}: ${(error as Error).message}`)
  }
}
