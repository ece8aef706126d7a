/**
 * A media tree as Fragalysis keeps it, and the fingerprint of any tree. The lab runs this file by itself, with node, in a
 * pod that has the volume; so it imports nothing but node's own modules, and is plain JavaScript when its types are taken away.
 *
 *   node media-tree.ts fill DIRECTORY NAME FILES [hostile]    fills the directory once; NAME seeds what the files hold
 *   node media-tree.ts fingerprint DIRECTORY                  prints the fingerprint as JSON
 */
import { createCipheriv, createHash } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  existsSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { Facts } from './difference.ts'

/** What a tree is made from: the same choices make the same tree, to the byte and the microsecond. */
export interface TreeChoices {
  /** Seeds what the files hold, so that no two volumes of the lab hold the same. */
  name: string
  /** Regular files; at least 100, for the odd ones alone are about 70. */
  files: number
  /** Adds names with line breaks, control characters and bytes that are not UTF-8, which few tools and stores can hold. */
  hostile: boolean
}

/** Folders that the agent has at the top of a bucket, and a user may have at the top of a tree. */
const usedByBucket = ['.trash', '.receipts', '.manifests', '.set-aside', '.by-hash']

const longPart = 'a path that is longer than a key may be'

/** The folders at the top of a tree whose files' paths cannot be keys. */
export const withoutKeys: readonly string[] = [...usedByBucket, `${longPart} 0`]

// S3's limit, in bytes.
const longestKey = 1024

/** Whether a file's path can be the key of its object; otherwise only the manifest tells the path. */
function canBeKey(path: string): boolean {
  return Buffer.byteLength(path) <= longestKey && !usedByBucket.some(name => path.startsWith(`${name}/`))
}

/** The file written last, that tells a finished tree; it is content like the rest. */
export const treeMark = 'lab-content.json'

/** Fills `directory` with the tree, unless it is there already. Whatever else the directory holds is removed. Owners are set if the user may (root). */
export function fillTree(directory: string, choices: TreeChoices): 'filled' | 'present' {
  if (choices.files < 100) throw new Error(`a media tree has at least 100 files, not ${choices.files}: ask for more`)
  const mark = `${JSON.stringify(choices)}\n`
  const markFile = join(directory, treeMark)
  if (existsSync(markFile) && readFileSync(markFile, 'utf8') === mark) return 'present'
  mkdirSync(directory, { recursive: true })
  for (const name of readdirSync(directory)) rmSync(join(directory, name), { recursive: true })

  const tree = new Tree(directory, choices.name)
  addOddities(tree)
  if (choices.hostile) addHostileNames(tree)
  addTargets(tree, choices.files - tree.files - 1)
  tree.finishDirectories()
  writeFileSync(markFile, mark)
  lutimesSync(markFile, 1_700_000_000, 1_700_000_000)
  return 'filled'
}

/**
 * Each entry under `directory` by its path: type, mode, owner, group, time of modification (to the microsecond),
 * size and SHA-256 of a file, target of a link. The directory itself is not among them. A path that is not UTF-8 is
 * written with its bytes as `\xNN`. Hard links count as files of their own, as they are after any restore.
 */
export function treeFingerprint(directory: string): Facts {
  // Without a prototype, for a file may be called `__proto__`.
  const facts: Facts = Object.create(null)
  const walk = (path: Buffer, shown: string) => {
    for (const name of readdirSync(path, { encoding: 'buffer' })) {
      const entry = Buffer.concat([path, Buffer.from('/'), name])
      const place = shown === '' ? readable(name) : `${shown}/${readable(name)}`
      const stat = lstatSync(entry, { bigint: true })
      const common = {
        mode: (Number(stat.mode) & 0o7777).toString(8).padStart(4, '0'),
        owner: `${stat.uid}:${stat.gid}`,
        modified: microseconds(stat.mtimeNs),
      }
      if (stat.isDirectory()) {
        facts[place] = { type: 'directory', ...common }
        walk(entry, place)
      } else if (stat.isSymbolicLink()) {
        // Every link has mode 0777 on Linux.
        const { owner, modified } = common
        facts[place] = { type: 'link', owner, modified, target: readable(readlinkSync(entry, { encoding: 'buffer' })) }
      } else if (stat.isFile()) {
        facts[place] = { type: 'file', size: Number(stat.size), sha256: sha256OfFile(entry), ...common }
      } else {
        facts[place] = { type: 'special', ...common }
      }
    }
  }
  walk(Buffer.from(directory), '')
  return facts
}

