import { Temporal } from 'temporal-polyfill'
import type { System } from '../kinds/index.ts'
import { before, parseDuration, timezoneOf } from '../schedule/index.ts'
import type { Outcome } from './simulate.ts'

/** The promises of the config that an outcome breaks, a sentence each. */
export function brokenPromises(system: System, { worstLoss, shortestReach }: Outcome): string[] {
  const broken: string[] = []
  const zone = timezoneOf(system.schedule)
  const ago = (text: string, at: Date) => {
    const length = parseDuration(text)
    return length ? before(Temporal.Instant.fromEpochMilliseconds(at.getTime()), length, zone).epochMilliseconds : 0
  }
  if (system.loseAtMost && worstLoss.at.getTime() - worstLoss.seconds * 1000 < ago(system.loseAtMost, worstLoss.at)) {
    broken.push(`loseAtMost: '${system.loseAtMost}'`)
  }
  if (
    system.restorableFor &&
    shortestReach &&
    shortestReach.at.getTime() - shortestReach.seconds * 1000 > ago(system.restorableFor, shortestReach.at)
  ) {
    broken.push(`restorableFor: '${system.restorableFor}'`)
  }
  return broken
}
