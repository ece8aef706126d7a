import type { System } from '../kinds/index.ts'
import { expectationsOf } from '../status/expect.ts'
import { drillSeconds, duration, type FindingId } from '../store/assess.ts'
import { checkReceipts } from '../store/check-receipt.ts'
import { chainProblems, type Receipt, type StoredReceipt } from '../store/receipt.ts'

/** The receipt that a line rests on. */
export interface Basis {
  readonly bucket: string
  readonly key: string
  /** Of the receipt's bytes. */
  readonly sha256: string
}

/** A copy that was made. */
export interface MadeCopy {
  readonly taken: string
  readonly object: string
  readonly bytes: number
  /** Of the object. */
  readonly sha256: string
  readonly counts: Readonly<Record<string, number>>
  readonly receipt: Basis
}

/** A copy that was restored in a drill, or read back. */
export interface Proof {
  readonly end: string
  readonly what: 'restored' | 'read back'
  /** The copy's time. */
  readonly taken: string
  readonly object: string
  readonly sha256: string
  /** Until it was restored and compared, or read. */
  readonly seconds?: number
  readonly counts: Readonly<Record<string, number>>
  readonly receipt: Basis
}

/** Something that was wrong in the month. */
export interface PastFinding {
  readonly id: FindingId
  readonly message: string
  readonly from: string
  /** Missing: it was still open at the end of the month. */
  readonly to?: string
  /** The receipt after which it began. */
  readonly receipt: Basis
  /** The receipt that closed it. */
  readonly closedBy?: Basis
}

/** What the receipts of one system prove of a month. */
export interface SystemEvidence {
  readonly system: string
  readonly kind: string
  readonly description: string
  readonly copies: readonly MadeCopy[]
  readonly proofs: readonly Proof[]
  readonly findings: readonly PastFinding[]
  /** The check that each receipt names the hash of the one before it. */
  readonly chain: { readonly receipts: number; readonly problems: readonly string[] }
  /** Why nothing could be read. */
  readonly unread?: string
}

/** What the receipts prove of a month. */
export interface Evidence {
  readonly organisation: string
  /** As 2026-10; days are those of UTC. */
  readonly month: string
  readonly madeAt: string
  readonly systems: readonly SystemEvidence[]
}

/** The month before a time, UTC, as 2026-10. */
export function monthBefore(now: Date): string {
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1)).toISOString().slice(0, 7)
}

/** The first moment of a month and of the next, UTC. @throws Error if it is not written as 2026-10 */
export function monthOf(text: string): { from: Date; to: Date } {
  const [, year, month] = /^(\d{4})-(0[1-9]|1[0-2])$/.exec(text) ?? []
  if (!year || !month) throw new Error(`"${text}" is not a month: write it as 2026-10`)
  return {
    from: new Date(Date.UTC(Number(year), Number(month) - 1)),
    to: new Date(Date.UTC(Number(year), Number(month))),
  }
}

/**
 * What the receipts of a system prove of a month.
 *
 * @param receipts of its copies, newest first, those before the month included
 * @param drills of its drills and checks, newest first
 * @param now the end of what is known, if the month is not over
 */
export function systemEvidence(
  system: System,
  receipts: readonly StoredReceipt[],
  drills: readonly StoredReceipt[],
  { from, to }: { from: Date; to: Date },
  now: Date,
): SystemEvidence {
  const end = new Date(Math.min(to.getTime(), now.getTime()))
  const within = (stored: StoredReceipt) => isWithin(stored.receipt.end, from, end)
  const [own, proofs] = [receipts.filter(within), drills.filter(within)]
  const before = (all: readonly StoredReceipt[]) => all.filter(({ receipt }) => Date.parse(receipt.end) < end.getTime())
  return {
    system: system.name,
    kind: system.kind,
    description: system.description,
    copies: own.map(madeCopy).reverse(),
    proofs: proofs.map(proof).reverse(),
    findings: [
      ...gaps('overdue', before(receipts), expectationsOf(system, []).dueBy, from, end),
      ...drillGaps(system, before(drills), from, end),
      ...damages(before(drills), from),
    ].sort((a, b) => (a.from < b.from ? -1 : 1)),
    chain: {
      receipts: own.length + proofs.length,
      // With the one before each part, to which the first of the month must be chained.
      problems: [chained(receipts, from, end), chained(drills, from, end)].flatMap(part => chainProblems(part)),
    },
  }
}

