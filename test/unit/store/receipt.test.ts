import { expect, test } from 'vitest'
import { databaseReceipts } from '../../../src/agent/database/receipt.ts'
import { chainProblems, detailsProblem, type ReceiptData, type StoredReceipt } from '../../../src/store/receipt.ts'

function chain(...days: number[]): StoredReceipt[] {
  return days.map((day, index) => {
    const start = new Date(Date.UTC(2026, 5, 1) - day * 86_400_000).toISOString()
    const older = days[index + 1]
    return {
      key: `.receipts/s/${start}.json`,
      sha256: `hash-${day}`,
      receipt: { start, previous: older === undefined ? null : `hash-${older}` },
    } as unknown as StoredReceipt
  })
}

test('an unbroken chain has no problems, nor has one whose oldest receipts were removed', () => {
  expect(chainProblems([])).toEqual([])
  expect(chainProblems(chain(0))).toEqual([])
  expect(chainProblems(chain(0, 1, 2, 3).slice(0, 3))).toEqual([])
})

test('a receipt that was taken away or changed breaks it', () => {
  const whole = chain(0, 1, 2, 3)
  expect(chainProblems(whole.toSpliced(2, 1))).toEqual([expect.stringContaining('05-31')])
  const [newest, changed, ...rest] = whole as [StoredReceipt, StoredReceipt, ...StoredReceipt[]]
  expect(chainProblems([newest, { ...changed, sha256: 'other' }, ...rest])).toHaveLength(1)
})

test('gaps are no break beyond the days after which receipts are removed', () => {
  expect(chainProblems(chain(0, 1, 40, 70, 100).toSpliced(3, 1))).toEqual([])
})

test.each([
  [{ tier: 'daily', database: null }, undefined],
  [{ tier: 'daily', database: null, ofALaterVersion: 1 }, undefined],
  [{ tier: '', database: null }, '/details/tier must not have fewer than 1 characters'],
  [{ tier: 'daily' }, '/details must have required properties database'],
])('the details %j of a dump are checked by the schema of their kind', async (details, problem) => {
  const receipt = { kind: 'database', details } as unknown as ReceiptData
  expect(await detailsProblem(receipt, databaseReceipts)).toBe(problem)
})
