import { inBytes } from '../report/quantities.ts'
import { table } from '../report/table.ts'
import { type Assessment, type Copy, duration } from '../store/assess.ts'

/** The copies that can be restored, newest first; `taken` is the value to pass to a restore. */
export function reportCopies({ good, unproven }: Assessment, format: 'text' | 'json', now: Date): string {
  const copies: Copy[] = [...good, ...unproven].sort((a, b) => b.taken.getTime() - a.taken.getTime())
  if (format === 'json') {
    const plain = copies.map(({ taken, key, bytes, receipt }) => ({
      taken,
      key,
      bytes,
      receipt: receipt?.receipt ?? null,
    }))
    return `${JSON.stringify(plain, null, 2)}\n`
  }
  if (copies.length === 0) return 'There is no copy.\n'
  const rows = copies.map(({ taken, key, bytes, receipt }) => [
    `${taken.toISOString().slice(0, 19)}Z`,
    duration(now.getTime() - taken.getTime()),
    inBytes(bytes),
    receipt ? countsOf(receipt.receipt.counts) : 'no receipt: not known to be complete',
    key,
  ])
  return table(['taken', 'age', 'size', 'holds', 'object'], rows)
}

// How many fit in a line.
const COUNTS = 4

function countsOf(counts: Readonly<Record<string, number>>): string {
  const all = Object.entries(counts).map(([name, count]) => `${count} ${name}`)
  return all.length > COUNTS ? `${all.slice(0, COUNTS).join(', ')}, …` : all.join(', ')
}
