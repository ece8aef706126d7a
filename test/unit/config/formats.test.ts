import { execa } from 'execa'
import fc from 'fast-check'
import { Temporal } from 'temporal-polyfill'
import tzdata from 'tzdata/timezone-data.json' with { type: 'json' }
import { describe, expect, it, test } from 'vitest'
import { formats } from '../../../src/config/formats.ts'

const accepts = (format: string, text: string) => formats[format]?.accepts(text) ?? false

const hex = (length: number) => '0123456789abcdef'.repeat(8).slice(0, length)

/** By format, values that the system which judges them takes, and values that it refuses. */
const known: Record<string, { takes: string[]; refuses: string[] }> = {
  // docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html; `.-` is Ceph's.
  bucket: {
    takes: ['abc', 'im-infra-backup', 'a.b.c', '1.2.3', 'a--b', '0-9', 'x'.repeat(63), 'xn-abc', 'my-s3alias-x'],
    refuses: [
      ...['', 'ab', 'x'.repeat(64), 'Abc', 'a_b', 'a b', 'abc-', '-abc', '.abc', 'abc.', 'a..b', 'a.-b', 'a-.b', 'aü'],
      ...['192.168.5.4', '1.1.1.1', 'xn--abc', 'sthree-abc', 'sthree-configurator-a', 'amzn-s3-demo-a'],
      ...['abc-s3alias', 'abc--ol-s3', 'abc.mrap', 'abc--x-s3', 'abc--usw2-az1--x-s3', 'abc--table-s3', 'abc\n', 'a/b'],
    ],
  },
  image: {
    takes: [
      ...['a', 'a:1', 'a/b/c:1.2-x_y', 'localhost:5000/a:1', 'Registry.example/a:1', '[::1]:5000/a:1', 'a__b---c:1'],
      ...[`a@sha256:${hex(64)}`, `r.example/a:1@sha256:${hex(64)}`, `a@sha512:${hex(128)}`, `a:${'x'.repeat(128)}`],
    ],
    refuses: [
      ...[
        '',
        'A:1',
        'a:',
        'a//b:1',
        '/a:1',
        'a/:1',
        '-a:1',
        'a:-1',
        'a___b:1',
        'a.-b:1',
        'a :1',
        'a:1 ',
        'a:1\n',
        'ü:1',
      ],
      ...['https://r.example/a:1', 'docker://a:1', `a:${'x'.repeat(129)}`, `${'x'.repeat(256)}:1`, hex(64), 'a:1:2'],
      ...[`a@sha256:${hex(63)}`, `a@sha256:${hex(64).toUpperCase()}`, `a@md5:${hex(32)}`, 'a@', `a@${hex(64)}`],
      ...[`a@sha256:${hex(64)}-drill`, `a@sha256:${hex(64)}:1`, 'user:pw@r.example/a:1'],
    ],
  },
  host: {
    takes: [
      'localhost',
      'a.example',
      'a.example.',
      '127.0.0.1',
      '::1',
      'fe80::1',
      'xn--bcher-kva.example',
      'A-1.b',
      '1a',
    ],
    refuses: [
      ...[
        '',
        '-a',
        'a-',
        'a-.b',
        '-oProxyCommand=touch',
        'a b',
        'a\n',
        'a..b',
        '.a',
        'a_b',
        'user@a',
        'a:22',
        'a/b',
        'ü',
      ],
      ...[
        '300.1.1.1',
        '1.2.3',
        '1',
        '01.2.3.4',
        '0x7f.1',
        '127.1',
        '1.2.3.4.5',
        'a.123',
        '[::1]',
        ':::',
        '1::2::3',
        '*',
      ],
      ...[`${'x'.repeat(64)}.example`, `${'x.'.repeat(127)}xx`, '$(id)', 'a;b', 'a,b'],
    ],
  },
  'data-path': {
    takes: ['/var/lib/rancher', '/data/x', '/var/lib/a/../rancher/', '/devices/x', '/opt//rancher'],
    refuses: [
      ...['', '/', '/etc', '/root/', '/var/..', '/var/lib/rancher/../../..', '/a/..', '/x/../etc', 'var/lib', '/a b/c'],
      ...['/proc/sys', '/sys/fs', '/dev/shm', '/run/rancher', '/x/../proc/1', '/a:b/c', "/a'b/c", '/a/b\n', '//etc'],
    ],
  },
  line: {
    takes: ['a', 'a b', "it's", '{{ x }}', '🎉', 'a\u00a0b', 'ünï (x)', 'x'.repeat(5000)],
    refuses: [
      '',
      ' ',
      ' a',
      'a ',
      'a\n',
      'a\nb',
      '\ta',
      'a\u0000b',
      'a\u0085b',
      'a\u2028b',
      '\ufeffa',
      'a\u00a0',
      '\u200ba',
    ],
  },
  'http-address': {
    takes: [
      ...['https://a.example', 'http://127.0.0.1:8080/x?y=z', 'https://[::1]:6443/', 'HTTPS://A.example/hook/1'],
      'https://a.example/k8s/clusters/c-1',
    ],
    refuses: [
      ...[
        '',
        'a.example',
        'ftp://a.example',
        'https://',
        'https:a.example',
        'https:///a',
        'https:\\\\a',
        'https://a b',
      ],
      ...[
        'https://u@a.example',
        'https://u:p@a.example',
        'https://a.example:99999',
        'https://a.example:',
        'https://a..b',
      ],
      ...[
        'https://-a.example',
        'https://a_b.example',
        'https://0x7f.1',
        'https://%41',
        'https://a.example#x',
        'https://a\n',
      ],
      ...['javascript:alert(1)', 'https://300.1.1.1', ' https://a.example'],
    ],
  },
  repository: {
    takes: [
      ...['https://github.example/a/b.git', 'git@github.example:a/b.git', 'ssh://git@a.example:2222/b', 'a.example:b'],
      ...['file:///srv/a', 'git://a.example/b', 'https://[::1]/a'],
    ],
    refuses: [
      ...[
        '',
        '-u',
        '--upload-pack=x',
        'ext::sh -c x',
        'fd::3',
        'https://',
        'https://a.example',
        'a b',
        '../a',
        '/srv/a',
      ],
      ...[
        'https://u:p@a.example/b',
        'https://token@a.example/b',
        'ssh://u:p@a.example/b',
        'u:p@a.example:b',
        'ftp://a/b',
      ],
      ...[
        'ssh://-oProxyCommand=x/b',
        'ssh://-u@a.example/b',
        'git@-oProxyCommand=x:b',
        '-x@a.example:b',
        'git@a.example:-b',
        'git@a.example:',
      ],
      ...['ssh://a.example/-b', 'ssh://a.example:99999/b', 'git@a_b:c', 'C:\\a', 'https://a.example/b c', 'file://a/b'],
    ],
  },
  revision: {
    takes: ['main', 'v1.2.3', 'feature/a-b', hex(40), 'a@b', 'ünï', 'refs/heads/main'],
    refuses: [
      ...[
        '',
        '-a',
        'a..b',
        'a b',
        'a~1',
        'a^',
        'a:b',
        'a?',
        'a*',
        'a[b',
        'a\\b',
        'a.lock',
        'a.lock/b',
        'a/.b',
        '/a',
        'a/',
      ],
      ...['a//b', 'a@{1}', '@', 'a.', '.a', 'a\n', '\u0000', '\u007f'],
    ],
  },
  timezone: {
    takes: ['Europe/London', 'Etc/UTC', 'UTC', 'America/Argentina/Buenos_Aires', 'Asia/Calcutta', 'Europe/Kyiv'],
    refuses: [
      ...['', 'europe/london', 'BST', 'IST', '+01:00', 'UTC+1', 'GMT+1', 'Local', 'localtime', 'Factory', 'posixrules'],
      ...['../UTC', 'right/UTC', 'Europe/London ', 'Europe/Londn', 'Europe', 'toString', '__proto__', 'Etc/UTC\n'],
    ],
  },
  region: {
    takes: ['us-east-1', 'default', 'RegionOne', 'eu-west-2'],
    refuses: ['', 'us east', '-a', 'a-', 'a.b', 'a/b', 'us-east-1\n', 'x'.repeat(64)],
  },
  path: {
    takes: ['/', '/var/lib/rancher', '/nfs/kubernetes-media-replica/', '/a/./b', '/a,b=c@1%'],
    refuses: ['', 'a', './a', '~/a', '/a b', '/a:b', '/a\n', '/a;id', '/$(id)', '/a*', "/a'", '\\a'],
  },
  'mail-address': {
    takes: ['a@b.example', "o'neil+x@b-c.example", 'a@localhost'],
    refuses: ['', 'a', '@b', 'a@', 'a@@b', 'a b@c', 'A <a@b.example>', 'a@b\nBcc: c@d', 'a@-b', 'a@b,c@d', 'a@[::1]'],
  },
  'postgres-name': {
    takes: ['frag', 'a b', 'ü'.repeat(31), "o'neil"],
    refuses: ['', 'x'.repeat(64), 'ü'.repeat(32), 'a\nb', 'a\u0000'],
  },
}

