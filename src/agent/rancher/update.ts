import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { execa } from 'execa'
import { inParallel } from '../../store/parallel.ts'
import { attributesOf, stagingFull, type Tree } from './tree.ts'

// Files compared at once, and concurrent reads of each: as many as libuv does at once.
const AT_ONCE = 4
// Bytes read at once: small enough to be still in the processor's cache when they are compared.
const CHUNK = 1024 * 1024
// The unit that is compared again and kept if a chunk differs: etcd's pages are 4 KiB.
const BLOCK = 64 * 1024
const PAGE = 4 * 1024
// The most bytes held in memory; the rest is written at once.
const HELD_BYTES = 64 * 1024 * 1024

// It is no longer a file on one side, or is gone: the comparison of the trees shows what it is now.
const OTHER_NOW = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP'])

const NO_ROOM = new Set(['ENOSPC', 'EDQUOT'])

/** For each concurrent read of a file a buffer for its source and one for its copy. */
type Room = readonly (readonly [Buffer, Buffer])[]

function newRoom(): Room {
  return Array.from({ length: AT_ONCE }, () => [Buffer.allocUnsafe(CHUNK), Buffer.allocUnsafe(CHUNK)] as const)
}

function* takenFrom(queue: string[]): Generator<string> {
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) yield path
}

interface Page {
  readonly at: number
  readonly bytes: Buffer
}

/**
 * Updates files of a copy from their source in two parts: `compare` reads, while the source must not change; `write`
 * writes what it found, when the source may change again.
 */
export class Update {
  readonly #source: string
  readonly #target: string
  readonly #found = new Map<string, Page[]>()
  #heldBytes = 0

  constructor(source: string, target: string) {
    this.#source = source
    this.#target = target
  }

  has(path: string): boolean {
    return this.#found.has(path)
  }

  /**
   * Find what differs, page by page.
   *
   * @param queue paths of files, taken from its end; emptying it ends the work after the current files
   * @throws Failure volume if the disk is full
   */
  async compare(queue: string[], signal?: AbortSignal): Promise<void> {
    // Allocated once for many files: each is 8 MiB.
    const rooms = Array.from({ length: Math.min(AT_ONCE, queue.length) }, newRoom)
    await inParallel(takenFrom(queue), rooms.length, async path => {
      const pages: Page[] = []
      this.#found.set(path, pages)
      const room = rooms.pop() ?? newRoom()
      await unlessOther(() => this.#compareFile(path, pages, room, signal))
      rooms.push(room)
    })
  }

  async #compareFile(path: string, pages: Page[], room: Room, signal: AbortSignal | undefined): Promise<void> {
    // It may be a pipe now: do not block on it.
    const { O_RDONLY, O_RDWR, O_NOFOLLOW, O_NONBLOCK } = constants
    await using from = await open(within(this.#source, path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    await using to = await open(within(this.#target, path), O_RDWR | O_NOFOLLOW | O_NONBLOCK)
    const { size } = await from.stat()
    // Truncating to the same size would still change the time of an unchanged file.
    if ((await to.stat()).size !== size) await to.truncate(size)
    let next = 0
    const reader = async ([wanted, found]: readonly [Buffer, Buffer]) => {
      for (let at = next; at < size; at = next) {
        next += CHUNK
        signal?.throwIfAborted()
        const [a, b] = await Promise.all([from.read(wanted, 0, CHUNK, at), to.read(found, 0, CHUNK, at)])
        for (const [start, end] of differing(wanted.subarray(0, a.bytesRead), found.subarray(0, b.bytesRead))) {
          const bytes = wanted.subarray(start, end)
          if (this.#heldBytes < HELD_BYTES) {
            this.#heldBytes += bytes.length
            pages.push({ at: at + start, bytes: Buffer.from(bytes) })
          } else {
            await to.write(bytes, 0, bytes.length, at + start)
          }
        }
      }
    }
    await Promise.all(room.map(reader))
  }

  /**
   * Write what `compare` found, and give each file the owner, mode and time that it has in a tree.
   *
   * @param tree of the source, read at the time of the comparison
   * @param touched paths of the tree that may have changed; the others need nothing if no page differed
   * @throws Failure volume if the disk is full
   */
  async write(tree: Tree, touched: ReadonlySet<string>, signal?: AbortSignal): Promise<void> {
    for (const [path, pages] of this.#found) {
      signal?.throwIfAborted()
      const entry = tree.entries.get(path)
      if (entry?.kind !== 'f' || (pages.length === 0 && !touched.has(path))) continue
      const file = within(this.#target, path)
      const { mode, owner, group, mtime } = attributesOf(entry)
      await unlessOther(async () => {
        await using to = await open(file, constants.O_WRONLY | constants.O_NOFOLLOW)
        for (const { at, bytes } of pages) await to.write(bytes, 0, bytes.length, at)
        await to.chown(owner, group)
        await to.chmod(mode)
      })
      // Node's utimes has no nanoseconds, and the name may not be UTF-8, which an argument cannot hold but an input can.
      await execa('xargs', ['--null', 'touch', '--no-create', '--no-dereference', `--date=@${mtime}`, '--'], {
        input: file,
      })
    }
  }
}

async function unlessOther(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException
    if (NO_ROOM.has(code)) throw stagingFull(message)
    if (!OTHER_NOW.has(code)) throw error
  }
}

/** The wanted pages that differ from those found. */
function* differing(wanted: Buffer, found: Buffer): Generator<readonly [start: number, end: number]> {
  const same = (start: number, end: number) =>
    end <= found.length && wanted.compare(found, start, end, start, end) === 0
  for (let block = 0; block < wanted.length; block += BLOCK) {
    const blockEnd = Math.min(block + BLOCK, wanted.length)
    if (same(block, blockEnd)) continue
    for (let page = block; page < blockEnd; page += PAGE) {
      const pageEnd = Math.min(page + PAGE, blockEnd)
      if (!same(page, pageEnd)) yield [page, pageEnd]
    }
  }
}

/** A path below a folder, as the bytes of its name. */
export function within(folder: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(path, 'latin1')])
}
