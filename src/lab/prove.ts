import type { System } from '../kinds/index.ts'
import { inParallel } from '../store/parallel.ts'
import type { Receipt } from '../store/receipt.ts'
import { labKindOf } from './kinds/index.ts'
import type { LabAccess } from './reach.ts'
import { newestReceipt } from './receipts.ts'

/** The result of proving one system's newest copy. */
export interface ProofRow {
  readonly system: string
  readonly bucket: string
  /** The key of the object in the newest receipt; empty if there is no receipt. */
  readonly object: string
  /** Of the whole copy, by its receipt. */
  readonly bytes: number
  /** To fetch, restore and compare the copy. */
  readonly seconds: number
  readonly restored: boolean
  /** Why it counts as not restored, a line each; empty if it was. */
  readonly why: readonly string[]
}

/** A proof spends half of its time waiting for pods. */
const PROOFS_AT_ONCE = 3

/**
 * Proves the newest copy of each system of the lab: what its newest receipt names is fetched from the bucket with plain
 * tools, restored into something fresh, and compared with the original. A proof that fails is a row that says why;
 * nothing is thrown. `log` gets a line for each step.
 */
export async function prove(
  systems: readonly System[],
  lab: LabAccess,
  log: (line: string) => void,
): Promise<ProofRow[]> {
  const receipts = await Promise.all(systems.map(system => newestReceipt(system, lab).catch(asError)))
  const work = systems.map((system, index) => ({ system, receipt: receipts[index] as Receipt | Error }))
  // The largest copies first, so that none of them is left to run alone at the end.
  const largestFirst = work.toSorted((a, b) => sizeOf(b.receipt) - sizeOf(a.receipt))
  const rows = new Map<System, ProofRow>()
  await inParallel(largestFirst, PROOFS_AT_ONCE, async ({ system, receipt }) => {
    rows.set(system, await proveOne(system, receipt, lab, step => log(`${system.name}: ${step}`)))
  })
  return systems.map(system => rows.get(system) as ProofRow)
}

const sizeOf = (receipt: Receipt | Error) => (receipt instanceof Error ? 0 : receipt.bytes)

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

async function proveOne(
  system: System,
  receipt: Receipt | Error,
  lab: LabAccess,
  log: (step: string) => void,
): Promise<ProofRow> {
  const started = performance.now()
  const why =
    receipt instanceof Error
      ? [receipt.message]
      : await labKindOf(system)
          .prove(system, receipt, lab, log)
          .catch(error => [asError(error).message])
  const restored = why.length === 0
  log(restored ? 'restored' : `NOT restored: ${why.join('; ')}`)
  return {
    system: system.name,
    bucket: system.bucket,
    object: receipt instanceof Error ? '' : receipt.object.key,
    bytes: sizeOf(receipt),
    seconds: (performance.now() - started) / 1000,
    restored,
    why,
  }
}
