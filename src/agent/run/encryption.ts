import { spawn } from 'node:child_process'
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
  return (variables.optional('BACKUP_RECIPIENTS') ?? '').split(/[\s,]+/).filter(Boolean)
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
  const to = recipients.flatMap(recipient => ['--recipient', recipient])
  const { failed, stderr } = await execa('age', ['--encrypt', ...to, '--output', target], {
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
 * Check that an encrypted copy comes with a private key.
 *
 * @throws Failure environment
 */
export function requireIdentity(name: string, identity: string | undefined): void {
  if (!isEncrypted(name) || identity) return
  throw new Failure(
    'environment',
    `${name} is encrypted, and BACKUP_IDENTITY is not set: nothing was changed. Set it to the private age key (AGE-SECRET-KEY-…) of one of its recipients`,
  )
}

// The key goes through a pipe: it is in no file and on no command line.
const OPEN = `exec age --decrypt --identity <(printf '%s\\n' "$BACKUP_IDENTITY")`

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
  requireIdentity(name, identity)
  // With a socket as its input, which Node's pipes are, bash would read ~/.bashrc.
  const age = spawn('bash', ['--norc', '-c', OPEN], {
    env: { PATH: process.env.PATH, BACKUP_IDENTITY: identity?.trim() },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
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
    if (unread && (unread as NodeJS.ErrnoException).code !== 'EPIPE') throw unread
    if (code === 0) return
    const why = (await said).trim().split('\n')[0] ?? ''
    // Not in age's words, which could quote the key.
    const cause = why.includes('/dev/fd/')
      ? 'it is no private age key, AGE-SECRET-KEY-…'
      : why.includes('no identity matched') && 'it is the key of none of its recipients'
    if (!cause) throw new Error(why.replace(/^age: (error: )?/, ''))
    throw new Failure(
      'restore',
      `${name} does not open with BACKUP_IDENTITY: ${cause}. Nothing was changed; the receipt of the copy names its recipients`,
    )
  } finally {
    age.kill()
  }
}