/**
 * The part of a tree's fingerprint that any object store holds by itself: size and bytes of each regular file whose path
 * can be a key.
 */
export function bytesOnly(tree: Facts): Facts {
  // Without a prototype, for a file may be called `__proto__`.
  const facts: Facts = Object.create(null)
  for (const [path, entry] of Object.entries(tree)) {
    const { type, size, sha256 } = entry as Facts
    if (type === 'file' && canBeKey(path)) facts[path] = { type, size: size ?? 0, sha256: sha256 ?? '' }
  }
  return facts
}

/** Rounded, for what is set through a double lies up to a quarter of a microsecond beside. */
function microseconds(nanoseconds: bigint): string {
  const rounded = (nanoseconds + 500n) / 1000n
  return `${rounded / 1_000_000n}.${String(rounded % 1_000_000n).padStart(6, '0')}`
}

function readable(name: Buffer): string {
  const text = name.toString('utf8')
  if (Buffer.from(text, 'utf8').equals(name)) return text
  return [...name].map(byte => (byte < 0x80 ? String.fromCharCode(byte) : `\\x${byte.toString(16)}`)).join('')
}

function sha256OfFile(path: Buffer): string {
  const hash = createHash('sha256')
  const file = openSync(path, 'r')
  try {
    const buffer = Buffer.allocUnsafe(1024 * 1024)
    for (let read = readSync(file, buffer); read > 0; read = readSync(file, buffer))
      hash.update(buffer.subarray(0, read))
  } finally {
    closeSync(file)
  }
  return hash.digest('hex')
}

/** Makes entries one after the other; each one's number decides its mode, owner and time. */
class Tree {
  files = 0
  #entries = 0
  #directories: { path: string; mode: number; time: number }[] = []
  #root: string
  #name: string

  constructor(root: string, name: string) {
    this.#root = root
    this.#name = name
  }

