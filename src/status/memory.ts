import { createHash } from 'node:crypto'
import { appendFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { StoredReceipt } from '../store/receipt.ts'

/** The folder of cached receipts: `$XDG_CACHE_HOME/fragalysis-backups/receipts`. */
export function memoryFolder(env: Readonly<Record<string, string | undefined>>): string {
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'fragalysis-backups', 'receipts')
}

/** A receipt as it was listed and read; its text is parsed only on demand. */
interface Entry {
  readonly etag: string
  readonly sha256: string
  readonly text: string
}

/**
 * A cache of the receipts of one folder. Receipts are never changed, so one that is listed with the same ETag need not
 * be read again; and receipts that have expired in the bucket are kept for the trends.
 *
 * A file of lines `key <tab> ETag <tab> SHA-256 <tab> receipt`, append-only: a line truncated by a kill is ignored, and
 * two processes may append the same one. If a line was replaced, the file is rewritten.
 */
export class Memory {
  readonly #file: string
  readonly #entries: Map<string, Entry>
  #added: [string, Entry][] = []
  #rewrite = false

  private constructor(file: string, entries: Map<string, Entry>) {
    this.#file = file
    this.#entries = entries
  }

  /** @param place identifies this folder of receipts: endpoint, bucket, prefix */
  static async open(folder: string, place: readonly string[]): Promise<Memory> {
    const file = join(folder, `${createHash('sha256').update(place.join('\n')).digest('hex').slice(0, 32)}.tsv`)
    const entries = new Map<string, Entry>()
    const text = await readFile(file, 'utf8').catch(() => '')
    for (let from = 0; ; ) {
      const end = text.indexOf('\n', from)
      if (end < 0) break
      const [key, etag, sha256] = text.slice(from, from + 400).split('\t', 3)
      if (key && etag && sha256) {
        entries.set(key, { etag, sha256, text: text.slice(from + key.length + etag.length + sha256.length + 3, end) })
      }
      from = end + 1
    }
    const memory = new Memory(file, entries)
    // A truncated line must not swallow the next one.
    memory.#rewrite = text !== '' && !text.endsWith('\n')
    return memory
  }

  get size(): number {
    return this.#entries.size
  }

  has(key: string, etag: string): boolean {
    return this.#entries.get(key)?.etag === etag
  }

  keys(): IterableIterator<string> {
    return this.#entries.keys()
  }

  get(key: string): StoredReceipt | undefined {
    const entry = this.#entries.get(key)
    return entry && { key, sha256: entry.sha256, receipt: JSON.parse(entry.text) as StoredReceipt['receipt'] }
  }

  add({ key, sha256, receipt }: StoredReceipt, etag: string): void {
    const entry = { etag, sha256, text: JSON.stringify(receipt) }
    if (this.#entries.has(key)) this.#rewrite = true
    this.#entries.set(key, entry)
    this.#added.push([key, entry])
  }

  /** Remove a receipt that has changed. */
  forget(key: string): void {
    if (this.#entries.delete(key)) this.#rewrite = true
  }

  /** Write what was added. A cache that cannot be written only costs time, so that is not an error. */
  async save(): Promise<void> {
    if (this.#added.length === 0 && !this.#rewrite) return
    const lines = ([key, { etag, sha256, text }]: [string, Entry]) => `${key}\t${etag}\t${sha256}\t${text}\n`
    try {
      await mkdir(join(this.#file, '..'), { recursive: true, mode: 0o700 })
      if (this.#rewrite) {
        const temporary = `${this.#file}.${process.pid}`
        await writeFile(temporary, [...this.#entries].map(lines).join(''), { mode: 0o600 })
        await rename(temporary, this.#file)
      } else await appendFile(this.#file, this.#added.map(lines).join(''), { mode: 0o600 })
      this.#added = []
      this.#rewrite = false
    } catch {
      // It is read again next time.
    }
  }
}
