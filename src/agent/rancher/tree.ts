import { execa } from 'execa'
import { Failure } from '../run/outcome.ts'

/**
 * One entry of a tree, in the words of find(1). They are taken apart only where they are asked for: while Rancher is
 * stopped, all but a few of a hundred thousand entries are known to be as they were by `record` alone.
 */
export class Entry {
  /** All of `RECORD`: the same at two moments, it was not touched, as far as a filesystem tells. */
  readonly record: string
  readonly #blocks: string
  // Asked for before the stop, and again after it.
  #ctime: number | undefined

  /** @param blocks of 512 bytes; no part of the record, since a filesystem gives them to a file later than it is written */
  constructor(record: string, blocks: string) {
    this.record = record
    this.#blocks = blocks
  }

  /** Seconds; find prints nanoseconds, of which a number keeps microseconds. */
  get ctime(): number {
    this.#ctime ??= Number.parseFloat(this.record)
    return this.#ctime
  }

  get inode(): string {
    return this.record.split(' ', 2)[1] ?? ''
  }

  get links(): number {
    return Number(this.record.split(' ', 3)[2])
  }

  /** f, d, l, p, s, b, c. */
  get kind(): string {
    return this.record.split(' ', 4)[3] ?? ''
  }

  /** What a copy must have too: kind, mode, owner, group, and for what is no folder its size, mtime and link target. */
  get content(): string {
    return CONTENT.exec(this.record)?.[1] ?? ''
  }

  /** What it takes on the disk; of a file with several names, each says so. */
  get bytes(): number {
    return Number(this.#blocks) * 512
  }
}

/** A tree at a moment. Paths are relative to its root (itself ''), as bytes in Latin-1, so that every name survives. */
export interface Tree {
  /** Seconds since 1970, from before the first entry was read. */
  readonly taken: number
  readonly entries: ReadonlyMap<string, Entry>
}

const RECORD = '%C@ %i %n %y %m %U %G %s %T@ %l'
const CONTENT = /^\S+ \S+ \S+ (d \S+ \S+ \S+|[^d].*)/s
const FIELDS = ['%P', RECORD, '%b']

/**
 * Read a whole tree. find(1) reads a hundred thousand entries in some tenths of a second, while Rancher is stopped.
 *
 * @param options.changing entries may vanish meanwhile; else that is an error
 */
export async function readTree(root: string, options: { changing: boolean; signal?: AbortSignal }): Promise<Tree> {
  const taken = Date.now() / 1000
  const find = execa('find', [root, '-printf', FIELDS.map(f => `${f}\\0`).join('')], {
    encoding: 'buffer',
    buffer: { stdout: false },
    reject: false,
    env: { LC_ALL: 'C' },
    ...(options.signal && { cancelSignal: options.signal }),
  })
  // Taken apart while find goes on.
  const entries = new Map<string, Entry>()
  let rest = ''
  for await (const chunk of find.stdout as AsyncIterable<Buffer>) {
    const fields = (rest + chunk.toString('latin1')).split('\0')
    const whole = fields.length - 1 - ((fields.length - 1) % FIELDS.length)
    for (let at = 0; at < whole; at += FIELDS.length) {
      entries.set(fields[at] ?? '', new Entry(fields[at + 1] ?? '', fields[at + 2] ?? ''))
    }
    rest = fields.slice(whole).join('\0')
  }
  const { exitCode, stderr } = await find
  options.signal?.throwIfAborted()
  const said = Buffer.from(stderr).toString()
  if (exitCode !== 0 && !(options.changing && onlyVanished(said))) {
    throw new Failure('copy', `cannot read ${root}: ${said.trim() || `find ended with ${exitCode}`}`)
  }
  return { taken, entries }
}

/** What a file's entry says beside its content: mode and owners as numbers, mtime in seconds, to the nanosecond. */
export function attributesOf({ content }: Entry): { mode: number; owner: number; group: number; mtime: string } {
  const [, mode = '', owner, group, , mtime = ''] = content.split(' ')
  return { mode: Number.parseInt(mode, 8), owner: Number(owner), group: Number(group), mtime }
}

/** Whether all that find, cp or rsync complained of is entries that went away under their hands. */
export function onlyVanished(stderr: string): boolean {
  return stderr
    .trim()
    .split('\n')
    .every(line => line.endsWith('No such file or directory'))
}

/** What differs between two moments of a tree. */
export interface Changes {
  /** Paths that are there now and are new, or may have been touched. */
  readonly touched: string[]
  /** Of these, files that were files before, of the same inode or the only name of the old one: update them in place. */
  readonly inPlace: string[]
  /** Paths that must go from a copy of `before` first: gone, of another kind, or a name of another file now. */
  readonly obsolete: string[]
}

// A filesystem notes times in ticks, some in whole seconds: what was touched this shortly before it was looked at may
// have been touched again with no trace.
const TICK_SECONDS = 2

/** Compare two moments of a tree. `before` must have been read after a sync: see `flush`. */
export function changesSince(before: Tree, now: Tree): Changes {
  const touched: string[] = []
  const inPlace: string[] = []
  const obsolete: string[] = []
  for (const [path, entry] of now.entries) {
    const old = before.entries.get(path)
    if (!old) {
      touched.push(path)
      continue
    }
    const young = old.ctime >= before.taken - TICK_SECONDS
    if (!young && old.record === entry.record) continue
    touched.push(path)
    if (old.kind !== entry.kind || (old.inode !== entry.inode && old.links > 1 && entry.kind !== 'd')) {
      obsolete.push(path)
    } else if (entry.kind === 'f') inPlace.push(path)
  }
  for (const path of before.entries.keys()) if (!now.entries.has(path)) obsolete.push(path)
  return { touched, inPlace, obsolete }
}

/**
 * Where a copy differs from the tree it should be: paths that lack, that differ, or that are too many, each with what
 * is wrong.
 */
export function differences(wanted: Tree, copy: Tree): { extra: string[]; wrong: string[] } {
  const wrong: string[] = []
  for (const [path, entry] of wanted.entries) {
    const found = copy.entries.get(path)
    if (!found) wrong.push(`${path}: missing`)
    else if (found.content !== entry.content) wrong.push(`${path}: is "${found.content}", not "${entry.content}"`)
  }
  const extra = [...copy.entries.keys()].filter(path => !wanted.entries.has(path))
  return { extra, wrong }
}

/** What a copy of a tree, or of some of its paths, takes on a disk, in bytes: a file of several names once. */
export function treeBytes({ entries }: Tree, paths: Iterable<string> = entries.keys()): number {
  const seen = new Set<string>()
  let bytes = 0
  for (const path of paths) {
    const entry = entries.get(path)
    if (!entry) continue
    if (entry.links > 1 && entry.kind !== 'd') {
      if (seen.has(entry.inode)) continue
      seen.add(entry.inode)
    }
    bytes += entry.bytes
  }
  return bytes
}

/**
 * Write what a filesystem holds in memory to its disk. After it, the first write to a page that a program has mapped
 * into memory shows in the file's times again; before it, such writes may not.
 */
export async function flush(folder: string, signal?: AbortSignal): Promise<void> {
  await execa('sync', ['--file-system', folder], { ...(signal && { cancelSignal: signal }) })
}
