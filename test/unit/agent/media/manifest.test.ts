import { expect, test } from 'vitest'
import { entryOf, lineOf, Manifest, type ManifestEntry } from '../../../../src/agent/media/manifest.ts'

const file: ManifestEntry = {
  type: 'file',
  path: 'gro\xdf/a\nb.pdb',
  bytes: 12,
  mtime: 1_700_000_000_123_456,
  ctime: 1_700_000_001_000_001,
  inode: 42,
  mode: 0o4755,
  uid: 1000,
  gid: 33,
  md5: 'd41d8cd98f00b204e9800998ecf8427e',
  etag: 'd41d8cd98f00b204e9800998ecf8427e',
}

test.each<[string, ManifestEntry]>([
  ['a file', file],
  ['a file sent in parts', { ...file, etag: '0123456789abcdef0123456789abcdef-7' }],
  ['a folder', { ...file, type: 'folder', bytes: 0, ctime: 0, inode: 0 }],
  ['a link', { ...file, type: 'link', bytes: 0, ctime: 0, inode: 0, mode: 0o777, target: 'no\xffwhere' }],
])('the line of %s leads back to it', (_, entry) => {
  const { md5, etag, ...tree } = entry
  expect(entryOf(lineOf(entry))).toEqual(entry.type === 'file' ? entry : tree)
  expect(lineOf(entry)).not.toContain('\n')
})

test('entries know the place of their lines', () => {
  const lines = [file, { ...file, path: 'z' }].map(lineOf)
  const manifest = new Manifest(Buffer.from(`${lines.join('\n')}\n`))
  const [first, second] = [...manifest.entries()]
  expect(manifest.slice(first?.from ?? 0, first?.to ?? 0).toString()).toBe(`${lines[0]}\n`)
  expect(manifest.slice(second?.from ?? 0, second?.to ?? 0).toString()).toBe(`${lines[1]}\n`)
  expect(manifest.isEmpty).toBe(false)
  expect(new Manifest(Buffer.alloc(0)).isEmpty).toBe(true)
})

test('a line that is not part of a manifest is refused, and its beginning shown', () => {
  expect(() => entryOf('["x","y"]')).toThrow('not a line of a manifest: ["x"')
})
