import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { execa } from 'execa'
import type { Variables } from './environment.ts'
import { Failure } from './outcome.ts'

const SUFFIX = '.age'

/** The name of an encrypted copy, after that of its content. */
export function encryptedName(name: string): string {
  return name + SUFFIX
}

/** Whether the name is that of an encrypted copy. */
export function isEncrypted(name: string): boolean {
  return name.endsWith(SUFFIX)
}

/** The name of a copy's content: without the suffix of an encrypted one. */
export function contentName(name: string): string {
  return isEncrypted(name) ? name.slice(0, -SUFFIX.length) : name
}

/** The public age keys in `BACKUP_RECIPIENTS`, each of which opens a copy alone; none: copies are not encrypted. */
export function recipientsIn(variables: Variables): string[] {
  const recipients = (variables.optional('BACKUP_RECIPIENTS') ?? '').split(/[\s,]+/).filter(Boolean)
  // Not quoted, and never given to age, which would: it may be a private key.
  const wrong = recipients.findIndex(recipient => !recipient.startsWith('age1'))
  if (wrong >= 0) variables.problem(`BACKUP_RECIPIENTS: number ${wrong + 1} is no public age key, age1…`)
  return recipients
}

/** The private age keys in `BACKUP_IDENTITY`, which only restores and drills of encrypted copies need. */
export function identityIn(variables: Variables): string | undefined {
  return variables.optional('BACKUP_IDENTITY')
}

/** What a receipt says of an encrypted copy in its `details`; nothing of another. */
export function encryptionDetails(recipients: readonly string[]): { recipients?: string[] } {
  return recipients.length > 0 ? { recipients: [...recipients] } : {}
}

/** The version of age, for the receipt of an encrypted copy. */
export async function ageVersion(recipients: readonly string[]): Promise<{ age?: string }> {
  return recipients.length > 0 ? { age: (await execa('age', ['--version'])).stdout } : {}
}

/** The arguments with which age encrypts to every recipient. */
function encryptTo(recipients: readonly string[]): string[] {
  return ['--encrypt', ...recipients.flatMap(recipient => ['--recipient', recipient])]
}

/**
 * Encrypt a text or a file to every recipient.
 *
 * @throws Failure environment with age's message, for example if a recipient is none; volume if the disk is full
 */
export async function encryptToFile(
  content: { readonly text: string } | { readonly file: string },
  recipients: readonly string[],
  target: string,
  stop: AbortSignal,
): Promise<void> {
  const { failed, stderr } = await execa('age', [...encryptTo(recipients), '--output', target], {
    ...('text' in content ? { input: content.text } : { inputFile: content.file }),
    cancelSignal: stop,
    reject: false,
  })
  stop.throwIfAborted()
  if (!failed) return
  const why = stderr || 'it cannot be run'
  if (/no space left|quota exceeded/i.test(why)) throw new Failure('volume', `${target} cannot be written: ${why}`)
  throw new Failure('environment', `age could not encrypt to BACKUP_RECIPIENTS: ${why}`)
}

/**
 * Encrypt a content as it streams by.
 *
 * @throws Error with age's message
 */
export async function* encrypted(
  content: AsyncIterable<Buffer>,
  recipients: readonly string[],
): AsyncGenerator<Buffer> {
  yield* through(spawn('age', encryptTo(recipients), { stdio: 'pipe' }), content, why => new Error(`age: ${why}`))
}

/** How large an encrypted content is, within some hundred bytes: a header, and 16 bytes for each 64 KiB. */
export function encryptedSize(bytes: number, recipients: readonly string[]): number {
  return bytes + 16 * Math.ceil(bytes / 65_536) + 200 * (recipients.length + 1)
}

/** Tells whether two contents are encrypted to the same recipients; not who they are. */
export function recipientsMark(recipients: readonly string[]): string {
  return createHash('sha256')
    .update([...recipients].sort().join(' '))
    .digest('hex')
    .slice(0, 16)
}

/**
 * Check that an encrypted copy comes with a private key.
 *
 * @throws Failure environment
 */
export function requireIdentity(name: string, identity: string | undefined): void {
  if (isEncrypted(name)) requireKey(name, identity)
}

/** @throws Failure environment if there is no private key */
export function requireKey(name: string, identity: string | undefined): void {
  if (identity) return
  throw new Failure(
    'environment',
    `${name} is encrypted, and BACKUP_IDENTITY is not set: nothing was changed. Set it to the private age key (AGE-SECRET-KEY-…) of one of its recipients`,
  )
}

// The key goes through a pipe: it is in no file and on no command line.
const OPEN = `exec age --decrypt --identity <(printf '%s\\n' "$BACKUP_IDENTITY")`

/** Whether the input could not be written because age had ended by itself with a code. */
function endedEarly(error: unknown, code: number | null): boolean {
  const { code: why } = error as NodeJS.ErrnoException
  return why === 'EPIPE' || (why === 'ERR_STREAM_PREMATURE_CLOSE' && code !== null && code !== 0)
}

/**
 * Decrypt the content of the object `name` as it streams by. What it yields is authentic, but only its end without an
 * error says that it was all of it.
 *
 * @throws Failure restore if none of the keys opens it; Error with age's message if it is damaged
 */
export async function* decrypted(
  name: string,
  content: AsyncIterable<Buffer>,
  identity: string | undefined,
): AsyncGenerator<Buffer> {
  requireKey(name, identity)
  // With a socket as its input, which Node's pipes are, bash would read ~/.bashrc.
  const age = spawn('bash', ['--norc', '-c', OPEN], {
    env: { PATH: process.env.PATH, BACKUP_IDENTITY: identity?.trim() },
    stdio: 'pipe',
  })
  yield* through(age, content, why => {
    // Not in age's words, which could quote the key.
    const cause = why.includes('/dev/fd/')
      ? 'it is no private age key, AGE-SECRET-KEY-…'
      : why.includes('no identity matched') && 'it is the key of none of its recipients'
    if (!cause) return new Error(why.replace(/^age: (error: )?/, ''))
    return new Failure(
      'restore',
      `${name} does not open with BACKUP_IDENTITY: ${cause}. Nothing was changed; the receipt of the copy names its recipients`,
    )
  })
}

/** What a program makes of a content. @throws what `failed` makes of the first line that it said, if it fails */
async function* through(
  age: ChildProcessWithoutNullStreams,
  content: AsyncIterable<Buffer>,
  failed: (why: string) => Error,
): AsyncGenerator<Buffer> {
  const said = text(age.stderr)
  const ended = once(age, 'close')
  // If age ends early, its own message is the cause.
  let unread: unknown
  const fed = pipeline(content, age.stdin).catch(error => {
    unread = error
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') age.kill()
  })
  try {
    yield* age.stdout as AsyncIterable<Buffer>
    const [code] = await ended
    await fed
    if (unread && !endedEarly(unread, code)) throw unread
    if (code !== 0) throw failed((await said).trim().split('\n')[0] ?? '')
  } finally {
    age.kill()
  }
}
