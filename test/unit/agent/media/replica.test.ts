import { expect, test } from 'vitest'
import { compareReplica } from '../../../../src/agent/media/drill-replica.ts'
import type { ManifestEntry } from '../../../../src/agent/media/manifest.ts'
import type { TreeEntry } from '../../../../src/agent/media/tree.ts'
import { planVolume } from '../../../../src/agent/media/volume-plan.ts'

const second = 1_000_000
const filledAt = 1_700_000_000
const filled = new Date(filledAt * 1000)
const taken = new Date((filledAt + 60) * 1000)

function file(path: string, changes: Partial<ManifestEntry> = {}): ManifestEntry {
  const time = (filledAt - 3600) * second
  const who = { mode: 0o644, uid: 1000, gid: 1000 }
  return { type: 'file', path, bytes: 5, mtime: time, ctime: time, inode: 1, ...who, md5: 'm', ...changes }
}

test.each([
  ['it is missing', undefined, 'a is missing'],
  ['its size differs', file('a', { bytes: 6 }), 'a is different: bytes 6, the manifest says 5'],
  ['its owner differs', file('a', { uid: 0 }), 'a is different: uid 0, the manifest says 1000'],
  ['its type differs', file('a', { type: 'folder' }), 'a is different: type folder, the manifest says file'],
])(
  'a file of the manifest is wrong in a replica if %s, unless it changed after the run that filled it',
  (_, there, wrong) => {
    const others = ['b', 'c', 'd'].map(path => file(path))
    const restored: TreeEntry[] = [...(there ? [there] : []), ...others]
    const found = compareReplica([file('a'), ...others], restored, { filled, taken })
    expect(found.wrong).toEqual([wrong])
    expect(found.same).toEqual(others)
    const since = file('a', { ctime: (filledAt + 1) * second })
    expect(compareReplica([since, ...others], restored, { filled, taken })).toMatchObject({ changed: 1, wrong: [] })
    // A later run has filled the replica: the file may be gone by now.
    const later = { filled: new Date(taken.getTime() + 1000), taken }
    expect(compareReplica([file('a'), ...others], restored, later)).toMatchObject({ changed: 1, wrong: [] })
  },
)

test('a replica without most of the files is wrong, even if a later run has filled it', () => {
  const expected = ['a', 'b', 'c'].map(path => file(path))
  const later = { filled: new Date(taken.getTime() + 1000), taken }
  expect(compareReplica(expected, [file('c')], later).wrong).toEqual(['2 of 3 entries are missing or different'])
})

test('a file that changed in the tick of the clock in which it was copied is read', () => {
  const ticks = [-1, 0, 1].map(tick => {
    const copy = file('a', { ctime: file('a').ctime - tick * 4000 })
    return planVolume([file('a')], [copy]).compare
  })
  expect(ticks).toEqual([[], ['a'], ['a']])
})