  /** Bytes that do not compress, the same for the same name and number. */
  bytes(size: number): Buffer {
    const key = createHash('sha256').update(`${this.#name} ${this.#entries}`).digest()
    return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(size))
  }

  /** Lines as in a PDB file, about `size` bytes. */
  atoms(size: number): string {
    const seed = createHash('sha256').update(`${this.#name} ${this.#entries}`).digest()
    const lines = [`HEADER    ${this.#name} ${seed.toString('hex').slice(0, 12)}`]
    for (let i = 0; i < size / 67; i++) {
      const [x, y, z] = [0, 1, 2]
        .map(axis => (((seed[(i + axis) % 32] ?? 0) * 37 + i * 11) % 9999) / 100)
        .map(n => n.toFixed(3).padStart(8))
      lines.push(
        `ATOM  ${String(i + 1).padStart(5)}  CA  ALA A${String(1 + (i % 999)).padStart(4)}    ${x}${y}${z}  1.00 20.00`,
      )
    }
    return `${lines.join('\n')}\nEND\n`
  }

  /** @param time seconds since 1970, as text: Node takes a negative number for the present time */
  file(path: string | Buffer, content: string | Buffer, time?: string): void {
    const whole = this.#place(path)
    writeFileSync(whole, content)
    this.files++
    this.#dress(whole, [0o644, 0o644, 0o644, 0o664, 0o644, 0o600, 0o444, 0o755][this.#entries % 8])
    if (time !== undefined) lutimesSync(whole, time, time)
  }

  link(path: string, target: string): void {
    const whole = this.#place(path)
    symlinkSync(target, whole)
    this.#dress(whole)
  }

  hardLink(path: string, existing: string): void {
    linkSync(join(this.#root, existing), join(this.#root, path))
    this.files++
  }

  directory(path: string, mode = 0o755): void {
    const whole = join(this.#root, path)
    if (existsSync(whole)) return
    if (dirname(path) !== '.') this.directory(dirname(path))
    mkdirSync(whole)
    this.#directories.push({ path: whole, mode, time: this.#time() })
  }

  /** Sets modes and times of directories, which change while entries are made in them. */
  finishDirectories(): void {
    for (const { path, mode, time } of this.#directories.reverse()) {
      chmodSync(path, mode)
      lutimesSync(path, time, time)
    }
  }

  #place(path: string | Buffer): string | Buffer {
    this.#entries++
    if (typeof path !== 'string') return Buffer.concat([Buffer.from(`${this.#root}/`), path])
    this.directory(dirname(path))
    return join(this.#root, path)
  }

  #dress(path: string | Buffer, mode?: number): void {
    if (process.getuid?.() === 0) {
      const owner = [0, 0, 1000, 33][this.#entries % 4] ?? 0
      lchownSync(path, owner, owner)
    }
    if (mode !== undefined) chmodSync(path, mode)
    const time = this.#time()
    lutimesSync(path, time, time)
  }

  /** Seconds, between 2016 and 2026, with microseconds: node sets no finer ones truly. */
  #time(): number {
    return (
      1_451_606_400 + ((this.#entries * 7_919_777) % 315_000_000) + ((this.#entries * 123_457) % 999_983) / 1_000_000
    )
  }
}

/** Names, kinds and sizes that careless tools get wrong. */
function addOddities(tree: Tree): void {
  const long = `${'very long name '.repeat(16)}.pdb`
  // biome-ignore format: a list of names reads better in rows
  const names = [
    'with space.mol', ' leading space', 'trailing space ', "single ' quote", 'double " quote', 'back\\slash', 'tab\there', '-leading-dash',
    '--delete', 'percent%20 and %2F', 'star*', 'question?', '[brackets]', '{braces}', '#hash', 'semicolon; & and |', '$(touch pwned)',
    '`backtick`', 'colon: name', 'plus+plus', 'equals=', '<angle>', '~tilde', '@at,comma', '!bang', '.hidden', '..two dots', 'trailing dot.',
    'NFC é', 'NFD e\u0301', '日本語.sdf', 'emoji 🧬.mol', 'right-to-left עברית', 'Zoë’s “notes”', 'case', 'CASE', '\u00a0nbsp', 'constructor', '__proto__',
    long, `${'é'.repeat(127)}x`,
  ]
  for (const name of names) tree.file(`odd names/${name}`, `${name}\n`)
  for (const name of names.slice(0, 4)) tree.file(`odd names/${name} as directory/inside`, name)
  tree.file(
    `${Array.from({ length: 12 }, (_, level) => `a directory at level ${level} of a deep path`).join('/')}/deep.txt`,
    'deep\n',
  )

  tree.file('odd kinds/empty', '')
  tree.file('odd kinds/empty too.pdb', '')
  tree.file('odd kinds/one byte', '\0')
  tree.file('odd kinds/exactly 5 MiB', tree.bytes(5 * 1024 * 1024))
  tree.file('odd kinds/more than 12 MiB.zip', tree.bytes(12 * 1024 * 1024 + 1))
  for (const copy of [1, 2, 3]) tree.file(`odd kinds/same bytes ${copy}`, 'the same in three files\n')
  tree.hardLink('odd kinds/hard link to 1', 'odd kinds/same bytes 1')
  tree.hardLink('odd names/hard link across', 'odd kinds/same bytes 2')
  tree.link('odd kinds/link to a file', 'same bytes 1')
  tree.link('odd kinds/link up', '../odd names/with space.mol')
  tree.link('odd kinds/link to a directory', '../odd names')
  tree.link('odd kinds/link to nothing', 'no such file')
  tree.link('odd kinds/link to itself', 'link to itself')
  tree.link('odd kinds/absolute link out of the tree', '/etc/hostname')
  tree.link('odd kinds/link ünïcode', 'NFC é')

  // Names that restores use, and that a user may have, too.
  for (const name of ['.restoring', '.before-restore-2026-01-01T00:00:00Z']) {
    tree.file(`${name}/of the user`, `${name}\n`)
  }
  // Those of the bucket, which no file's object may have.
  for (const name of usedByBucket) tree.file(`${name}/2026-01-01T00:00:00.000Z/of the user`, `${name}\n`)
  tree.file(`${Array.from({ length: 27 }, (_, level) => `${longPart} ${level}`).join('/')}/file`, 'long\n')
  tree.file('archive/disk/lost+found/file', 'not at the top\n')
  tree.file('odd kinds/of 1969', 'before 1970\n', '-86400.25')
  tree.file('odd kinds/of 2100', 'of the future\n', '4102444800.5')

  tree.directory('empty directory')
  tree.directory('nested/empty/directories/odd "name"')
  tree.directory('private directory', 0o700)
  tree.file('private directory/secret.txt', 'for the owner\n')
  tree.directory('group directory', 0o2775)
  tree.file('group directory/shared.txt', 'for the group\n')
}

function addHostileNames(tree: Tree): void {
  tree.file('odd names/line\nbreak', 'line break\n')
  tree.file('odd names/carriage\rreturn', 'carriage return\n')
  tree.file('odd names/control \u0001 and \u007f', 'control\n')
  tree.file(Buffer.from('odd names/latin-1 \xe9', 'latin1'), 'not UTF-8\n')
  tree.file('odd names/no character of XML \ufffe', 'no character of XML\n')
  tree.file('odd names/line break at the end\n', 'line break at the end\n')
}

/** Targets as the loader lays them out: mostly small text files, one in a hundred a map of some MB. */
function addTargets(tree: Tree, files: number): void {
  const targets = [
    'A71EV2A_lb32627-66',
    'Mpro_lb18145-1',
    'CHIKV_Mac_lb32627-67',
    'Zika_NS2B_lb32627-68',
    'PTP1B_lb18145-2',
  ]
  const kinds = [
    '.pdb',
    '_apo.pdb',
    '_ligand.mol',
    '_ligand.sdf',
    '_ligand.smi',
    '-meta.yaml',
    '_crystal.cif',
    '_event.ccp4',
    '.png',
    '_apo-desolv.pdb',
  ]
  for (let n = 0; n < files; n++) {
    const target = targets[n % targets.length]
    const observation = `${'xyz'[n % 3]}${String(Math.floor(n / 50)).padStart(4, '0')}${'ABCD'[n % 4]}`
    const kind = kinds[Math.floor(n / 5) % kinds.length] ?? '.pdb'
    const path = `target_loader_data/${target}/upload_${1 + (n % 2)}/aligned_files/${observation}/${observation}_${n}${kind}`
    if (n % 100 === 99) tree.file(path, tree.bytes(1_000_000 + ((n * 7919) % 2_000_000)))
    else if (kind === '.png') tree.file(path, tree.bytes(500 + ((n * 31) % 9_000)))
    else tree.file(path, tree.atoms(200 + ((n * n) % 16_000)))
  }
}

if (import.meta.main) {
  const [command, directory, name, files, hostile] = process.argv.slice(2)
  if (command === 'fill' && directory && name && files) {
    console.log(fillTree(directory, { name, files: Number(files), hostile: hostile === 'hostile' }))
  } else if (command === 'fingerprint' && directory) {
    console.log(JSON.stringify(treeFingerprint(directory)))
  } else {
    console.error('usage: media-tree.ts fill DIRECTORY NAME FILES [hostile] | fingerprint DIRECTORY')
    process.exitCode = 2
  }
}