describe.each(Object.entries(known))('%s', (format, { takes, refuses }) => {
  it('takes what is right', () => expect(takes.filter(text => !accepts(format, text))).toEqual([]))
  it('refuses what is odd', () => expect(refuses.filter(text => accepts(format, text))).toEqual([]))
})

test.each(Object.entries(known))('no %s has line breaks or the like at its ends', (format, { takes }) => {
  const ends = [
    '\n',
    '\r\n',
    '\t',
    '\u0000',
    '\u007f',
    '\u2028',
    ...(format === 'postgres-name' ? [] : [' ', '\u00a0']),
  ]
  const odd = takes.flatMap(text => ends.flatMap(end => [`${text}${end}`, `${end}${text}`]))
  const unusual = format === 'revision' ? /[\u00a0\u2028]/ : format === 'postgres-name' ? /\u2028/ : /(?!)/
  expect(odd.filter(text => !unusual.test(text) && accepts(format, text))).toEqual([])
})

/** Values that are right, with a few characters put in, taken out or replaced. */
function nearly(format: string, characters: string, count: number): string[] {
  const edit = fc.tuple(fc.nat(), fc.nat(2), fc.constantFrom(...characters))
  const values = fc
    .tuple(fc.constantFrom(...(known[format]?.takes ?? [])), fc.array(edit, { maxLength: 3 }))
    .map(([value, edits]) =>
      edits.reduce((text, [place, cut, character]) => {
        const at = place % (text.length + 1)
        return text.slice(0, at) + (cut === 2 ? '' : character) + text.slice(at + (cut === 0 ? 0 : 1))
      }, value),
    )
  return [...new Set([...fc.sample(values, count), ...(known[format]?.refuses ?? [])])].filter(
    // What no program can be given.
    text => !text.includes('\u0000'),
  )
}

