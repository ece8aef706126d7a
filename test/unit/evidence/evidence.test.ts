import { expect, test } from 'vitest'
import { monthOf, systemEvidence } from '../../../src/evidence/evidence.ts'
import { evidencePage } from '../../../src/evidence/page.ts'
import type { StoredReceipt } from '../../../src/store/receipt.ts'
import { systemNamed } from '../../support/page.ts'
import { at, type Run, receiptsOf } from '../../support/receipts.ts'

const DAY = 86_400_000
const system = systemNamed('infra-db-production')
const place = {
  system: system.name,
  bucket: system.bucket,
  kind: 'database',
  keyOf: (taken: Date) => `hourly/backup-${taken.toISOString().slice(0, 19)}Z-dumpall.sql.gz`,
}
const october = monthOf('2026-10')
const later = at('2026-11-03T09:00:00Z')

/** Nightly runs from 20 September to 2 November, without those of some days. */
function nightly(...without: string[]): StoredReceipt[] {
  const runs = Array.from(
    { length: 44 },
    (_, index): Run => ({
      taken: new Date(at('2026-09-20T03:07:00Z').getTime() + index * DAY),
      counts: { databases: 3 },
    }),
  )
  return receiptsOf(
    place,
    runs.filter(({ taken }) => !without.includes(taken.toISOString().slice(0, 10))),
  )
}

const weekly = (kind: string, first: string, count: number, details: object = {}): StoredReceipt[] =>
  receiptsOf(
    { ...place, system: `drill.${system.name}`, kind },
    Array.from({ length: count }, (_, index) => ({
      taken: new Date(at(first).getTime() + index * 7 * DAY),
      counts: { databases: 3 },
    })),
  ).map(
    stored => ({ ...stored, receipt: { ...stored.receipt, details: { seconds: 61, ...details } } }) as StoredReceipt,
  )

test('a month has its copies and drills, each with its receipt, and no finding', () => {
  const drills = weekly('drill', '2026-09-20T05:30:00Z', 7)
  const receipts = nightly()
  const found = systemEvidence(system, receipts, drills, october, later)
  expect(found.copies).toHaveLength(31)
  expect(found.copies[0]).toMatchObject({
    taken: '2026-10-01T03:07:00.000Z',
    counts: { databases: 3 },
    receipt: { bucket: system.bucket, key: `.receipts/${system.name}/2026-10-01T03:07:00.000Z.json` },
  })
  expect(found.proofs.map(({ what, seconds }) => [what, seconds])).toEqual(Array(4).fill(['restored', 61]))
  expect(found).toMatchObject({ findings: [], chain: { receipts: 35, problems: [] } })
  // Every line names a receipt that there is.
  const known = new Set([...receipts, ...drills].map(({ sha256 }) => sha256))
  for (const { receipt } of [...found.copies, ...found.proofs]) expect(known).toContain(receipt.sha256)
})

test('days without a copy are a finding, from when it was due to the receipt that closed it', () => {
  const drills = weekly('drill', '2026-09-20T05:30:00Z', 7)
  const { findings } = systemEvidence(system, nightly('2026-10-11', '2026-10-12'), drills, october, later)
  expect(findings).toEqual([
    {
      id: 'overdue',
      message: 'nothing for 1 d 11 h',
      from: '2026-10-11T16:07:00.000Z',
      to: '2026-10-13T03:12:00.000Z',
      receipt: expect.objectContaining({ key: expect.stringContaining('2026-10-10T') }),
      closedBy: expect.objectContaining({ key: expect.stringContaining('2026-10-13T') }),
    },
  ])
})

test('no drill for a month is a finding that is still open', () => {
  const { findings } = systemEvidence(system, nightly(), weekly('drill', '2026-09-13T05:30:00Z', 3), october, later)
  expect(findings).toMatchObject([{ id: 'drill-overdue', message: expect.stringMatching(/, and still nothing$/) }])
  expect(findings[0]).not.toHaveProperty('to')
})

test('a receipt that was changed or removed breaks the chain', () => {
  const receipts = nightly()
  const { chain } = systemEvidence(system, receipts.toSpliced(10, 1), [], october, later)
  expect(chain.problems).toEqual([expect.stringContaining('one of them was changed, or one between them removed')])
  // So does the first of the month, if the one before it is another.
  const first = receipts.findIndex(({ receipt }) => receipt.start.startsWith('2026-09-30'))
  expect(systemEvidence(system, receipts.toSpliced(first, 1), [], october, later).chain.problems).toHaveLength(1)
})

test('what a check found damaged is closed by the check that found it good', () => {
  const key = place.keyOf(at('2026-10-04T12:00:00Z'))
  const keyOf = () => key
  const [bad, good] = ['2026-10-04T12:00:00Z', '2026-10-11T12:00:00Z'].map(taken =>
    receiptsOf({ ...place, system: `drill.${system.name}`, kind: 'check', keyOf }, [{ taken: at(taken) }]),
  ) as [StoredReceipt[], StoredReceipt[]]
  const damaged = { ...bad[0], receipt: { ...bad[0]?.receipt, details: { damaged: [{ key, why: 'other bytes' }] } } }
  const { findings } = systemEvidence(system, nightly(), [...good, damaged as StoredReceipt], october, later)
  expect(findings.filter(({ id }) => id === 'damaged')).toMatchObject([
    { message: `${key}: other bytes`, from: '2026-10-04T12:05:00.000Z', to: '2026-10-11T12:05:00.000Z' },
  ])
})

test('the page shows every line with the hash of its receipt, and the months are those of a calendar', () => {
  const found = systemEvidence(system, nightly(), weekly('drill', '2026-09-20T05:30:00Z', 7), october, later)
  const page = evidencePage({
    organisation: '<b>',
    month: '2026-10',
    madeAt: later.toISOString(),
    systems: [found, { ...found, system: 'away', unread: 'no answer' }],
  })
  for (const { receipt } of [...found.copies, ...found.proofs]) expect(page).toContain(receipt.sha256)
  expect(page).toContain('unbroken (35 receipts)')
  expect(page).toContain('not read: no answer')
  expect(page).not.toMatch(/<b>|<script|<link|src=/)
  expect(monthOf('2026-12').to).toEqual(at('2027-01-01T00:00:00Z'))
  for (const text of ['2026-13', '2026-1', 'October']) expect(() => monthOf(text)).toThrow('write it as 2026-10')
})
