/**
 * The parts of an SQL dump as psql reads them; put together they are the dump again, to the byte. Texts hold one
 * character a byte (what Node calls latin1). Only `data` may be large; it comes in pieces.
 */
export type Part =
  | { kind: 'statement'; text: string }
  /** A line that begins with a backslash: `\connect`, `\restrict`. */
  | { kind: 'command'; text: string }
  /** What psql passes over: comments, blanks. */
  | { kind: 'comment'; text: string }
  /** From the line break after a COPY statement to the one after its `\.`. */
  | { kind: 'data'; bytes: Buffer }

const COPY_FROM_STDIN = /^COPY [\s\S]* FROM stdin;$/
const END_OF_DATA = Buffer.from('\n\\.\n')

/**
 * Cut an SQL dump into its parts. A word is taken for a statement only where psql would: never inside a string, a
 * comment, a function's body or a table's rows, whatever these hold.
 */
export async function* partsOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Part> {
  const cutter = new Cutter()
  let data: Buffer | undefined
  for await (const chunk of chunks) {
    if (data) data = data.length > 0 ? Buffer.concat([data, chunk]) : chunk
    else cutter.add(chunk)
    for (;;) {
      if (data) {
        const end = data.indexOf(END_OF_DATA)
        const to: number = end < 0 ? data.length - END_OF_DATA.length + 1 : end + END_OF_DATA.length
        if (to > 0) {
          yield { kind: 'data', bytes: data.subarray(0, to) }
          data = data.subarray(to)
        }
        if (end < 0) break
        cutter.add(data)
        data = undefined
      }
      const part = cutter.next()
      if (!part) break
      yield part
      if (part.kind === 'statement' && COPY_FROM_STDIN.test(part.text)) data = cutter.takeRest()
    }
  }
  if (data && data.length > 0) yield { kind: 'data', bytes: data }
  const rest = cutter.takeRest()
  if (rest.length > 0) yield { kind: 'comment', text: rest.toString('latin1') }
}

type Inside =
  | { what: 'code' | 'identifier' | 'line comment' | 'block comment' }
  | { what: 'string'; escapes: boolean }
  | { what: 'body'; tag: string }

/** Finds where each part ends in a text that comes in chunks. */
class Cutter {
  /** From the start of the part that is being read. */
  #text = ''
  /** How far that has been looked through. */
  #at = 0
  #inside: Inside = { what: 'code' }

  add(bytes: Buffer): void {
    this.#text += bytes.toString('latin1')
  }

  /** What has not been told as a part; it is then forgotten. */
  takeRest(): Buffer {
    const rest = Buffer.from(this.#text, 'latin1')
    this.#text = ''
    this.#at = 0
    this.#inside = { what: 'code' }
    return rest
  }

  /** The next part, or undefined when its end is not there yet. */
  next(): Part | undefined {
    if (this.#at === 0) {
      const blanks = /^\s+/.exec(this.#text)?.[0].length ?? 0
      if (blanks > 0) return { kind: 'comment', text: this.#cut(blanks) }
      const [first, second] = this.#text
      if (first === '\\') return this.#line('command')
      if (first === '-' && second === undefined) return undefined
      if (first === '-' && second === '-') return this.#line('comment')
    }
    while (this.#at < this.#text.length) {
      const before = this.#at
      if (this.#step()) return { kind: 'statement', text: this.#cut(this.#at) }
      if (this.#at === before) return undefined
    }
    return undefined
  }

  #cut(length: number): string {
    const part = this.#text.slice(0, length)
    this.#text = this.#text.slice(length)
    this.#at = 0
    return part
  }

  #line(kind: 'command' | 'comment'): Part | undefined {
    const end = this.#text.indexOf('\n')
    return end < 0 ? undefined : { kind, text: this.#cut(end + 1) }
  }

  /** Look on; the place stays where it is when more text is needed. @returns whether the statement is at its end */
  #step(): boolean {
    const inside = this.#inside
    switch (inside.what) {
      case 'code':
        return this.#code()
      case 'identifier':
        this.#leaveAt('"')
        return false
      case 'line comment':
        this.#leaveAt('\n')
        return false
      case 'block comment':
        this.#leaveAt('*/')
        return false
      case 'body':
        this.#leaveAt(inside.tag)
        return false
      case 'string':
        if (inside.escapes) this.#escapeString()
        else this.#leaveAt("'")
        return false
    }
  }

  /** A doubled quote ends a string and begins the next: for finding the end that is the same. */
  #leaveAt(end: string): void {
    const found = this.#text.indexOf(end, this.#at)
    if (found >= 0) {
      this.#at = found + end.length
      this.#inside = { what: 'code' }
    } else this.#at = Math.max(this.#at, this.#text.length - end.length + 1)
  }

  #escapeString(): void {
    const pattern = /\\[\s\S]|''|'(?=[^'])/g
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)
    if (!found) return
    this.#at = pattern.lastIndex
    if (found[0] === "'") this.#inside = { what: 'code' }
  }

  #code(): boolean {
    const pattern = /['";]|--|\/\*|\$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*)?\$/g
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)
    if (!found) {
      // A mark may be cut in two: a tag of 63 bytes at most.
      const cut = /(?:\$[\w\x80-\xff]{0,64}|-|\/)$/.exec(this.#text.slice(Math.max(this.#at, this.#text.length - 66)))
      this.#at = this.#text.length - (cut?.[0].length ?? 0)
      return false
    }
    const [mark] = found
    const before = this.#text[found.index - 1] ?? ' '
    this.#at = found.index + mark.length
    if (mark === ';') return true
    if (mark === "'") {
      const escapes = /[eE]/.test(before) && !/[\w$\x80-\xff]/.test(this.#text[found.index - 2] ?? ' ')
      this.#inside = { what: 'string', escapes }
    } else if (mark === '"') this.#inside = { what: 'identifier' }
    else if (mark === '--') this.#inside = { what: 'line comment' }
    else if (mark === '/*') this.#inside = { what: 'block comment' }
    else if (/[\w$\x80-\xff]/.test(before)) {
      // A dollar sign within a name.
      this.#at = found.index + 1
    } else this.#inside = { what: 'body', tag: mark }
    return false
  }
}
