import { describe, expect, test } from 'vitest'
import { archiveName, tagOf, takenOf } from '../../../../src/agent/rancher/archive.ts'
import { demultiplexed } from '../../../../src/agent/rancher/docker.ts'
import { insideUrl } from '../../../../src/agent/rancher/drill.ts'
import { changesSince, differences, Entry, onlyVanished, type Tree } from '../../../../src/agent/rancher/tree.ts'
import { insideWindow, parseWindow, type Window } from '../../../../src/agent/rancher/window.ts'

describe('the window', () => {
  const friday: Window = { weekday: 'friday', from: '18:00', minutes: 120, timezone: 'Europe/London' }

  test.for([
    [friday, '2026-01-30T17:59:59Z', false],
    [friday, '2026-01-30T18:00:00Z', true],
    [friday, '2026-01-30T19:59:59Z', true],
    [friday, '2026-01-30T20:00:00Z', false],
    [friday, '2026-01-31T18:30:00Z', false],
    // British summer time: 18:00 there is 17:00 UTC.
    [friday, '2026-07-03T17:00:00Z', true],
    [friday, '2026-07-03T19:30:00Z', false],
    // It extends past midnight.
    [{ ...friday, from: '23:30' }, '2026-01-31T01:00:00Z', true],
    // On the night on which the clock goes back, 01:30 occurs twice; the window may open at each, and a person would
    // call both open.
    [{ weekday: 'sunday', from: '01:30', minutes: 15, timezone: 'Europe/London' }, '2026-10-25T00:40:00Z', true],
    [{ weekday: 'sunday', from: '01:30', minutes: 15, timezone: 'Europe/London' }, '2026-10-25T01:40:00Z', true],
    // On the night on which the clock goes forward, 01:30 does not occur.
    [{ weekday: 'sunday', from: '01:30', minutes: 15, timezone: 'Europe/London' }, '2026-03-29T01:40:00Z', false],
    [{ from: '18:00', minutes: 60, timezone: 'UTC' }, '2026-01-27T18:30:00Z', true],
    [{ minute: 50, minutes: 20, timezone: 'UTC' }, '2026-01-27T04:05:00Z', true],
    [{ minute: 50, minutes: 20, timezone: 'UTC' }, '2026-01-27T04:10:00Z', false],
  ] as const)('%j at %s: %s', ([window, now, inside]) => {
    expect(insideWindow(window, new Date(now))).toBe(inside)
  })

  test.for([
    ['x', 'is not JSON'],
    ['null', 'is not an object'],
    ['{"weekday":"freitag","from":"18:00","minutes":1,"timezone":"UTC"}', 'weekday'],
    ['{"from":"24:00","minutes":1,"timezone":"UTC"}', '"from"'],
    ['{"minutes":1,"timezone":"UTC"}', '"from"'],
    ['{"from":"18:00","minutes":0,"timezone":"UTC"}', '"minutes"'],
    ['{"from":"18:00","minutes":1,"timezone":"Europe/Oxford"}', '"timezone"'],
    ['{"from":"18:00","minutes":1}', '"timezone"'],
  ] as const)('%s is refused', ([text, said]) => {
    expect(parseWindow(text)).toContain(said)
  })
})

describe("an archive's name", () => {
  test('holds version, tag and time, and gives the time back', () => {
    const taken = new Date('2026-11-27T18:00:05.250Z')
    const name = archiveName({ version: 'v2.9.3', tag: 'stable', taken })
    expect(name).toBe('rancher-data-backup-v2.9.3-stable-2026-11-27T18-00-05Z.tar.gz')
    expect(takenOf(name)).toEqual(new Date('2026-11-27T18:00:05Z'))
  })

  test('is no other object', () => {
    for (const name of ['.receipts/x/2026-11-27T18:00:05Z.json', 'rancher-data-backup-v2.9.3-2026-11-27.tar.gz', '']) {
      expect(takenOf(name)).toBeUndefined()
    }
  })

  test.for([
    ['rancher/rancher:v2.9.2', 'v2.9.2'],
    ['registry:5000/rancher/rancher', 'latest'],
    ['registry:5000/rancher/rancher:stable@sha256:0123', 'stable'],
    ['rancher/rancher@sha256:0123', 'latest'],
  ] as const)('the tag of %s is %s', ([image, tag]) => {
    expect(tagOf(image)).toBe(tag)
  })
})

