import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { isMark, MARK, markVolume, requireOwnVolume } from '../../../../src/agent/run/volume-mark.ts'

function volume(): string {
  const folder = mkdtempSync(join(tmpdir(), 'backups-mark-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

const media = { system: 'media', place: 'production/stack' }

test('a volume without a mark is adopted, and then belongs to that system in that place', () => {
  const root = volume()
  mkdirSync(join(root, 'hourly'))
  requireOwnVolume(root, media)
  markVolume(root, { ...media, named: true })
  requireOwnVolume(root, media)
  for (const other of [
    { system: 'other', place: 'production/stack' },
    { system: 'media', place: 'development/stack' },
    { system: 'other', place: undefined },
  ]) {
    const refused = expect.objectContaining({
      kind: 'foreign',
      message: expect.stringContaining('media (production/stack)'),
    })
    expect(() => requireOwnVolume(root, other)).toThrow(refused)
    expect(() => markVolume(root, { ...other, named: true })).toThrow(refused)
  }
  expect(JSON.parse(readFileSync(join(root, MARK), 'utf8'))).toMatchObject(media)
})

test('the environment of the old images names no place, and still fits', () => {
  const root = volume()
  markVolume(root, { ...media, named: true })
  requireOwnVolume(root, { system: 'media', place: undefined })
})

test('the mark of an earlier version, which names nobody, is adopted, and keeps its inode', () => {
  const root = volume()
  const path = join(root, MARK)
  writeFileSync(path, '')
  const { ino: inode } = statSync(path)
  writeFileSync(path, `${JSON.stringify({ purpose: 'restore', inode })}\n`)
  expect(isMark(root, MARK)).toBe(true)
  markVolume(root, { ...media, named: true })
  expect(statSync(path).ino).toBe(inode)
  expect(() => requireOwnVolume(root, { system: 'other', place: undefined })).toThrow()
})

test('a copy of a mark, and a file of the user with its name, mark nothing', () => {
  const [root, other] = [volume(), volume()]
  markVolume(root, { ...media, named: true })
  copyFileSync(join(root, MARK), join(other, MARK))
  expect(isMark(other, MARK)).toBe(false)
  requireOwnVolume(other, { system: 'other', place: undefined })
  writeFileSync(join(other, MARK), 'of the user')
  expect(isMark(other, MARK)).toBe(false)
})

test('a run that has no name of its own marks nothing for itself', () => {
  const root = volume()
  markVolume(root, { system: 'bucket', place: undefined, named: false })
  requireOwnVolume(root, media)
})
