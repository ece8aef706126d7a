import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { projectRoot } from '../../src/ansible/venv.ts'
import { reachable, readRooms } from '../../src/generate/architecture.ts'

const page = 'docs/ARCHITECTURE.md'
const rooms = readRooms(readFileSync(join(projectRoot, page), 'utf8'))
const files = globSync('{src,tools}/**/*.{ts,js}', { cwd: projectRoot }).map(path => ({
  path,
  room: roomOf(path),
  text: readFileSync(join(projectRoot, path), 'utf8'),
}))

/** What the entries of the column "may not use" forbid. */
const effects: Record<string, RegExp> = {
  files: /'node:fs(\/promises)?'/,
  programs: /'(node:child_process|execa)'/,
  network: /'(node:(net|tls|http|https|http2|dgram)|pg|@aws-sdk\/(?!util-endpoints)[^']+)'|\bfetch\(/,
  environment: /\bprocess\.env\b/,
  terminal: /\bprocess\.(stdin|stdout|stderr)\b|\bconsole\./,
}

/** `src/config/rules/rule.ts` → `src/config`; each of the agent's folders is a room. */
function roomOf(path: string): string {
  const [top = '', room = '', inner = ''] = dirname(path).split('/')
  if (top !== 'src') return top
  return room === 'agent' && inner ? `src/agent/${inner}` : `src/${room}`
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

test('no room reaches itself by its imports', () => {
  expect(rooms.filter(({ name }) => reachable(rooms, name).has(name)).map(({ name }) => name)).toEqual([])
})

test('only commands import the lab, and nothing but the agent imports a kind of the agent', () => {
  const importing = (wanted: RegExp) =>
    rooms.filter(({ imports }) => imports.some(to => wanted.test(to))).map(({ name }) => name)
  expect(importing(/^src\/lab$/)).toEqual(['tools'])
  expect(importing(/^src\/agent\/(?!run$)/)).toEqual(['src/agent'])
})
