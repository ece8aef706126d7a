// Clocks of machines differ slightly: up to this they are taken for the same.
const SAME_MS = 2_000

// The Date header has whole seconds.
const DATE_UNIT_MS = 1_000

/** Copies of runs whose clock was ahead by no more than this (ms) count: clocks of machines differ slightly. */
export const CLOCK_TOLERANCE_MS = 5 * 60_000

/** The bucket store's own clock, from the `Date` header of its answers. Until the first answer it is this machine's. */
export class StoreClock {
  #aheadMs: number | undefined

  /**
   * Read the `Date` header of an answer that has just arrived. The store wrote it at some moment since the request: a
   * difference that agrees with any such moment is kept, so that neither a slow answer nor a busy process moves a run's
   * clock, and a run ends after it starts.
   *
   * @param askedAt this machine's clock before the request was sent, in ms
   */
  observe(header: string | undefined, askedAt: number): void {
    const sent = Date.parse(header ?? '')
    if (Number.isNaN(sent)) return
    const [least, most] = [sent - Date.now(), sent + DATE_UNIT_MS - askedAt]
    const agrees = this.aheadMs >= least - SAME_MS && this.aheadMs <= most + SAME_MS
    this.#aheadMs = agrees ? this.aheadMs : Math.round((least + most) / 2)
  }

  /** Whether any answer had a time. */
  get isKnown(): boolean {
    return this.#aheadMs !== undefined
  }

  /** Milliseconds that the store's clock is ahead of this machine's; negative: behind. */
  get aheadMs(): number {
    return this.#aheadMs ?? 0
  }

  now(): Date {
    return new Date(Date.now() + this.aheadMs)
  }
}

/** Whether something claims to be newer than the time at which the store (or a volume) received it. */
export function isFromFuture(claimed: Date, written: Date): boolean {
  return claimed.getTime() > written.getTime() + CLOCK_TOLERANCE_MS
}

/** Why a copy or receipt from the future is not trusted, and what to do. */
export function fromFuture(place: string, claimed: Date, written: Date): string {
  return (
    `${place} is dated ${claimed.toISOString()}, but was written at ${written.toISOString()}: ` +
    'the clock of its run was ahead, so it does not count. Set it aside with "agent set-aside"'
  )
}
