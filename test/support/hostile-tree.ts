import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'

/** Random numbers determined by a seed. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed * 2_654_435_761
  }

  /** A whole number from 0 to below `end`. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * end)
  }

  of<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T
  }

  /** True with a probability of one in this many. */
  once(times: number): boolean {
    return this.below(times) === 0
  }
}

// Names found in practice, or used by the copies themselves; raw, one character a byte.
const utf8 = (text: string): string => Buffer.from(text).toString('latin1')
// biome-ignore format: a list of names reads better in rows
const names = [
  'a', 'b', 'A', 'a.b', 'a b', ' a', 'a ', 'a\n', '\n', 'a\r', '\ta', '\x01', '\x7f', '-rf', '--delete', '#a', ';a', '*', '?', '[a]', '{a}', '\\', '\\n', '"', "'",
  '%2F', '%', '+', '&amp;', '<a>', '~', '..a', '...', 'a|b', '$(a)', ':a', '@', '_a', '_multipart_a', '.trash', '.receipts', '.manifests', '.by-hash', '.set-aside',
  '.restoring', '.before-restore-2026-01-01T00:00:00Z', '.unfinished', '.fragalysis-backups.lock', 'made-by-fragalysis-backups.json', 'inside',
  '\xff', 'gro\xdf', '\xe2\x82', '\xed\xa0\x80', utf8('é'), utf8('e\u0301'), utf8('\u201b'), utf8('\u201bDF'), utf8('\ufffe'), utf8('\uffff'), utf8('\ufeffa'), utf8('🧬'),
  utf8('\u2028'), utf8('\u0085'), 'n'.repeat(255), utf8('é'.repeat(127)),
]
const fragments = ['x', 'y', '\xff', '\n', utf8('ü'), '.', ' ', utf8('\ufffe'), '‛'.charCodeAt(0).toString(16)]
const seconds = [
  '-1.5',
  '-0.000001',
  '-86400.25',
  '0',
  '0.5',
  '1.000001',
  '1700000000.1',
  '1700000000.9',
  '1700000000',
  '4102444800',
  '10000000000',
]

const KEPT = 'kept'

/** A folder filled from a seed with anything that a tree may contain, and changed as trees change between two runs. */
export class HostileTree {
  readonly root: string
  readonly #random: Random

  constructor(root: string, seed: number) {
    this.root = root
    this.#random = new Random(seed)
  }

  fill(): void {
    // A source without any file is refused.
    this.#write(KEPT, 5)
    const entries = 12 + this.#random.below(12)
    for (let entry = 0; entry < entries; entry += 1) this.#add(this.#folder())
    if (this.#random.once(4)) this.#addDeep()
    if (this.#random.once(30)) this.#write(this.#free(''), 8 * 1024 * 1024 + this.#random.below(9 * 1024 * 1024))
    this.#dressFolders()
  }

  /** Change it: contents, names, attributes, and types of entries. */
  change(): void {
    const random = this.#random
    for (let changes = 4 + random.below(6); changes > 0; changes -= 1) {
      const path = random.of(this.#all())
      if (path === KEPT) continue
      const action = random.below(8)
      if (action === 0) this.#remove(path)
      else if (action === 1) this.#swap(path)
      else if (action === 2) this.#rewrite(path, true)
      else if (action === 3) this.#rewrite(path, false)
      else if (action === 4) this.#rename(path)
      else if (action === 5) this.#dress(path)
      else if (action === 6) this.#setTime(path, random.of(['1700000000.1', '1700000000.9']))
      else this.#add(this.#folder())
    }
    this.#dressFolders()
  }

  #bytes(path: string): Buffer {
    return Buffer.concat([Buffer.from(`${this.root}/`), Buffer.from(path, 'latin1')])
  }

  #stat(path: string) {
    return lstatSync(this.#bytes(path))
  }

  /** Every path, folders before their content. */
  #all(folder = ''): string[] {
    const at = folder === '' ? Buffer.from(this.root) : this.#bytes(folder)
    return readdirSync(at, { encoding: 'latin1' })
      .sort()
      .flatMap(name => {
        const path = folder === '' ? name : `${folder}/${name}`
        return this.#stat(path).isDirectory() ? [path, ...this.#all(path)] : [path]
      })
  }

  /** The root, as '', or a folder of the tree. */
  #folder(): string {
    return this.#random.of(['', ...this.#all().filter(path => this.#stat(path).isDirectory())])
  }

