import { describe, expect, it } from 'vitest'
import { differences } from '../../../src/lab/content/difference.ts'

describe('differences', () => {
  it('is empty for equal facts, in whatever order', () => {
    expect(differences('server', { a: 1, b: { c: 'x' } }, { b: { c: 'x' }, a: 1 })).toEqual([])
  })

  it.each([
    [
      'another value',
      { table: { rows: 10 } },
      { table: { rows: 9 } },
      'server, table, rows: 10 in the original, 9 in the copy',
    ],
    ['something missing', { table: { rows: 10 } }, {}, 'server, table: missing in the copy'],
    ['something added', {}, { role: null }, 'server, role: only in the copy'],
    [
      'null in place of a text',
      { owner: 'frag' },
      { owner: null },
      'server, owner: "frag" in the original, null in the copy',
    ],
    ['facts in place of a value', { a: 1 }, { a: { b: 1 } }, 'server, a: 1 in the original, {"b":1} in the copy'],
    ['a name that every object has', {}, { constructor: 1 }, 'server, constructor: only in the copy'],
  ])('tells %s', (_, original, copy, line) => {
    expect(differences('server', original, copy)).toEqual([line])
  })

  it('names the first and counts the rest', () => {
    const many = Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`file ${n}`, n]))
    const lines = differences('media', many, {}, 2)
    expect(lines).toEqual([
      'media, file 0: missing in the copy',
      'media, file 1: missing in the copy',
      'and 7 more differences in media',
    ])
  })
})
