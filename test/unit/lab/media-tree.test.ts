import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { differences, type Facts } from '../../../src/lab/content/difference.ts'
import { bytesOnly, fillTree, treeFingerprint, treeMark } from '../../../src/lab/content/media-tree.ts'

const choices = { name: 'some-media', files: 200, hostile: true }
let folder: string
let tree: string
let original: Facts

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'media-tree-'))
  tree = join(folder, 'tree')
  expect(fillTree(tree, choices)).toBe('filled')
  original = treeFingerprint(tree)
})
afterAll(() => rmSync(folder, { recursive: true }))

const filesOf = (facts: Facts) => Object.values(facts).filter(entry => (entry as Facts).type === 'file')

describe('fillTree', () => {
  it('makes as many files as requested', () => {
    expect(filesOf(original)).toHaveLength(200)
  })

  it('makes another tree for another name', () => {
    const other = join(folder, 'other')
    fillTree(other, { ...choices, name: 'other-media' })
    expect(differences('tree', original, treeFingerprint(other))).not.toEqual([])
  })

  it('does nothing if the tree is complete', () => {
    expect(fillTree(tree, choices)).toBe('present')
  })

  it('starts over if it was interrupted, and makes the same tree', () => {
    const broken = join(folder, 'broken')
    fillTree(broken, choices)
    rmSync(join(broken, treeMark))
    writeFileSync(join(broken, 'half a file'), '')
    expect(fillTree(broken, choices)).toBe('filled')
    expect(differences('tree', original, treeFingerprint(broken))).toEqual([])
  })

  it('contains what careless tools get wrong', () => {
    expect(original['odd kinds/empty']).toMatchObject({ type: 'file', size: 0 })
    expect(original['empty directory']).toMatchObject({ type: 'directory' })
    expect(original['odd kinds/link to nothing']).toMatchObject({ type: 'link', target: 'no such file' })
    expect(Object.keys(original)).toEqual(
      expect.arrayContaining([
        'odd names/NFC é',
        'odd names/NFD e\u0301',
        'odd names/__proto__',
        'odd names/latin-1 \\xe9',
        'odd names/line\nbreak',
      ]),
    )
    expect(Object.keys(original).some(path => Buffer.byteLength(path.split('/').at(-1) ?? '') === 255)).toBe(true)
  })

  it('refuses a number of files that is less than its odd ones', () => {
    expect(() => fillTree(join(folder, 'small'), { ...choices, files: 10 })).toThrow('at least 100 files')
  })
})

describe('treeFingerprint', () => {
  const changed = (name: string, change: (tree: string) => void): string[] => {
    const copy = join(folder, name)
    fillTree(copy, choices)
    change(copy)
    return differences('tree', original, treeFingerprint(copy), 20)
  }

  it('detects a changed byte with the same size and time', () => {
    const lines = changed('byte', copy => {
      const file = join(copy, 'odd kinds/same bytes 3')
      chmodSync(file, 0o644)
      writeFileSync(file, readFileSync(file, 'utf8').replace('s', 'S'))
      chmodSync(file, 0o444)
      const time = Number((original['odd kinds/same bytes 3'] as Facts).modified)
      utimesSync(file, time, time)
    })
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^tree, odd kinds\/same bytes 3, sha256: /)
  })

  it('detects a longer file, another mode, another time and a renamed entry', () => {
    const lines = changed('several', copy => {
      appendFileSync(join(copy, 'odd kinds/empty'), 'x')
      chmodSync(join(copy, 'odd names/#hash'), 0o600)
      utimesSync(join(copy, 'odd names/star*'), 1, 1)
      renameSync(join(copy, 'empty directory'), join(copy, 'moved'))
    }).join('\n')
    expect(lines).toContain('tree, empty directory: missing in the copy')
    expect(lines).toContain('tree, moved: only in the copy')
    expect(lines).toContain('tree, odd kinds/empty, size: 0 in the original, 1 in the copy')
    expect(lines).toContain('tree, odd names/#hash, mode: "0755" in the original, "0600" in the copy')
    expect(lines).toMatch(/tree, odd names\/star\*, modified: .*"1\.000000" in the copy/)
  })

  it('contains only files that a store can hold, on request', () => {
    const bytes = bytesOnly(original)
    // Five have names that the bucket itself uses, and one has a path that is too long.
    expect(filesOf(bytes)).toHaveLength(194)
    expect(Object.keys(bytes)).toHaveLength(194)
    expect(Object.keys(bytes['odd kinds/empty'] as Facts)).toEqual(['type', 'size', 'sha256'])
  })
})

describe('the file run by itself', () => {
  const program = fileURLToPath(new URL('../../../src/lab/content/media-tree.ts', import.meta.url))
  const node = (args: string[], input?: string) =>
    execFileSync(process.execPath, args, { encoding: 'utf8', ...(input !== undefined && { input }) })

  it('fills and fingerprints, as a file and, without types, from standard input', () => {
    const directory = join(folder, 'by itself')
    expect(node([program, 'fill', directory, choices.name, '200', 'hostile'])).toBe('filled\n')
    const printed = node(
      ['--input-type=module', '-', 'fingerprint', directory],
      stripTypeScriptTypes(readFileSync(program, 'utf8')),
    )
    expect(differences('tree', original, JSON.parse(printed))).toEqual([])
  })
})
