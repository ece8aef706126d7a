import { kindOf, type System } from '../kinds/index.ts'
import {
  type Assessment,
  drillSeconds,
  type Finding,
  type Observed,
  outageSeconds,
  runSeconds,
} from '../store/assess.ts'
import { nextRuns } from './expect.ts'

/** `unknown`: there are only copies without receipts, so nothing can be verified. */
export type State = 'good' | 'warning' | 'critical' | 'unknown' | 'no answer'

/** One system in the table. Times are UTC, sizes bytes, spans seconds. Unknown values are missing. */
export interface Row {
  readonly system: string
  readonly kind: string
  readonly description: string
  readonly state: State
  readonly newest?: {
    readonly taken: Date
    readonly key: string
    readonly bytes: number
    /** Whether a receipt vouches for it. */
    readonly proven: boolean
    /** When the next copy is due. */
    readonly dueBy: Date
  }
  /** Missing if the bucket did not answer. */
  readonly copies?: {
    readonly good: number
    readonly unproven: number
    readonly keeps: { readonly copies: number } | { readonly days: number }
    /** The oldest moment that can be restored. */
    readonly oldest?: Date
  }
  /** Change of the size: `ratio` 0.1 is a tenth more, over this many days. */
  readonly trend?: { readonly ratio: number; readonly days: number }
  readonly runSeconds?: number
  readonly outageSeconds?: number
  readonly drill?: { readonly end: Date; readonly seconds?: number }
  readonly nextRun: Date
  /** What cannot be determined, and why. */
  readonly note?: string
}

const DAY_MS = 86_400_000
const TREND_DAYS = 30
// Less than a week shows no trend.
const TREND_LEAST_DAYS = 7

/** One system's row. */
export function rowOf(system: System, observed: Observed, assessment: Assessment, now: Date): Row {
  const { good, unproven, dueBy, lastDrill, findings } = assessment
  const facts = kindOf(system).copies(system)
  const proven = good[0]
  const newest = proven ?? unproven[0]
  const receipt = proven?.receipt.receipt
  const note = noteOf(facts.writesReceipts, good.length, unproven.length, observed)
  const outage = receipt && outageSeconds(receipt)
  const trend = trendOf(good)
  const seconds = lastDrill && drillSeconds(lastDrill.receipt)
  const oldest = good.at(-1)
  return {
    system: system.name,
    kind: system.kind,
    description: system.description,
    state: stateOf(findings, note !== undefined && good.length === 0),
    ...(newest &&
      dueBy && {
        newest: { taken: newest.taken, key: newest.key, bytes: newest.bytes, proven: proven !== undefined, dueBy },
      }),
    copies: {
      good: good.length,
      unproven: unproven.length,
      keeps: facts.keeps,
      ...(oldest && { oldest: oldest.from ?? oldest.taken }),
    },
    ...(trend && { trend }),
    ...(receipt && { runSeconds: runSeconds(receipt) }),
    ...(outage !== undefined && { outageSeconds: outage }),
    ...(lastDrill && {
      drill: { end: new Date(lastDrill.receipt.end), ...(seconds !== undefined && { seconds }) },
    }),
    nextRun: nextRuns(system.schedule, now, 1),
    ...(note && { note }),
  }
}

/** The row of a system whose bucket could not be read. */
export function unansweredRow(system: System, now: Date): Row {
  return {
    system: system.name,
    kind: system.kind,
    description: system.description,
    state: 'no answer',
    nextRun: nextRuns(system.schedule, now, 1),
  }
}

/**
 * `5/28 (+2 unproven)`: existing copies of the promised number; for a system that keeps days, how far back it reaches. A
 * dash if it is not known.
 */
export function copiesText(copies: Row['copies'], now: Date): string {
  if (!copies) return '–'
  const { good, unproven, keeps, oldest } = copies
  const promised =
    'copies' in keeps
      ? `${good}/${keeps.copies}`
      : `${oldest ? Math.floor((now.getTime() - oldest.getTime()) / 86_400_000) : 0}/${keeps.days} d`
  return unproven > 0 ? `${promised} (+${unproven} unproven)` : promised
}

function stateOf(findings: readonly Finding[], unknown: boolean): State {
  if (findings.some(({ severity }) => severity === 'critical')) return 'critical'
  if (findings.length > 0) return 'warning'
  return unknown ? 'unknown' : 'good'
}

function noteOf(writesReceipts: boolean, good: number, unproven: number, { tree }: Observed): string | undefined {
  if (good > 0 || (unproven === 0 && !tree?.objects)) return undefined
  const cannot = 'no receipt: whether a copy is complete, what it holds and whether it was changed cannot be known'
  const image = writesReceipts ? '' : 'made by an old image, '
  return tree
    ? `${image}${cannot}; nor when the last run was, because files that did not change are not sent again`
    : `${image}${cannot}`
}

function trendOf(good: Assessment['good']): Row['trend'] {
  const newest = good[0]
  if (!newest) return undefined
  const aged = good.map(copy => ({ copy, days: (newest.taken.getTime() - copy.taken.getTime()) / DAY_MS }))
  const then = aged.find(({ days }) => days >= TREND_DAYS) ?? aged.at(-1)
  if (!then || then.days < TREND_LEAST_DAYS || then.copy.bytes === 0) return undefined
  return { ratio: newest.bytes / then.copy.bytes - 1, days: Math.round(then.days) }
}