describe('what changed in a tree', () => {
  const entry = ({ ctime = '100.0', inode = 7, links = 1, content = 'f 644 0 0 10 100.0' } = {}): Entry =>
    new Entry(`${ctime} ${inode} ${links} ${content} `, '8')
  const tree = (entries: Record<string, Entry>, taken = 1000): Tree => ({
    taken,
    entries: new Map(Object.entries(entries)),
  })

  test.for([
    ['nothing', { a: entry() }, { a: entry() }, { touched: [], inPlace: [], obsolete: [] }],
    ['a new file', {}, { a: entry() }, { touched: ['a'], inPlace: [], obsolete: [] }],
    ['a file that went', { a: entry() }, {}, { touched: [], inPlace: [], obsolete: ['a'] }],
    [
      'same size and mtime, another ctime',
      { a: entry() },
      { a: entry({ ctime: '200.0' }) },
      { touched: ['a'], inPlace: ['a'], obsolete: [] },
    ],
    [
      'the same in all, but touched within the tick in which it was looked at',
      { a: entry({ ctime: '999.0' }) },
      { a: entry({ ctime: '999.0' }) },
      { touched: ['a'], inPlace: ['a'], obsolete: [] },
    ],
    [
      'replaced by a rename',
      { a: entry() },
      { a: entry({ ctime: '200.0', inode: 8 }) },
      { touched: ['a'], inPlace: ['a'], obsolete: [] },
    ],
    [
      // If it were written in place, the hard link to the old file would get the new content as well.
      'one of two names replaced by a rename',
      { a: entry({ links: 2 }) },
      { a: entry({ ctime: '200.0', inode: 8 }) },
      { touched: ['a'], inPlace: [], obsolete: ['a'] },
    ],
    [
      'a file that is a folder now',
      { a: entry() },
      { a: entry({ content: 'd 755 0 0 4096 100.0', inode: 9, links: 2 }) },
      { touched: ['a'], inPlace: [], obsolete: ['a'] },
    ],
  ] as const)('%s', ([, before, now, changes]) => {
    expect(changesSince(tree(before), tree(now))).toEqual(changes)
  })

  test('is found in a finished copy, too', () => {
    const wanted = tree({ a: entry(), b: entry() })
    const copy = tree({ a: entry({ content: 'f 644 0 0 10 100.5' }), c: entry() })
    const { extra, wrong } = differences(wanted, copy)
    expect(extra).toEqual(['c'])
    expect(wrong).toEqual(['a: is "f 644 0 0 10 100.5 ", not "f 644 0 0 10 100.0 "', 'b: missing'])
  })

  test('files that vanish meanwhile are no error, anything else is', () => {
    expect(onlyVanished("find: 'a': No such file or directory\n")).toBe(true)
    expect(onlyVanished("find: 'a': No such file or directory\nfind: 'b': Permission denied\n")).toBe(false)
  })
})

describe("a second Rancher's health is requested inside its container", () => {
  const published = (bindings: Record<string, { HostPort: string }[] | null> | null) => ({
    HostConfig: { AutoRemove: false, Privileged: true, RestartPolicy: { Name: 'no' }, PortBindings: bindings },
  })

  test.for([
    [
      'https://127.0.0.1/ping',
      { '80/tcp': [{ HostPort: '80' }], '443/tcp': [{ HostPort: '443' }] },
      'https://127.0.0.1/ping',
    ],
    ['http://127.0.0.1:8080/ping', { '80/tcp': [{ HostPort: '8080' }] }, 'http://127.0.0.1/ping'],
    [
      'https://rancher.example:8443/ping',
      { '80/tcp': null, '443/tcp': [{ HostPort: '8443' }] },
      'https://127.0.0.1/ping',
    ],
    // With the host's network nothing is published.
    ['https://rancher.example:8443/ping', null, 'https://127.0.0.1:8443/ping'],
  ] as const)('%s, %j: %s', ([url, bindings, inside]) => {
    expect(insideUrl(url, published(bindings as Parameters<typeof published>[0]))).toBe(inside)
  })
})

test('the frames of a container log are taken apart', () => {
  const frame = (stream: number, text: string) =>
    Buffer.concat([Buffer.from([stream, 0, 0, 0, 0, 0, 0, Buffer.byteLength(text)]), Buffer.from(text)])
  expect(demultiplexed(Buffer.concat([frame(1, 'out ☃\n'), frame(2, 'err\n')]))).toBe('out ☃\nerr\n')
})