function chained(all: readonly StoredReceipt[], from: Date, to: Date): StoredReceipt[] {
  const known = all.filter(({ receipt }) => Date.parse(receipt.end) < to.getTime())
  const earlier = known.findIndex(({ receipt }) => Date.parse(receipt.end) < from.getTime())
  return earlier < 0 ? known : known.slice(0, earlier + 1)
}

function madeCopy(stored: StoredReceipt): MadeCopy {
  const { taken, object, bytes, counts } = stored.receipt
  return { taken, object: object.key, bytes, sha256: object.sha256, counts, receipt: basis(stored) }
}

function proof(stored: StoredReceipt): Proof {
  const { end, kind, taken, object, counts } = stored.receipt
  const seconds = drillSeconds(stored.receipt)
  return {
    end,
    what: kind === checkReceipts.kind ? 'read back' : 'restored',
    taken,
    object: object.key,
    sha256: object.sha256,
    ...(seconds !== undefined && { seconds }),
    counts,
    receipt: basis(stored),
  }
}

function drillGaps(system: System, drills: readonly StoredReceipt[], from: Date, to: Date): PastFinding[] {
  const { drillDueBy } = expectationsOf(system, [])
  const restored = drills.filter(({ receipt }) => receipt.kind !== checkReceipts.kind)
  return drillDueBy ? gaps('drill-overdue', restored, drillDueBy, from, to, ({ end }) => end) : []
}

/** The times in which what was due was not there, from receipts, newest first. */
function gaps(
  id: 'overdue' | 'drill-overdue',
  receipts: readonly StoredReceipt[],
  dueBy: (last: Date) => Date,
  from: Date,
  to: Date,
  timeOf: (receipt: Receipt) => string = ({ taken }) => taken,
): PastFinding[] {
  const oldestFirst = [...receipts].reverse()
  return oldestFirst.flatMap((stored, index): PastFinding[] => {
    const due = dueBy(new Date(timeOf(stored.receipt)))
    const next = oldestFirst[index + 1]
    const closed = next ? new Date(next.receipt.end) : undefined
    if (due >= (closed ?? to) || (closed && closed < from)) return []
    const lasted = duration((closed ?? to).getTime() - due.getTime())
    return [
      {
        id,
        message: `nothing for ${lasted}${closed ? '' : ', and still nothing'}`,
        from: due.toISOString(),
        ...(closed && { to: closed.toISOString() }),
        receipt: basis(stored),
        ...(next && { closedBy: basis(next) }),
      },
    ]
  })
}

/** Damaged copies, each from the check that found it to the next that did not. */
function damages(drills: readonly StoredReceipt[], from: Date): PastFinding[] {
  const checks = drills.filter(({ receipt }) => receipt.kind === checkReceipts.kind).reverse()
  const found: PastFinding[] = []
  const open = new Map<string, { stored: StoredReceipt; why: string }>()
  const told = (key: string, closedBy: StoredReceipt | undefined) => {
    const damage = open.get(key)
    open.delete(key)
    if (!damage || (closedBy && Date.parse(closedBy.receipt.end) < from.getTime())) return
    found.push({
      id: 'damaged',
      message: `${key}: ${damage.why}`,
      from: damage.stored.receipt.end,
      ...(closedBy && { to: closedBy.receipt.end, closedBy: basis(closedBy) }),
      receipt: basis(damage.stored),
    })
  }
  for (const stored of checks) {
    const { damaged = [], until } = stored.receipt.details as Receipt<typeof checkReceipts>['details']
    const now = new Set(damaged.map(({ key }) => key))
    // A check of a part says what is damaged of all; any other, of its own copy.
    for (const key of open.keys()) {
      if (!now.has(key) && (until !== undefined || key === stored.receipt.object.key)) told(key, stored)
    }
    for (const { key, why } of damaged) if (!open.has(key)) open.set(key, { stored, why })
  }
  for (const key of [...open.keys()]) told(key, undefined)
  return found
}

function basis({ key, sha256, receipt }: StoredReceipt): Basis {
  return { bucket: receipt.bucket, key, sha256 }
}

function isWithin(time: string, from: Date, to: Date): boolean {
  const at = Date.parse(time)
  return at >= from.getTime() && at < to.getTime()
}
