/**
 * The parts of an SQL dump as psql reads them; concatenated they are the dump, byte for byte. Texts hold one character
 * a byte (Node's latin1). Only `rows` may be large; they come in pieces.
 */
export type Part =
  | { type: 'statement'; text: string }
  /** A line that begins with a backslash: `\connect`, `\restrict`. */
  | { type: 'command'; text: string }
  /** What psql ignores: comments, blanks, the end marker of a table's rows. */
  | { type: 'comment'; text: string }
  /** Of the table named by the COPY statement before; each row ends with a line break. */
  | { type: 'rows'; bytes: Buffer }
  /** The `\.` after the rows. */
  | { type: 'end of rows'; text: string }

const COPY_FROM_STDIN = /^COPY [\s\S]* FROM stdin;$/
const STANDARD_STRINGS = /^SET standard_conforming_strings = (on|off);$/
const END_OF_ROWS = '\\.\n'

/**
 * Split an SQL dump into its parts.
 * @see SqlCutter
 */
export async function* partsOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Part> {
  const cutter = new SqlCutter()
  for await (const chunk of chunks) yield* cutter.parts(chunk)
  yield* cutter.end()
}

type Inside =
  | { what: 'code' | 'identifier' | 'line comment' | 'block comment' }
  | { what: 'string'; escapes: boolean }
  | { what: 'body'; tag: string }

/**
 * Splits an SQL dump that arrives in chunks into its parts. Text counts as a statement only where it would in psql:
 * never inside a string, a comment, a function's body or a table's rows, whatever these hold. A semicolon in
 * parentheses, as in a rule's list of actions, or between the BEGIN and END of a function's body does not end a
 * statement.
 */
export class SqlCutter {
  /** From the start of the current part. */
  #text = ''
  /** How far it has been scanned. */
  #at = 0
  #inside: Inside = { what: 'code' }
  #parentheses = 0
  #blocks = 0
  /** The statement's first words, in lower case, enough to tell whether it creates a function. */
  #words: string[] = []
  #plainStringsEscape = false
  /** Rows not yet emitted; undefined outside of rows. */
  #rows: Buffer | undefined
  #atLineStart = false
  /** The remaining rows do not begin at the start of a line. */
  #midLine = false

