import type { Config } from '../config/index.ts'
import { kindOf, type System } from '../kinds/index.ts'
import { cron, periodSeconds, type Schedule, timezoneOf } from '../schedule/index.ts'
import { findingKinds } from '../store/assess.ts'

/** A check of a dead-man's switch: it tells when nothing was heard for a period and the grace. */
export interface Check {
  /** `<system>`, or `drill of <system>`. */
  readonly name: string
  readonly description: string
  /** Five fields, in the time zone. */
  readonly schedule: string
  readonly timezone: string
  /** How late a run may start, and how long it may take, in seconds. */
  readonly graceSeconds: number
  /** Where its address goes: an AWX credential, or a Secret of a namespace. */
  readonly to:
    | { readonly credential: string }
    | { readonly cluster: string; readonly namespace: string; readonly key: string }
}

// Healthchecks allows a grace between a minute and a year.
const HOUR = 3600

/**
 * The checks of a config: one for each system whose runs report to it, and one for each drill that does, since a drill
 * that succeeds must not hide a backup that fails.
 */
export function checksOf({ systems, heartbeats }: Pick<Config, 'systems' | 'heartbeats'>): Check[] {
  return systems.flatMap((system): Check[] => {
    const facts = kindOf(system).copies(system)
    const place = kindOf(system).inCluster(system)
    const cluster = kindOf(system).cluster(system)
    const backup = (to: Check['to']) => ({
      ...common(system, system.name, system.schedule, facts.startsWithinSeconds, facts.endsWithinSeconds),
      to,
    })
    if (place && cluster !== undefined) {
      if (heartbeats === undefined || !facts.writesReceipts) return []
      return [backup({ cluster, namespace: place.namespace, key: system.name })]
    }
    const heard = new Set(
      kindOf(system)
        .templates(system)
        .flatMap(({ credentials }) => credentials)
        .filter(({ type }) => type === 'Heartbeat')
        .map(({ name }) => name),
    )
    const drill = `drill of ${system.name}`
    const drilled = (drills: Schedule): Check => ({
      ...common(system, drill, drills, HOUR, facts.endsWithinSeconds),
      to: { credential: `Heartbeat: ${drill}` },
    })
    return [
      ...(heard.has(`Heartbeat: ${system.name}`) ? [backup({ credential: `Heartbeat: ${system.name}` })] : []),
      ...(facts.drills && heard.has(`Heartbeat: ${drill}`) ? [drilled(facts.drills)] : []),
    ]
  })
}

function common(system: System, name: string, schedule: Schedule, startsWithin: number, endsWithin: number) {
  const { next } = findingKinds[name === system.name ? 'overdue' : 'drill-overdue']
  return {
    name,
    description: `${system.description}. If it is late or has failed: ${next}. \`npm run status\` says how old the newest copy is.`,
    schedule: cron(schedule),
    timezone: timezoneOf(schedule),
    // No longer than a period, so that a missed run is told before the next is due.
    graceSeconds: Math.min(startsWithin + Math.max(HOUR, Math.min(endsWithin, 4 * HOUR)), periodSeconds(schedule)),
  }
}