  /** A path that does not exist yet. */
  #free(folder: string): string {
    for (;;) {
      const random = this.#random
      const name = random.once(3)
        ? Array.from({ length: 1 + random.below(4) }, () => random.of(fragments)).join('')
        : random.of(names)
      const path = folder === '' ? name : `${folder}/${name}`
      if (name === '.' || name === '..') continue
      if (!lstatSync(this.#bytes(path), { throwIfNoEntry: false })) return path
    }
  }

  #add(folder: string): void {
    const random = this.#random
    if (folder.length > 900) return
    const path = this.#free(folder)
    const kind = random.below(12)
    if (kind < 3) mkdirSync(this.#bytes(path))
    else if (kind === 3) this.#link(path)
    else if (kind === 4) this.#sparse(path)
    else if (kind === 5) {
      const files = this.#all().filter(other => this.#stat(other).isFile())
      if (files.length === 0) return
      linkSync(this.#bytes(random.of(files)), this.#bytes(path))
    } else if (kind === 6 && /^[ -~]*$/.test(path)) {
      execFileSync('mkfifo', ['--', `${this.root}/${path}`])
    } else this.#write(path, random.of([0, 1, 20, 300, 5000]))
    if (kind > 2) this.#dress(path)
  }

  /** A file whose path is longer than a key may be. */
  #addDeep(): void {
    let path = ''
    for (let depth = 0; depth < 5; depth += 1) {
      path += `${depth === 0 ? '' : '/'}${'deep'.repeat(50)}${depth}`
      if (!lstatSync(this.#bytes(path), { throwIfNoEntry: false })) mkdirSync(this.#bytes(path))
    }
    const file = `${path}/${'f'.repeat(1 + this.#random.below(60))}`
    this.#write(file, 30)
    this.#dress(file)
  }

  #write(path: string, size: number): void {
    const content = Buffer.alloc(size)
    for (let at = 0; at < size; at += 997) content[at] = this.#random.below(256)
    writeFileSync(this.#bytes(path), content)
  }

  #sparse(path: string): void {
    const file = openSync(this.#bytes(path), 'w')
    ftruncateSync(file, 200_000)
    writeSync(file, 'x', 100_000)
    closeSync(file)
  }

  #link(path: string): void {
    symlinkSync(
      Buffer.from(
        this.#random.of(['a', '../b', '/etc/hostname', 'no such', '\xff', 'a\n', '.', 'x'.repeat(300)]),
        'latin1',
      ),
      this.#bytes(path),
    )
  }

  #dress(path: string): void {
    const random = this.#random
    const stat = this.#stat(path)
    const owner = random.of([0, 33, 1000, 4_000_000])
    lchownSync(this.#bytes(path), owner, random.of([0, 33, 1000]))
    if (!stat.isSymbolicLink())
      chmodSync(this.#bytes(path), random.of([0, 0o400, 0o644, 0o755, 0o777, 0o4755, 0o2775, 0o1777, 0o7777]))
    this.#setTime(path, random.of(seconds))
  }

  #setTime(path: string, time: string): void {
    lutimesSync(this.#bytes(path), time, time)
  }

  /** Times of folders change while entries are created in them. */
  #dressFolders(): void {
    for (const path of this.#all().reverse())
      if (this.#stat(path).isDirectory() && this.#random.once(2)) this.#dress(path)
  }

  #remove(path: string): void {
    for (const inside of this.#all().reverse()) {
      if (inside !== path && !inside.startsWith(`${path}/`)) continue
      if (this.#stat(inside).isDirectory()) rmdirSync(this.#bytes(inside))
      else unlinkSync(this.#bytes(inside))
    }
  }

  /** Replace an entry by one of another type. */
  #swap(path: string): void {
    const was = this.#stat(path)
    this.#remove(path)
    const kind = this.#random.below(2)
    if (was.isDirectory() ? kind === 0 : was.isSymbolicLink()) this.#write(path, 7)
    else if (was.isDirectory()) this.#link(path)
    else {
      mkdirSync(this.#bytes(path))
      if (Buffer.byteLength(path, 'latin1') < 1500) this.#write(`${path}/inside`, 8)
    }
  }

  /** Another content of the same size, with the same or another time. */
  #rewrite(path: string, sameTime: boolean): void {
    const stat = this.#stat(path)
    if (!stat.isFile() || stat.size === 0) return
    this.#write(path, stat.size)
    if (sameTime) utimesSync(this.#bytes(path), stat.atimeMs >= 0 ? stat.atime : 0, String(stat.mtimeMs / 1000))
  }

  #rename(path: string): void {
    const slash = path.lastIndexOf('/')
    renameSync(this.#bytes(path), this.#bytes(this.#free(slash < 0 ? '' : path.slice(0, slash))))
  }
}
