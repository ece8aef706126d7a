import { createHash, createHmac, pbkdf2Sync, timingSafeEqual } from 'node:crypto'

/** Whether a verifier, as PostgreSQL stores it (SCRAM-SHA-256 or MD5), matches a user's password. */
export function verifies(verifier: string, user: string, password: string): boolean {
  const scram = /^SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)$/.exec(verifier)
  if (!scram)
    return (
      verifier ===
      `md5${createHash('md5')
        .update(password + user)
        .digest('hex')}`
    )
  const [, iterations = '', salt = '', stored = ''] = scram
  // RFC 5802.
  const salted = pbkdf2Sync(password.normalize('NFKC'), Buffer.from(salt, 'base64'), Number(iterations), 32, 'sha256')
  const clientKey = createHmac('sha256', salted).update('Client Key').digest()
  const expected = createHash('sha256').update(clientKey).digest()
  const given = Buffer.from(stored, 'base64')
  return given.length === expected.length && timingSafeEqual(given, expected)
}
