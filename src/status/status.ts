import type { Config } from '../config/index.ts'
import type { System } from '../kinds/index.ts'
import type { CredentialInputs } from '../launch/credentials.ts'
import { storeCredential, storeEnvironment } from '../launch/stores.ts'
import { type Assessment, assess, type Finding, findingKinds, worstFirst } from '../store/assess.ts'
import { openStore, type Store } from '../store/client.ts'
import { inParallel } from '../store/parallel.ts'
import { expectationsOf } from './expect.ts'
import { dated } from './first-seen.ts'
import { type Observation, observe } from './observe.ts'
import { type Row, rowOf, unansweredRow } from './row.ts'

/** The state of every system at one moment. */
export interface Status {
  readonly at: Date
  /** In the config's order. */
  readonly rows: readonly Row[]
  /** Worst first; each has its `since`. */
  readonly findings: readonly Finding[]
  /** HTTP requests sent. */
  readonly requests: number
}

/** What was read of one system, for callers that show more than a row. */
export interface SystemStatus {
  readonly system: System
  readonly row: Row
  readonly findings: readonly Finding[]
  /** Missing if the bucket did not answer. */
  readonly observed?: Observation
  readonly assessment?: Assessment
}

// Systems read in parallel, connections to the store, and how long it may be silent: a person is waiting.
const SYSTEMS_AT_ONCE = 32
const CONNECTIONS = 64
const SILENCE_MS = 10_000
const ATTEMPTS = 2

/** Options of `readStatus`. */
export interface StatusOptions {
  readonly config: Pick<Config, 'store' | 'systems'>
  readonly credentials: CredentialInputs
  /** Where receipts are cached, see `memoryFolder`. */
  readonly folder: string
  readonly now: Date
  /** Called with each system as soon as it has been read. */
  readonly onSystem?: (status: SystemStatus) => void
}

/** Read and assess the copies of the config's systems. A bucket that does not answer is a finding, not an error. */
export async function readStatus({ config, credentials, folder, now, onSystem }: StatusOptions): Promise<Status> {
  const stores = new Map<string, Store>()
  // Not the observations: each holds every receipt that is remembered of its system.
  const read = new Map<string, Pick<SystemStatus, 'row' | 'findings'> & { readonly withoutKey: number }>()
  try {
    await inParallel(config.systems, SYSTEMS_AT_ONCE, async system => {
      const environment = storeEnvironment(config, system, credentials)
      const name = storeCredential(system)
      const store =
        environment &&
        (stores.get(name) ??
          openStore(environment, { connections: CONNECTIONS, attempts: ATTEMPTS, silenceMs: SILENCE_MS }))
      if (store) stores.set(name, store)
      const status = store
        ? await readSystem(store, system, folder, now)
        : unanswered(
            system,
            now,
            `the credential \`${name}\` is missing`,
            'add it to the file that --credentials names',
          )
      const { row, findings, observed } = status
      read.set(system.name, { row, findings, withoutKey: observed?.withoutKey ?? 0 })
      onSystem?.(status)
    })
  } finally {
    for (const store of stores.values()) store.s3.destroy()
  }
  const all = config.systems.flatMap(({ name }) => read.get(name) ?? [])
  const withoutKey = all.reduce((sum, system) => sum + system.withoutKey, 0)
  const findings = await dated(
    all.flatMap(status => status.findings),
    folder,
    now,
  )
  return {
    at: now,
    rows: all.map(({ row }) => row),
    findings: worstFirst(findings),
    requests: [...stores.values()].reduce((sum, store) => sum + store.requests(), 0) + withoutKey,
  }
}

/** Read and assess one system. */
export async function readSystem(store: Store, system: System, folder: string, now: Date): Promise<SystemStatus> {
  let observed: Observation
  try {
    observed = await observe(store, system, folder, now)
  } catch (error) {
    return unanswered(system, now, `${store.endpoint}: ${error instanceof Error ? error.message : String(error)}`)
  }
  const assessment = assess(expectationsOf(system, observed.receipts), observed, now)
  return { system, observed, assessment, findings: assessment.findings, row: rowOf(system, observed, assessment, now) }
}

function unanswered(system: System, now: Date, message: string, next?: string): SystemStatus {
  const kind = findingKinds['no-answer']
  const finding: Finding = {
    id: 'no-answer',
    severity: kind.severity,
    system: system.name,
    message,
    next: next ?? kind.next,
  }
  return { system, row: unansweredRow(system, now), findings: [finding] }
}
