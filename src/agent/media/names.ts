// File names are bytes; keys are text. Inside the agent a path is a "raw" string with one character a byte (Node's
// latin1), so any name can be held, compared and converted back to its bytes. Keys are encoded as rclone does it: UTF-8
// unchanged, and each invalid byte as U+201B with two hex digits. So a bucket filled by rclone has the same keys, and
// `rclone copy` restores the same names.

const QUOTE = '\u201b'
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const PLAIN = /^[^\u0080-\uffff]*$/

/** The key of a raw path. No two paths have the same key. */
export function keyOf(raw: string): string {
  if (PLAIN.test(raw)) return raw
  const bytes = Buffer.from(raw, 'latin1')
  try {
    // A quote in the name that looks like the start of an encoded byte is doubled.
    return utf8.decode(bytes).replace(/\u201b(?=[0-9A-F]{2})/g, QUOTE + QUOTE)
  } catch {
    return encodeInvalid(bytes)
  }
}

/** The raw path of a key. */
export function rawOf(key: string): string {
  if (PLAIN.test(key)) return key
  const parts: Buffer[] = []
  let from = 0
  for (const match of key.matchAll(/\u201b(\u201b?)([0-9A-F]{2})/g)) {
    const [all, doubled, hex = ''] = match
    parts.push(Buffer.from(key.slice(from, match.index), 'utf8'))
    parts.push(doubled ? Buffer.from(QUOTE + hex, 'utf8') : Buffer.from(hex, 'hex'))
    from = match.index + all.length
  }
  parts.push(Buffer.from(key.slice(from), 'utf8'))
  return Buffer.concat(parts).toString('latin1')
}

/** A raw path for messages: its key, with control and invisible characters escaped. */
export function shown(raw: string): string {
  return JSON.stringify(keyOf(raw)).slice(1, -1).replaceAll('\\"', '"')
}

/** The bytes of a raw path, to open it. */
export function bytesOf(raw: string): Buffer {
  return Buffer.from(raw, 'latin1')
}

function encodeInvalid(bytes: Buffer): string {
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at)
    const character = bytes.toString('utf8', at, at + length)
    // A quote that is part of the name is encoded too, or it would be read as the quote of the byte after it.
    if (length > 0 && character !== QUOTE) text += character
    else for (const byte of bytes.subarray(at, at + Math.max(1, length))) text += encodedByte(byte)
    at += Math.max(1, length)
  }
  return text
}

function encodedByte(byte: number): string {
  return QUOTE + byte.toString(16).toUpperCase().padStart(2, '0')
}

/** Length in bytes of the well-formed UTF-8 character at an offset, or 0. */
function sequenceLength(bytes: Buffer, at: number): number {
  const first = bytes[at] ?? 0
  const length = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0
  if (length === 0 || at + length > bytes.length) return 0
  try {
    utf8.decode(bytes.subarray(at, at + length))
    return length
  } catch {
    return 0
  }
}

/** Compare raw paths in walk order: a folder's content directly follows it, names are ordered by their bytes. */
export function inWalkOrder(a: string, b: string): number {
  if (a === b) return 0
  const length = Math.min(a.length, b.length)
  for (let at = 0; at < length; at += 1) {
    const x = a.charCodeAt(at)
    const y = b.charCodeAt(at)
    if (x !== y) return (x === 0x2f ? -1 : x) - (y === 0x2f ? -1 : y)
  }
  return a.length - b.length
}
