import { inParallel } from '../../agent/run/parallel.ts'
import type { System } from '../../kinds/index.ts'
import type { Receipt } from '../../store/receipt.ts'
import { proveDatabase } from './database.ts'
import { proveKit } from './kit.ts'
import { proveMedia } from './media.ts'
import { proveRancher } from './rancher.ts'
import type { ProofLab } from './reach.ts'
import { newestReceipt } from './receipts.ts'

export type { ProofLab, StoreAccess } from './reach.ts'

/** What came of the proof of one system's newest copy. */
export interface ProofRow {
  readonly system: string
  readonly bucket: string
  /** The object that the newest receipt vouches for; empty where there is no receipt. */
  readonly object: string
  /** Of the whole copy, by its receipt. */
  readonly bytes: number
  /** That it took to fetch, restore and compare the copy. */
  readonly seconds: number
  readonly restored: boolean
  /** Why it counts as not restored, a line each; empty when it was. */
  readonly why: readonly string[]
}

/** A proof waits for pods half of its time. */
const PROOFS_AT_ONCE = 3

/** Fetches, restores and compares one copy; returns what is wrong with it, in words. */
type Proof<S extends System> = (
  system: S,
  receipt: Receipt,
  lab: ProofLab,
  say: (doing: string) => void,
) => Promise<string[]>

const proofs: { [K in System['kind']]: Proof<Extract<System, { kind: K }>> } = {
  database: proveDatabase,
  kit: proveKit,
  media: proveMedia,
  rancher: proveRancher,
}

/**
 * Proves the newest copy of each system: what its newest receipt names is fetched from the bucket
 * with plain tools, restored into something fresh, and compared with the original. `systems` are the lab's (`labConfig`).
 * A proof that breaks is a row that says why; nothing is thrown. `log` gets a line for each step.
 */
export async function prove(
  systems: readonly System[],
  lab: ProofLab,
  log: (line: string) => void,
): Promise<ProofRow[]> {
  const rows = new Map<System, ProofRow>()
  // Media take longest: nothing is to wait for them at the end.
  const longestFirst = [...systems].sort((a, b) => Number(b.kind === 'media') - Number(a.kind === 'media'))
  await inParallel(longestFirst, PROOFS_AT_ONCE, async system => {
    rows.set(system, await proveOne(system, lab, doing => log(`${system.name}: ${doing}`)))
  })
  return systems.map(system => rows.get(system) as ProofRow)
}

async function proveOne(system: System, lab: ProofLab, say: (doing: string) => void): Promise<ProofRow> {
  const start = performance.now()
  const row = { system: system.name, bucket: system.bucket, object: '', bytes: 0 }
  try {
    const receipt = await newestReceipt(system, lab)
    Object.assign(row, { object: receipt.object.key, bytes: receipt.bytes })
    const proof = proofs[system.kind] as Proof<System>
    return finished(await proof(system, receipt, lab, say))
  } catch (error) {
    return finished([error instanceof Error ? error.message : String(error)])
  }

  function finished(why: string[]): ProofRow {
    const restored = why.length === 0
    say(restored ? 'restored' : `NOT restored: ${why.join('; ')}`)
    return { ...row, seconds: (performance.now() - start) / 1000, restored, why }
  }
}
