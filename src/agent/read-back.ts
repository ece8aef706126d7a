import type { Assessment } from '../store/assess.ts'
import { checkReceipts } from '../store/check-receipt.ts'
import type { Store } from '../store/client.ts'
import { drillSystem, expireReceipts, type Receipt, type StoredReceipt, writeReceipt } from '../store/receipt.ts'
import { agentKinds } from './kinds.ts'
import type { AgentKind } from './run/agent-kind.ts'
import { drillReceipts } from './run/drill-receipt.ts'
import { duration, log, sized } from './run/log.ts'
import { type ReadBack, readBackObject } from './run/read-back.ts'
import { agentVersions } from './run/versions.ts'

/** The receipts that `readCopiesBack` wrote, newest first, and how much it read. */
export interface CheckedCopies {
  readonly checks: readonly StoredReceipt[]
  readonly bytes: number
}

/**
 * Read copies back within a budget of bytes, those first that were never read or longest ago, and write a receipt of
 * each. The first is read even if it is larger than the budget, because it would otherwise never be.
 *
 * @param of.good newest first
 * @param of.earlier the receipts of drills and checks, newest first
 */
export async function readCopiesBack(
  store: Store,
  of: {
    readonly system: string
    readonly good: Assessment['good']
    readonly earlier: readonly StoredReceipt[]
    readonly budget: number
    readonly stop: AbortSignal
  },
): Promise<CheckedCopies> {
  const { system, good, earlier, budget, stop } = of
  const before = earlier.flatMap(({ receipt }) => (receipt.kind === checkReceipts.kind ? [receipt as Check] : []))
  const checks: StoredReceipt[] = []
  let bytes = 0
  const [newest] = good
  if (!newest) return { checks, bytes }
  for (const { receipt } of inTurn(good, before)) {
    const kind = kindOf(receipt.receipt)
    const readsInParts = kind?.readsInParts ?? false
    if (bytes > 0 && !readsInParts && bytes + receipt.receipt.object.bytes > budget) break
    log(`reading back ${receipt.receipt.object.key}, ${sized(receipt.receipt.object.bytes)}`)
    // The receipts' keys are their starts, so that no two may be the same.
    const after = Date.parse((checks[0] ?? earlier[0])?.receipt.start ?? '') || 0
    const start = new Date(Math.max(store.clock.now().getTime(), after + 1))
    const began = performance.now()
    const last = before.find(({ details }) => details.until !== undefined)
    const request = { receipt: receipt.receipt, store, budget: budget - bytes, last, stop }
    const read = await (kind?.readBack ? kind.readBack(request) : readBackObject(request))
    const seconds = (performance.now() - began) / 1000
    log(
      `read ${read.objects} objects, ${sized(read.bytes)}, in ${duration(seconds)}: ${read.damaged.length} are damaged`,
    )
    bytes += read.bytes
    checks.unshift(
      await writeCheck(store, receipt.receipt, read, { start, seconds, previous: checks[0] ?? earlier[0] }),
    )
  }
  const standing = new Set(good.map(({ key }) => key))
  await expireReceipts(store, {
    bucket: newest.receipt.receipt.bucket,
    system: drillSystem(system),
    now: store.clock.now(),
    serves: ({ kind, object }) => kind === drillReceipts.kind || standing.has(object.key),
  })
  return { checks, bytes }
}

type Check = Receipt<typeof checkReceipts>

function kindOf({ kind }: Receipt): AgentKind | undefined {
  return agentKinds.find(({ receipts }) => receipts.kind === kind)
}

/** The copies in the order in which to read them; of those that share their objects only the newest. */
function inTurn(good: Assessment['good'], before: readonly Check[]): Assessment['good'] {
  const [newest] = good
  if (newest && kindOf(newest.receipt.receipt)?.readsInParts) return [newest]
  const checked = new Map<string, number>()
  for (const { object, end } of before) {
    checked.set(object.key, Math.max(checked.get(object.key) ?? 0, Date.parse(end)))
  }
  return [...good].sort((a, b) => (checked.get(a.key) ?? 0) - (checked.get(b.key) ?? 0))
}

async function writeCheck(
  store: Store,
  copy: Receipt,
  { bytes, objects, damaged, until }: ReadBack,
  of: { start: Date; seconds: number; previous: StoredReceipt | undefined },
): Promise<StoredReceipt> {
  return await writeReceipt(
    store,
    checkReceipts,
    {
      system: drillSystem(copy.system),
      start: of.start.toISOString(),
      end: store.clock.now().toISOString(),
      taken: copy.taken,
      bucket: copy.bucket,
      object: copy.object,
      bytes,
      versions: agentVersions(),
      counts: { objects, damaged: damaged.length },
      details: {
        seconds: of.seconds,
        ...(until !== undefined && { until }),
        ...(damaged.length > 0 && { damaged: [...damaged] }),
      },
    },
    of.previous ?? null,
  )
}
