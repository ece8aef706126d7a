import type { Receipt } from '../../store/receipt.ts'
import { log, sized } from './log.ts'
import { Failure, type Result } from './outcome.ts'
import type { Wanted } from './restore-settings.ts'

/** A copy that can be restored. */
export interface Copy {
  /** For people and for `FROM_BACKUP`: the moment whose data it holds. */
  taken: Date
  name: string
  bytes: number
  /** It has a receipt, so it was complete when it was made. */
  verified: boolean
}

/** What a receipt says about its copy. */
export function copyOf({ receipt }: { receipt: Receipt }): Copy {
  return { taken: new Date(receipt.taken), name: receipt.object.key, bytes: receipt.bytes, verified: true }
}

/**
 * The requested copy. The latest is the newest with a receipt or, if there are no receipts at all (the old images
 * write none), the newest.
 *
 * @param copies in any order
 * @param place where they are, for messages
 * @throws Failure restore when there is none, with what there is
 */
export function choose<T extends Copy>(
  copies: readonly T[],
  wanted: Exclude<Wanted, { which: 'list' }>,
  place: string,
): T {
  const newestFirst = sorted(copies)
  if (newestFirst.length === 0) throw new Failure('restore', `there is no copy in ${place}: nothing was changed`)
  if (wanted.which === 'latest') return newestFirst.find(copy => copy.verified) ?? (newestFirst[0] as T)
  const found = newestFirst.find(copy => copy.taken <= wanted.at)
  if (found) return found
  const oldest = newestFirst.at(-1) as T
  throw new Failure(
    'restore',
    `${place} has no copy taken at or before ${wanted.at.toISOString()}: the oldest is ${oldest.taken.toISOString()}. Nothing was changed`,
  )
}

function sorted<T extends Copy>(copies: readonly T[]): T[] {
  return [...copies].sort((a, b) => b.taken.getTime() - a.taken.getTime())
}

// As many as fit into the termination log.
const LISTED = 20

/** Log and return the list of copies, newest first. */
export function list(copies: readonly Copy[], place: string): Result {
  const newestFirst = sorted(copies)
  log(`${newestFirst.length} copies in ${place}, newest first`)
  for (const { taken, name, bytes, verified } of newestFirst) {
    log(`  ${taken.toISOString()}  ${sized(bytes)}  ${name}${verified ? '' : '  (without a receipt)'}`)
  }
  return {
    place,
    copies: newestFirst.length,
    newest: newestFirst.slice(0, LISTED).map(({ taken, name, bytes }) => ({ taken: taken.toISOString(), name, bytes })),
  }
}