  #beginRows(): Part[] {
    const lineEnd = this.#text.indexOf('\n')
    const first = lineEnd < 0 ? this.#text.length : lineEnd + 1
    const text = this.#cut(first)
    this.#rows = Buffer.from(this.#text, 'latin1')
    this.#text = ''
    // The line break of the COPY statement itself may be in the next chunk.
    this.#atLineStart = lineEnd >= 0
    return text === '' ? [] : [{ type: 'comment', text }]
  }

  /**
   * Read a chunk. The parts must be consumed before the chunk's memory is reused.
   * @returns the parts that end in this chunk
   */
  *parts(chunk: Buffer): Generator<Part> {
    let unread: Buffer | undefined = chunk
    for (;;) {
      if (this.#rows) {
        if (unread) this.#rows = this.#rows.length > 0 ? Buffer.concat([this.#rows, unread]) : unread
        unread = undefined
        yield* this.#someRows()
        if (this.#rows) {
          this.#rows = Buffer.from(this.#rows)
          return
        }
      }
      if (unread) this.#text += unread.toString('latin1')
      unread = undefined
      const part = this.#next()
      if (!part) return
      yield part
      if (part.type !== 'statement') continue
      const standard = STANDARD_STRINGS.exec(part.text)?.[1]
      if (standard) this.#plainStringsEscape = standard === 'off'
      if (COPY_FROM_STDIN.test(part.text)) yield* this.#beginRows()
    }
  }

  /** The last part of the dump. */
  *end(): Generator<Part> {
    if (this.#rows && this.#rows.length > 0) yield { type: 'rows', bytes: this.#rows }
    if (this.#text !== '') yield { type: 'comment', text: this.#text }
    this.#rows = undefined
    this.#text = ''
  }

  *#someRows(): Generator<Part> {
    let rows = this.#rows ?? Buffer.alloc(0)
    if (!this.#atLineStart) {
      if (rows.length === 0) return
      // psql reads rows from the line after the statement.
      const lineEnd = rows.indexOf(0x0a)
      if (lineEnd < 0) return
      yield { type: 'comment', text: rows.toString('latin1', 0, lineEnd + 1) }
      rows = rows.subarray(lineEnd + 1)
      this.#rows = rows
      this.#atLineStart = true
    }
    if (rows.length < END_OF_ROWS.length) return
    // Between pieces the rest always begins at a line start, or less than an end marker before its own end.
    const start = this.#midLine ? -1 : rows.subarray(0, END_OF_ROWS.length).equals(END_MARK) ? 0 : -1
    const found = start === 0 ? 0 : rows.indexOf(LINE_AND_END_MARK)
    if (found < 0) {
      const to = rows.length - END_OF_ROWS.length
      if (to > 0) {
        yield { type: 'rows', bytes: rows.subarray(0, to) }
        this.#midLine = rows[to - 1] !== 0x0a
        this.#rows = rows.subarray(to)
      }
      return
    }
    const to = start === 0 ? 0 : found + 1
    if (to > 0) yield { type: 'rows', bytes: rows.subarray(0, to) }
    this.#midLine = false
    yield { type: 'end of rows', text: END_OF_ROWS }
    this.#text = rows.toString('latin1', to + END_OF_ROWS.length)
    this.#at = 0
    this.#rows = undefined
  }

  #next(): Part | undefined {
    if (this.#at === 0) {
      const blanks = /^\s+/.exec(this.#text)?.[0].length ?? 0
      if (blanks > 0) return { type: 'comment', text: this.#cut(blanks) }
      const [first, second] = this.#text
      if (first === '\\') return this.#line('command')
      if (first === '-' && second === undefined) return undefined
      if (first === '-' && second === '-') return this.#line('comment')
    }
    while (this.#at < this.#text.length) {
      const before = this.#at
      if (this.#step()) return { type: 'statement', text: this.#cut(this.#at) }
      if (this.#at === before) return undefined
    }
    return undefined
  }

  #cut(length: number): string {
    const part = this.#text.slice(0, length)
    this.#text = this.#text.slice(length)
    this.#at = 0
    this.#parentheses = 0
    this.#blocks = 0
    this.#words = []
    return part
  }

  #line(type: 'command' | 'comment'): Part | undefined {
    const end = this.#text.indexOf('\n')
    return end < 0 ? undefined : { type, text: this.#cut(end + 1) }
  }

  /**
   * Scan on; the position does not move if more text is needed.
   * @returns whether the statement has ended
   */
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

  /** A doubled quote ends a string and begins the next, which makes no difference for finding the end. */
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
    const pattern =
      /[eE]'|['";()]|--|\/\*|\$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*)?\$|\$?[A-Za-z_\x80-\xff][\w$\x80-\xff]*/g
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)
    if (!found) {
      const cut = /[$/-]$/.exec(this.#text.slice(this.#at))
      this.#at = this.#text.length - (cut?.[0].length ?? 0)
      return false
    }
    const [mark] = found
    const end = found.index + mark.length
    const word = /^\$?[A-Za-z_\x80-\xff]/.test(mark) && !/'$|^\$.*\$$/.test(mark)
    if (word && end === this.#text.length) {
      // It may continue in the next chunk.
      this.#at = found.index
      return false
    }
    this.#at = end
    if (word) this.#word(mark.toLowerCase())
    else if (mark === '(') this.#parentheses += 1
    else if (mark === ')') this.#parentheses = Math.max(0, this.#parentheses - 1)
    else if (mark === ';') return this.#parentheses === 0 && this.#blocks === 0
    else if (mark === "'") this.#inside = { what: 'string', escapes: this.#plainStringsEscape }
    else if (mark.endsWith("'")) this.#inside = { what: 'string', escapes: true }
    else if (mark === '"') this.#inside = { what: 'identifier' }
    else if (mark === '--') this.#inside = { what: 'line comment' }
    else if (mark === '/*') this.#inside = { what: 'block comment' }
    else this.#inside = { what: 'body', tag: mark }
    return false
  }

  /** psql's own rule for bodies in standard SQL: `CREATE [OR REPLACE] {FUNCTION|PROCEDURE} … BEGIN … END`. */
  #word(word: string): void {
    if (this.#words.length < 4) this.#words.push(word)
    if (this.#parentheses > 0 || !/^create (?:or replace )?(?:function|procedure)\b/.test(this.#words.join(' '))) return
    if (word === 'begin') this.#blocks += 1
    else if (word === 'case' && this.#blocks > 0) this.#blocks += 1
    else if (word === 'end' && this.#blocks > 0) this.#blocks -= 1
  }
}

const END_MARK = Buffer.from(END_OF_ROWS)
const LINE_AND_END_MARK = Buffer.from(`\n${END_OF_ROWS}`)
