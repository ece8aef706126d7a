import type { FindingId } from '../store/assess.ts'
import type { SimulatedBucket } from './bucket.ts'

/** Something that goes wrong at a moment and, if it lasts, until another. */
export interface Fault {
  readonly kind: FaultKind
  readonly from: Date
  /** Missing for a fault that happens once, or never ends. */
  readonly to?: Date
}

export type FaultKind = keyof typeof faultKinds

/** How a kind of fault changes a run, and the bucket. */
interface Effect {
  readonly title: string
  /** The finding that must report it. */
  readonly expected: FindingId
  /** What it prevents or changes while it lasts. */
  readonly stops?: 'awx' | 'kubernetes' | 'runs' | 'drills'
  readonly bytes?: number
  readonly seconds?: number
  /** What it does to the bucket when it starts. */
  readonly harm?: (bucket: SimulatedBucket, at: Date) => void
  /** It is only possible with more than one copy. */
  readonly needsOlder?: boolean
}

/** Every kind of fault that can be injected, and the finding that must report it. */
export const faultKinds = {
  'awx-away': { title: 'AWX is away', expected: 'overdue', stops: 'awx' },
  'cluster-away': { title: 'the control plane is away', expected: 'overdue', stops: 'kubernetes' },
  'runs-fail': { title: 'every run fails', expected: 'overdue', stops: 'runs' },
  'drills-fail': { title: 'every drill fails', expected: 'drill-overdue', stops: 'drills' },
  'half-the-data': { title: 'half the data is gone', expected: 'shrunk', bytes: 0.5 },
  'three-times-the-data': { title: 'three times the data', expected: 'grown', bytes: 3 },
  'slow-runs': { title: 'runs take four times as long', expected: 'slower', seconds: 4 },
  'bucket-emptied': {
    title: 'somebody empties the bucket',
    expected: 'no-copy',
    harm: bucket => {
      bucket.objects = []
    },
  },
  'newest-copy-deleted': {
    title: 'somebody deletes the newest copy',
    expected: 'newest-copy-lost',
    needsOlder: true,
    harm: bucket => {
      bucket.objects = bucket.objects.slice(1)
    },
  },
  'newest-copy-replaced': {
    title: 'somebody replaces the newest copy',
    expected: 'newest-copy-lost',
    needsOlder: true,
    harm: (bucket, at) => replace(bucket, 0, at),
  },
  'older-copy-deleted': {
    title: 'somebody deletes an older copy',
    expected: 'copy-lost',
    needsOlder: true,
    harm: bucket => {
      bucket.objects = bucket.objects.toSpliced(1, 1)
    },
  },
  'older-copy-replaced': {
    title: 'somebody replaces an older copy',
    expected: 'copy-lost',
    needsOlder: true,
    harm: (bucket, at) => replace(bucket, 1, at),
  },
  'receipt-removed': {
    title: 'somebody removes the newest receipt',
    expected: 'chain-broken',
    harm: bucket => {
      bucket.removed = bucket.receipts.slice(0, 1)
      bucket.receipts = bucket.receipts.slice(1)
    },
  },
  'receipt-changed': {
    title: 'somebody changes a receipt',
    expected: 'chain-broken',
    harm: bucket => {
      bucket.receipts = bucket.receipts.map((stored, index) =>
        index === 1 ? { ...stored, sha256: 'changed' } : stored,
      )
    },
  },
  'clock-ahead': {
    title: 'a run under a clock that is ahead',
    expected: 'from-the-future',
    harm: (bucket, at) => {
      bucket.fromFuture = [{ message: 'a receipt is dated next year', since: at }]
    },
  },
  'run-killed': {
    title: 'a run is killed, and no other starts',
    expected: 'run-unfinished',
    stops: 'runs',
    harm: (bucket, at) => {
      bucket.unfinished = [`.receipts/${bucket.receipts[0]?.receipt.system}/${at.toISOString()}.unfinished`]
    },
  },
} as const satisfies Record<string, Effect>

/** The effect of a fault's kind. */
export function effectOf(kind: FaultKind): Effect {
  return faultKinds[kind]
}

/** Whether a fault is active at a moment. */
export function lasts({ from, to }: Fault, at: Date): boolean {
  return at >= from && (!to || at < to)
}

function replace(bucket: SimulatedBucket, index: number, modified: Date): void {
  bucket.objects = bucket.objects.map((object, i) => (i === index ? { ...object, etag: 'replaced', modified } : object))
}