describe('the programs that read them agree', { timeout: 120_000 }, () => {
  it('git takes the same revisions', async () => {
    const differ: string[] = []
    let both = 0
    for (const text of nearly('revision', 'a./~^:?*[\\@{- ü\n', 100)) {
      // A name that begins with a hyphen is none for `git fetch`, though the rules of refs have nothing against it.
      const { exitCode } = await execa('git', ['check-ref-format', '--branch', text], { reject: false, cwd: '/' })
      if (text !== '@' && (exitCode === 0) !== accepts('revision', text)) differ.push(text)
      if (exitCode === 0) both += 1
    }
    expect(differ).toEqual([])
    expect(both).toBeGreaterThan(10)
  })

  // An IPv6 address can be written in several ways, and ssh shortens it.
  const canonical = (host: string) => (host.includes(':') ? new URL(`http://[${host}]`).hostname : host)

  it('ssh takes each host as a host', async () => {
    const hosts = nearly('host', 'a1.-:_@%/ ', 80).filter(text => accepts('host', text))
    expect(hosts.length).toBeGreaterThan(9)
    for (const host of hosts) {
      const { stdout } = await execa('ssh', ['-F', 'none', '-G', host])
      const understood = /^hostname (.*)$/m.exec(stdout)?.[1] ?? ''
      expect(canonical(understood), host).toBe(canonical(host.toLowerCase()))
    }
  })

  it('git hands each address over ssh to ssh, with the host in its own place', async () => {
    const addresses = nearly('repository', 'a./:@-~', 120).filter(
      text => accepts('repository', text) && !/^(https?|git|file):\/\//.test(text),
    )
    expect(addresses.length).toBeGreaterThan(5)
    for (const address of addresses) {
      const { stderr } = await execa('git', ['ls-remote', address], {
        reject: false,
        cwd: '/',
        env: { GIT_SSH_COMMAND: 'echo asked >&2; false', GIT_SSH_VARIANT: 'simple' },
      })
      // The simple variant knows no port, and says so after it has read the address.
      expect([address, /asked|does not support setting port/.test(stderr)]).toEqual([address, true])
    }
  })

  it('the schedules know every time zone', () => {
    const zones = Object.keys(tzdata.zones).filter(zone => accepts('timezone', zone))
    expect(zones.length).toBeGreaterThan(500)
    for (const zone of zones) expect(Temporal.ZonedDateTime.from(`2026-07-01T00:00[${zone}]`).hour).toBe(0)
  })
})
