import { expect, test } from 'vitest'
import { type Candidate, copiesToRemove, vouchesFor } from '../../../src/store/retention.ts'

/** `g`: a verified copy, `x`: one without a receipt; newest first, a day apart. */
function copies(pattern: string): Candidate[] {
  return [...pattern].map((kind, age) => ({
    name: `${age}${kind}`,
    taken: new Date(Date.UTC(2026, 0, 31 - age)),
    verified: kind === 'g',
  }))
}

test.each([
  // existing copies (newest first), how many are kept, what is deleted
  ['', 3, []],
  ['g', 3, []],
  ['ggg', 3, []],
  ['gggg', 3, ['3g']],
  ['ggggg', 3, ['3g', '4g']],
  // an unverified copy never counts, and is deleted only once there are enough verified ones after it
  ['xggg', 3, []],
  ['xgggg', 3, ['4g']],
  ['gxgxg', 3, []],
  ['gxgxgxg', 3, ['5x', '6g']],
  ['gggx', 3, ['3x']],
  // the only verified copy is the oldest: it stays, whatever the count
  ['xxxxxg', 3, []],
  ['xxxxxg', 1, []],
  ['xxxxxx', 1, []],
  // a count of zero still keeps the newest verified copy
  ['ggg', 0, ['1g', '2g']],
  ['xggg', -5, ['2g', '3g']],
])('of %s with %i kept goes %j', (pattern, keep, gone) => {
  const order = copies(pattern).sort(() => (pattern.length % 2 ? 1 : -1))
  expect(
    copiesToRemove(order, keep)
      .map(copy => copy.name)
      .sort(),
  ).toEqual(gone)
})

test('pruning never leaves fewer verified copies than before or than kept, and never deletes the newest', () => {
  for (let length = 0; length <= 9; length += 1) {
    for (let bits = 0; bits < 2 ** length; bits += 1) {
      const all = copies([...Array(length)].map((_, at) => ((bits >> at) & 1 ? 'g' : 'x')).join(''))
      for (const keep of [0, 1, 2, 4, 20]) {
        const gone = new Set(copiesToRemove(all, keep))
        const good = all.filter(copy => copy.verified)
        const left = good.filter(copy => !gone.has(copy))
        expect(left.length).toBe(Math.min(good.length, Math.max(1, keep)))
        expect(left[0]).toBe(good[0])
      }
    }
  }
})

test('a receipt proves only the exact object that it describes', () => {
  const receipt = { object: { key: 'a', bytes: 3, sha256: 'f'.repeat(64), etag: 'e' } }
  const receipts = [{ receipt, key: 'r', sha256: 's' }] as unknown as Parameters<typeof vouchesFor>[0]
  expect(vouchesFor(receipts, { key: 'a', bytes: 3, etag: 'e' })).toBe(true)
  expect(vouchesFor(receipts, { key: 'a', bytes: 3 })).toBe(true)
  expect(vouchesFor(receipts, { key: 'a', bytes: 4, etag: 'e' })).toBe(false)
  expect(vouchesFor(receipts, { key: 'a', bytes: 3, etag: 'other' })).toBe(false)
  expect(vouchesFor(receipts, { key: 'b', bytes: 3, etag: 'e' })).toBe(false)
})
