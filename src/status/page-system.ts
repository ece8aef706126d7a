import { drillSeconds, outageSeconds, runSeconds } from '../store/assess.ts'
import { checkReceipts } from '../store/check-receipt.ts'
import type { PageSystem } from './page.ts'
import type { SystemStatus } from './status.ts'

/** What the page shows of a system that was read. */
export function pageSystem({ system, row, observed }: SystemStatus): PageSystem {
  const runs = (observed?.history() ?? []).reverse().map(({ receipt }) => {
    const outage = outageSeconds(receipt)
    return {
      taken: new Date(receipt.taken),
      bytes: receipt.bytes,
      seconds: runSeconds(receipt),
      ...(outage !== undefined && { outage }),
    }
  })
  const history = (observed?.drillHistory() ?? []).filter(({ receipt }) => receipt.kind !== checkReceipts.kind)
  const drills = history.reverse().map(({ receipt }) => ({
    end: new Date(receipt.end),
    seconds: drillSeconds(receipt) ?? runSeconds(receipt),
  }))
  return { row, schedule: system.schedule, runs, drills }
}
