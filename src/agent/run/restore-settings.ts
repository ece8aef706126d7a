import type { Environment } from '../../store/client.ts'
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
  }
}

/** Which copy `FROM_BACKUP` asks for; the latest if it is not set. */
export function wanted(variables: Variables): Wanted {
  const text = variables.optional('FROM_BACKUP') ?? 'LATEST'
  if (text.toUpperCase() === 'LATEST') return { which: 'latest' }
  if (text.toUpperCase() === 'NONE') return { which: 'list' }
  // As in the file names, or a date, which means the end of that day.
  const at = /^\d{4}-\d{2}-\d{2}$/.test(text) ? new Date(`${text}T23:59:59Z`) : new Date(text.replace(/Z?$/, 'Z'))
  if (/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?Z?)?$/.test(text) && !Number.isNaN(at.getTime())) {
    return { which: 'time', at }
  }
  variables.problem(`FROM_BACKUP is "${text}": use LATEST, NONE for a list, or a time (UTC) as 2026-01-31T03:07:00Z`)
  return { which: 'latest' }
}
