import {
  appendFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, onTestFinished, test } from 'vitest'
import { checkCopy, copyChanges, copyWhileRunning } from '../../../src/agent/rancher/copy.ts'
import { chooseEngine } from '../../../src/agent/rancher/engine.ts'

const MIB = 1024 * 1024

function tree() {
  const folder = mkdtempSync(join(tmpdir(), 'rancher-copy-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const [data, copy] = [join(folder, 'data'), join(folder, 'copy')]
  for (const path of [data, copy, join(data, 'folder')]) mkdirSync(path)
  const at = (name: string) => join(data, name)
  for (const name of [
    'folder/same',
    'same',
    'appended',
    'shrunk',
    'block',
    'replaced',
    'linked',
    'a file, then a link',
    'gone',
  ]) {
    writeFileSync(at(name), Buffer.alloc(3 * MIB + 5, name))
  }
  for (const name of ['a file, then a pipe', 'a file, then a folder']) writeFileSync(at(name), name)
  linkSync(at('linked'), at('other name'))
  writeFileSync(at('sparse'), '')
  truncateSync(at('sparse'), 64 * MIB)
  return { data, copy, at }
}

/** Everything that may happen to a tree between two looks at it. */
async function change(at: (name: string) => string): Promise<void> {
  appendFileSync(at('appended'), 'more')
  truncateSync(at('shrunk'), MIB + 1)
  // One byte, and the time put back: the inode's own time tells.
  await execa('dd', [`of=${at('block')}`, 'conv=notrunc', 'bs=1', 'count=1', `seek=${2 * MIB}`], { input: '!' })
  utimesSync(at('block'), 1_000_000, 1_000_000)
  writeFileSync(at('new'), Buffer.alloc(3 * MIB + 5, 'x'))
  renameSync(at('new'), at('replaced'))
  // One of two names gets a file of its own; the other keeps what both had.
  writeFileSync(at('new'), Buffer.alloc(3 * MIB + 5, 'y'))
  renameSync(at('new'), at('linked'))
  for (const name of ['gone', 'a file, then a link', 'a file, then a pipe', 'a file, then a folder']) rmSync(at(name))
  symlinkSync('same', at('a file, then a link'))
  await execa('mkfifo', [at('a file, then a pipe')])
  mkdirSync(at('a file, then a folder'))
  writeFileSync(at('folder/new'), 'new')
}

test('a copy that was made while a tree changed is the tree, byte by byte', async () => {
  const { data, copy, at } = tree()
  const engine = await chooseEngine(data, copy)
  const before = await copyWhileRunning(engine, data, copy)
  await change(at)
  // As if it had rested before: what was touched is then told by the inodes alone.
  const { tree: now, complete } = await copyChanges(data, copy, { ...before, taken: before.taken + 10 })
  await complete(new AbortController().signal)
  await checkCopy(copy, now)
  // Contents, kinds, rights, owners, times and links, by a program that knows nothing of ours.
  const { stdout } = await execa('rsync', ['-naicH', '--delete', '--numeric-ids', `${data}/`, `${copy}/`])
  expect(stdout).toBe('')
  const { stdout: blocks } = await execa('stat', ['--format=%b', join(copy, 'sparse')])
  expect(Number(blocks)).toBeLessThan(8)
})
