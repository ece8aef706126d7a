import type { SecretFields } from '../../src/agent/kit/settings.ts'

/** Secrets with unusual names, keys, values and fields, by name. */
export type HostileSecrets = Record<string, { data: Record<string, Buffer>; fields: SecretFields }>

const TYPES = ['Opaque', 'kubernetes.io/tls', 'kubernetes.io/basic-auth', 'helm.sh/release.v1', 'example.org/Ä "x"']
const LABELS = ['app', 'app.kubernetes.io/name', '__proto__', 'constructor', 'a.b/c_d', 'x']
const TEXTS = ['', 'true', '1e3', 'null', 'v1.2-3_4', 'line\nbreak "quoted"', '{"a":"b"}', 'ä☃']

const NAME_PARTS = ['a', '0', '-', '.', 'x-y', 'secret', 'default-token', '1.2.3']
const KEY_PARTS = [
  '.',
  '_',
  '-',
  'A',
  'z',
  '0',
  '__proto__',
  'constructor',
  '.dockerconfigjson',
  'tls.crt',
  'a.b',
  'toString',
]
const VALUES = [
  '',
  '\n',
  '\r\n',
  ' ',
  '\0',
  'null',
  '"',
  '\\u0000',
  '{"a": 1}',
  '---\n...',
  '$(x)',
  'ä☃😀',
  'LS0t',
  'age-encryption.org/v1\n',
].map(text => Buffer.from(text))
// A Secret holds 1 MiB at most, its keys included.
const MOST_BYTES = 1024 * 1024 - 10_000

/** Generate the Secrets of a seed, always the same ones. */
export function hostileSecrets(seed: number): HostileSecrets {
  let state = seed
  const below = (limit: number): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit
  }
  const of = <T>(list: readonly T[]): T => list[below(list.length)] as T
  const text = (parts: readonly string[]): string => Array.from({ length: 1 + below(4) }, () => of(parts)).join('')
  const value = (room: number): Buffer => {
    const some = of(VALUES)
    switch (below(8)) {
      case 0:
        return Buffer.from(Array.from({ length: below(400) }, () => below(256)))
      case 1:
        return Buffer.from(some.toString('utf8').repeat(1 + below(50)), 'utf16le')
      case 2:
        // Large ones are rare, and as large as one can be.
        return below(8) === 0 ? Buffer.alloc(room, Buffer.from(Array.from({ length: 257 }, () => below(256)))) : some
      default:
        return some
    }
  }
  const secrets: HostileSecrets = {}
  for (let count = 1 + below(4); count > 0; count -= 1) {
    const name = `s${seed}${text(NAME_PARTS)}x${count}`.replaceAll(/[-.]+(?=[-.])/g, '').slice(0, 253)
    const data: Record<string, Buffer> = Object.create(null)
    let room = MOST_BYTES
    for (let keys = 1 + below(6); keys > 0; keys -= 1) {
      const key = below(20) === 0 ? 'k'.repeat(253) : text(KEY_PARTS)
      // The API server refuses these.
      if (key === '.' || key.startsWith('..')) continue
      data[key] = value(room)
      room -= data[key]?.length ?? 0
    }
    const texts = () => Object.fromEntries(Array.from({ length: below(4) }, () => [of(LABELS), of(TEXTS)]))
    const fields = {
      ...(below(2) && { type: of(TYPES) }),
      ...(below(2) && { labels: texts() }),
      ...(below(2) && { annotations: texts() }),
      ...(below(2) && { immutable: below(2) === 0 }),
    }
    if (Object.keys(data).length > 0) secrets[name] = { data, fields }
  }
  return secrets
}
