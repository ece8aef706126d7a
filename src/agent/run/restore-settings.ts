import type { Environment } from '../../store/client.ts'
import { identityIn } from './encryption.ts'
import type { Variables } from './environment.ts'

/** Which copy: the latest, a list of all of them, or the newest that was taken at or before a time. */
export type Wanted = { which: 'latest' } | { which: 'list' } | { which: 'time'; at: Date }

/** The settings of every restore, whatever it restores. */
export interface RestoreSettings {
  system: string
  wanted: Wanted
  /** Check the whole copy, say what would happen, change nothing. */
  dryRun: boolean
  /** Restore what can be restored, and fail at the end. */
  goOn: boolean
  /** The private age keys that open encrypted copies, if there are any. */
  identity: string | undefined
}

/** Whether an environment without a command implies a restore, as that of the recovery image does. */
export function asksForRestore(env: Environment): boolean {
  return !!env.FROM_BACKUP
}

/** @param fallback the system's name if `BACKUP_SYSTEM` is not set */
export function commonRestoreSettings(variables: Variables, fallback: string): RestoreSettings {
  return {
    system: variables.optional('BACKUP_SYSTEM') ?? fallback,
    wanted: wanted(variables),
    dryRun: variables.yes('RESTORE_DRY_RUN', false),
    goOn: variables.yes('DO_NOT_STOP_ON_ERROR', false),
    identity: identityIn(variables),
  }
}

/** Which copy `FROM_BACKUP` asks for; the latest if it is not set. */
export function wanted(variables: Variables): Wanted {
  const text = variables.optional('FROM_BACKUP') ?? 'LATEST'
  if (text.toUpperCase() === 'LATEST') return { which: 'latest' }
  if (text.toUpperCase() === 'NONE') return { which: 'list' }
  const at = endOf(text)
  if (at) return { which: 'time', at }
  variables.problem(`FROM_BACKUP is "${text}": use LATEST, NONE for a list, or a time (UTC) as 2026-01-31T03:07:00Z`)
  return { which: 'latest' }
}

const UNITS_MS = { day: 86_400_000, minute: 60_000, second: 1_000, exact: 1 }

/** The last moment of what a text names: of a day, a minute or a second (names of copies have whole seconds), UTC. */
function endOf(text: string): Date | undefined {
  const parts = /^(\d{4}-\d{2}-\d{2})(?:T(\d{2}:\d{2})(?::(\d{2})(\.\d{1,3})?)?Z?)?$/.exec(text)
  if (!parts) return undefined
  const [, day, minute, second, fraction] = parts
  const unit = fraction ? 'exact' : second ? 'second' : minute ? 'minute' : 'day'
  const start = Date.parse(`${day}T${minute ?? '00:00'}:${second ?? '00'}${fraction ?? ''}Z`)
  // Date.parse takes February 31st for a day in March.
  const isReal = !Number.isNaN(start) && new Date(start).toISOString().startsWith(`${day}`)
  return isReal ? new Date(start + UNITS_MS[unit] - 1) : undefined
}
