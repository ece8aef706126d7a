import { expect, test } from 'vitest'
import { inWalkOrder, keyOf, rawOf } from '../../../../src/agent/media/names.ts'

const raw = (text: string) => Buffer.from(text).toString('latin1')

// How rclone (1.60) encodes such names: the keys were read from a bucket that it filled.
test.each([
  ['plain/file.txt', 'plain/file.txt'],
  [raw('日本/ünï'), '日本/ünï'],
  ['gro\xdf', 'gro‛DF'],
  [`${raw('ü')}\xe2\x82`, 'ü‛E2‛82'],
  [raw('‛DF'), '‛‛DF'],
  [raw('‛‛x'), '‛‛x'],
  [raw('‛tis the season'), '‛tis the season'],
  ['new\nline\x01', 'new\nline\x01'],
  ['\xed\xa0\x80', '‛ED‛A0‛80'],
])('the key of %j is %j, and leads back', (name, key) => {
  expect(keyOf(name)).toBe(key)
  expect(rawOf(key)).toBe(name)
})

test('no two names have the same key, and each can be decoded', () => {
  const pieces = ['‛', 'D', 'F', 'DF', 'a'].map(raw).concat('\xdf', '\xe2', '\x9b')
  const names = new Set<string>()
  for (const a of pieces)
    for (const b of pieces) for (const c of pieces) for (const d of pieces) names.add(a + b + c + d)
  const keys = new Set([...names].map(keyOf))
  expect(keys.size).toBe(names.size)
  for (const name of names) expect(rawOf(keyOf(name))).toBe(name)
})

test('paths are in the order of a walk: what is in a folder comes right after it', () => {
  const order = ['a', 'a/b', 'a/b/c', 'a/c', 'a b', 'a-b', 'a.txt', 'ab', 'b', '\xff']
  expect([...order].reverse().sort(inWalkOrder)).toEqual(order)
})
