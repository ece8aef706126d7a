import { globSync, readFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { projectRoot } from '../../src/ansible/venv.ts'
import { reachable, readRooms } from '../../src/generate/architecture.ts'

const page = 'docs/ARCHITECTURE.md'
const rooms = readRooms(readFileSync(join(projectRoot, page), 'utf8'))
const kindsOfAgent = globSync('src/agent/*/kind.ts', { cwd: projectRoot }).map(path => path.split('/')[2] ?? '')
const files = globSync('{src,tools}/**/*.{ts,js}', { cwd: projectRoot }).map(path => ({
  path,
  room: roomOf(path),
  text: readFileSync(join(projectRoot, path), 'utf8'),
}))

/** What the entries of the column "may not use" forbid. */
const effects: Record<string, RegExp> = {
  files: /'node:fs(\/promises)?'/,
  programs: /'(node:child_process|execa)'/,
  network: /'(node:(net|tls|http|https|http2|dgram)|pg|@aws-sdk\/[^']+)'|\bfetch\(/,
  environment: /\bprocess\.env\b/,
  terminal: /\bprocess\.(stdin|stdout|stderr)\b|\bconsole\./,
}

/** `src/config/rules/rule.ts` → `src/config`. The agent's folders are rooms, of which those with a `kind.ts` share a row. */
function roomOf(path: string): string {
  const [top = '', room = '', inner = ''] = dirname(path).split('/')
  if (top !== 'src') return top
  if (room !== 'agent' || !inner) return `src/${room}`
  return kindsOfAgent.includes(inner) ? 'src/agent/<kind>' : `src/agent/${inner}`
}

function importsOf(room: string): string[] {
  const found = files
    .filter(file => file.room === room)
    .flatMap(({ path, text }) =>
      [...text.matchAll(/(?:\bfrom|\bimport\(|\bimport) ?'(\.[^']+\.ts)'/g)].map(([, to = '']) =>
        roomOf(relative(projectRoot, join(projectRoot, dirname(path), to))),
      ),
    )
  return [...new Set(found)].filter(other => other !== room).sort()
}

test(`${page} has a row for every room, and no other`, () => {
  expect(rooms.map(({ name }) => name).sort()).toEqual([...new Set(files.map(({ room }) => room))].sort())
})

describe.each(rooms)('$name', ({ name, imports, mayNot }) => {
  test(`imports what its row in ${page} says`, () => {
    expect(importsOf(name)).toEqual([...imports].sort())
  })

  test('uses nothing that its row forbids', () => {
    expect(mayNot.filter(word => !effects[word])).toEqual([])
    const used = files
      .filter(file => file.room === name)
      .flatMap(({ path, text }) =>
        mayNot.filter(word => effects[word]?.test(text)).map(word => `${path} uses ${word}, which its room may not`),
      )
    expect(used).toEqual([])
  })
})

test('no kind of the agent imports another', () => {
  const found = files
    .filter(({ room }) => room === 'src/agent/<kind>')
    .flatMap(({ path, text }) =>
      [...text.matchAll(/'\.\.\/([^/']+)\//g)]
        .filter(([, folder = '']) => kindsOfAgent.includes(folder))
        .map(([, folder]) => `${path} imports ${folder}`),
    )
  expect(found).toEqual([])
})

test.each(kindsOfAgent)('src/agent/%s has the files that every kind has', kind => {
  const own = files.filter(({ path }) => dirname(path) === `src/agent/${kind}`).map(({ path }) => basename(path))
  const wanted = ['backup.ts', 'drill.ts', 'kind.ts', 'receipt.ts', 'settings.ts']
  expect(wanted.filter(name => !own.includes(name))).toEqual([])
})

test('no room reaches itself by its imports', () => {
  expect(rooms.filter(({ name }) => reachable(rooms, name).has(name)).map(({ name }) => name)).toEqual([])
})

test('only commands import the lab, and nothing but the agent imports a kind of the agent', () => {
  const importing = (wanted: RegExp) =>
    rooms.filter(({ imports }) => imports.some(to => wanted.test(to))).map(({ name }) => name)
  expect(importing(/^src\/lab$/)).toEqual(['tools'])
  expect(importing(/^src\/agent\/(?!run$)/)).toEqual(['src/agent'])
})
