import type { ListedCopy, Observed } from '../store/assess.ts'
import { HISTORY_DAYS, type Receipt, receiptPrefix, type StoredReceipt } from '../store/receipt.ts'
import { copiesToRemove } from '../store/retention.ts'

const DAY_MS = 86_400_000

/** A run that succeeded. */
export interface SimulatedRun {
  readonly start: Date
  readonly end: Date
  readonly bytes: number
}

/** A simulated bucket, in memory, with the agent's retention and receipts. */
export class SimulatedBucket {
  readonly #system: string
  readonly #bucket: string
  readonly #keeps: { readonly copies: number } | { readonly days: number }
  /** Newest first. */
  receipts: StoredReceipt[] = []
  drills: StoredReceipt[] = []
  /** Newest first. */
  objects: ListedCopy[] = []
  unfinished: string[] = []
  removed: StoredReceipt[] = []
  fromFuture: { message: string; since: Date }[] = []

  constructor(system: string, bucket: string, keeps: { readonly copies: number } | { readonly days: number }) {
    this.#system = system
    this.#bucket = bucket
    this.#keeps = keeps
  }

  observed(): Observed {
    const { receipts, drills, objects, unfinished, removed, fromFuture } = this
    return { receipts, drills, objects, unfinished, removed, fromFuture, unreadable: [] }
  }

  /** A copy, its receipt, and the pruning after it. */
  store(run: SimulatedRun): void {
    const receipt = this.#receipt(this.#system, run, this.receipts[0]?.sha256 ?? null)
    const { key, etag } = receipt.receipt.object as { key: string; etag: string }
    this.objects.unshift({ key, bytes: run.bytes, etag, modified: run.end, taken: run.start })
    this.receipts.unshift(receipt)
    // A run removes the marks that it found when it started.
    const began = `${receiptPrefix(this.#system)}${run.start.toISOString()}`
    this.unfinished = this.unfinished.filter(mark => mark > began)
    this.#prune(run.end)
  }

  /** A drill that restored the newest copy. */
  drill(start: Date, end: Date): void {
    const system = `drill.${this.#system}`
    this.drills.unshift(this.#receipt(system, { start, end, bytes: 0 }, this.drills[0]?.sha256 ?? null))
    this.drills.splice(10)
  }

  #receipt(system: string, { start, end, bytes }: SimulatedRun, previous: string | null): StoredReceipt {
    const at = start.toISOString()
    const receipt = {
      schema: 1,
      system,
      start: at,
      end: end.toISOString(),
      taken: at,
      bucket: this.#bucket,
      object: { key: `copies/${at}`, bytes, sha256: at, etag: at },
      bytes,
      versions: {},
      counts: {},
      details: {},
      previous,
    } as unknown as Receipt
    return { receipt, key: `${receiptPrefix(system)}${at}.json`, sha256: `${system} ${at}` }
  }

  #prune(now: Date): void {
    if ('copies' in this.#keeps) {
      const candidates = this.objects.map(object => ({ name: object.key, taken: object.taken, verified: true }))
      const gone = new Set(copiesToRemove(candidates, this.#keeps.copies).map(({ name }) => name))
      if (gone.size > 0) this.objects = this.objects.filter(({ key }) => !gone.has(key))
    } else {
      const oldest = now.getTime() - this.#keeps.days * DAY_MS
      this.objects = this.objects.filter(({ taken }, index) => index === 0 || taken.getTime() >= oldest)
    }
    const horizon = new Date(now.getTime() - HISTORY_DAYS * DAY_MS).toISOString()
    const standing = new Set(this.objects.map(({ key }) => key))
    while (this.receipts.length > 0) {
      const { receipt } = this.receipts.at(-1) as StoredReceipt
      if (receipt.start >= horizon || standing.has(receipt.object.key)) break
      this.receipts.pop()
    }
  }
}
