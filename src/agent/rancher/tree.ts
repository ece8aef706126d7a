import { execa } from 'execa'
import { Failure } from '../run/outcome.ts'

/**
 * One entry of a tree, as find(1) prints it. Fields are parsed only when needed: while Rancher is stopped, `record`
 * alone shows that all but a few of a hundred thousand entries are unchanged.
 */
export class Entry {
  /** All of `RECORD`: if equal at two moments, the entry was not touched, as far as a file system can tell. */
  readonly record: string
  readonly #blocks: string
  // Needed before the stop, and again after it.
  #ctime: number | undefined

  /** @param blocks of 512 bytes; not part of the record, because a file system allocates them after the file was written */
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

  /** What a copy must match: type, mode, owner, group, and unless it is a folder its size, mtime and link target. */
  get content(): string {
    return CONTENT.exec(this.record)?.[1] ?? ''
  }

  /** Disk usage; every name of a file with several names reports all of it. */
  get bytes(): number {
    return Number(this.#blocks) * 512
  }
}

/** A tree at a moment. Paths are relative to its root (itself ''), as bytes in Latin-1, so that every name is preserved. */
export interface Tree {
  /** Seconds since 1970, from before the first entry was read. */
  readonly taken: number
  readonly entries: ReadonlyMap<string, Entry>
}

const RECORD = '%C@ %i %n %y %m %U %G %s %T@ %l'
const CONTENT = /^\S+ \S+ \S+ (d \S+ \S+ \S+|[^d].*)/s
const FIELDS = ['%P', RECORD, '%b']

/**
 * Read a whole tree. find(1) reads a hundred thousand entries in some tenths of a second, which counts while Rancher is stopped.
 *
 * @param options.changing entries may vanish while it reads; otherwise that is an error
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
  // Parse while find is running.
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
    throw new Failure('copy', `cannot read ${root}: ${said.trim() || `find exited with ${exitCode}`}`)
  }
  return { taken, entries }
}

/** A file's metadata: mode and owners as numbers, mtime in seconds, to the nanosecond. */
export function attributesOf({ content }: Entry): { mode: number; owner: number; group: number; mtime: string } {
  const [, mode = '', owner, group, , mtime = ''] = content.split(' ')
  return { mode: Number.parseInt(mode, 8), owner: Number(owner), group: Number(group), mtime }
}

/** Whether find, cp or rsync complained only of entries that vanished while they worked. */
export function onlyVanished(stderr: string): boolean {
  return stderr
    .trim()
    .split('\n')
    .every(line => line.endsWith('No such file or directory'))
}

/** What differs between two moments of a tree. */
export interface Changes {
  /** Paths that exist now and are new or may have been touched. */
  readonly touched: string[]
  /** Those of them that were files before, with the same inode or as the only name of the old one: update in place. */
  readonly inPlace: string[]
  /** Paths to delete from a copy of `before` first: deleted, of another type, or now a name of another file. */
  readonly obsolete: string[]
}

// File systems record times in ticks, some in whole seconds: an entry touched this shortly before it was read may have
// been touched again without a trace.
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
 * Where a copy differs from the tree it should be: paths that are missing, different or extra, each with what is
 * wrong.
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

/** Disk usage of a copy of a tree, or of some of its paths, in bytes; a file with several names counts once. */
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
 * Sync a file system to its disk. Afterwards, the first write to a page that a program has mapped
 * into memory shows in the file's times again; before it, such writes may not.
 */
export async function flush(folder: string, signal?: AbortSignal): Promise<void> {
  await execa('sync', ['--file-system', folder], { ...(signal && { cancelSignal: signal }) })
}

// How many lines of a program's output a message contains.
const LINES = 5

/** A copying program's failure: a full disk is a kind of its own, because it needs another remedy. */
export function programFailure(program: string, exitCode: number | undefined, stderr: string): Failure {
  const said = `${program} ended with ${exitCode ?? 'a signal'}: ${stderr.trim().split('\n').slice(-LINES).join('; ')}`
  return /No space left on device|Disk quota exceeded/.test(stderr) ? stagingFull(said) : new Failure('copy', said)
}

/** The staging folder is full. */
export function stagingFull(said: string): Failure {
  return new Failure('volume', `the staging folder is full: ${said}. Free some space there, and run again`)
}
