import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { EtagHash, partBytesFor } from '../../../src/store/upload.ts'

const md5 = (...content: Uint8Array[]) => createHash('md5').update(Buffer.concat(content)).digest()

test.each([0, 1, 9, 10, 11, 20, 25])('the ETags of %i bytes in parts of 10', size => {
  const content = Buffer.from([...Array(size).keys()])
  const parts = [0, 10, 20].map(from => content.subarray(from, from + 10)).filter(part => part.length > 0)
  const expected = md5(...(parts.length ? parts : [content]).map(part => md5(part)))
  // Regardless of how the content is chunked.
  for (const step of [1, 3, 10, 100]) {
    const hash = new EtagHash(10)
    for (let at = 0; at < size; at += step) hash.update(content.subarray(at, at + step))
    expect(hash.both()).toEqual([
      md5(content).toString('hex'),
      `${expected.toString('hex')}-${Math.max(1, parts.length)}`,
    ])
  }
})

test('parts grow with the file, so that ten thousand of them are always enough', () => {
  const MIB = 1024 ** 2
  expect(partBytesFor(0)).toBe(8 * MIB)
  expect(partBytesFor(50 * 1024 * MIB)).toBe(8 * MIB)
  for (const size of [100, 500, 5000].map(gib => gib * 1024 * MIB)) {
    expect(size / partBytesFor(size)).toBeLessThanOrEqual(10_000)
    expect(partBytesFor(size) % MIB).toBe(0)
  }
})
