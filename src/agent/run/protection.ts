import type { Store } from '../../store/client.ts'
import { unprotected } from '../../store/protection.ts'
import { Failure } from './outcome.ts'

/**
 * Require, before anything is sent, that a bucket protects its copies as `BACKUP_PROTECT` demands.
 *
 * @throws Failure unprotected
 */
export async function requireProtection(store: Store, bucket: string): Promise<void> {
  const problems = await unprotected(store, bucket)
  if (problems.length === 0) return
  throw new Failure(
    'unprotected',
    `${bucket} does not protect its copies: ${problems.join('; ')}. Nothing was sent. Next: its owner sets it up as docs/buckets.md says, or the system's \`protect\` is changed`,
  )
}
