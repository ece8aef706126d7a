import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { agentKinds } from '../../src/agent/kinds.ts'
import { kinds } from '../../src/kinds/index.ts'

const root = join(import.meta.dirname, '../..')

// Only the files of a kind may ask which kind a system is: all others use the interface `SystemKind`.
const ownRooms = ['src/kinds/', 'src/lab/kinds/']
const askingTheKind = [
  /switch \((?:\w+\.)*kind\)/,
  /\bsystem\w*\??\.kind\s*[!=]==?/,
  /\bs\.kind\s*[!=]==?/,
  /'(?!name|kind)\w+' in (?:system|s|other)\b/,
  /\.test\((?:\w+\.)*description\)/,
  /description\.(?:includes|match|startsWith|search)\(/,
]

test('no source outside src/kinds and src/lab/kinds asks which kind a system is', async () => {
  const files = [...(await sources('src')), ...(await sources('tools'))].filter(
    file => !ownRooms.some(room => file.startsWith(room)),
  )
  expect(files.length).toBeGreaterThan(100)
  const found: string[] = []
  for (const file of files) {
    const lines = (await readFile(join(root, file), 'utf8')).split('\n')
    lines.forEach((line, index) => {
      if (askingTheKind.some(pattern => pattern.test(line))) found.push(`${file}:${index + 1}: ${line.trim()}`)
    })
  }
  expect(found).toEqual([])
})

test('the agent has every kind of system, in a folder of its name', async () => {
  const folders = (await readdir(join(root, 'src/agent'), { recursive: true }))
    .filter(path => path.endsWith('/kind.ts'))
    .map(path => path.split('/')[0])
  const names = Object.keys(kinds).sort()
  expect(agentKinds.map(({ receipts }) => receipts.kind)).toEqual(names)
  expect(folders.sort()).toEqual(names)
})

async function sources(folder: string): Promise<string[]> {
  const entries = await readdir(join(root, folder), { recursive: true })
  return entries.filter(path => path.endsWith('.ts')).map(path => `${folder}/${path}`)
}
