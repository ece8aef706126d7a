import { createHash, randomUUID } from 'node:crypto'
import {
  DeleteObjectCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketVersioningCommand,
  GetObjectLockConfigurationCommand,
  HeadObjectCommand,
  type LifecycleRule,
  PutBucketLifecycleConfigurationCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectRetentionCommand,
} from '@aws-sdk/client-s3'
import { statusOf } from './call.ts'
import type { Store } from './client.ts'
import { inParallel } from './parallel.ts'

/**
 * What the bucket of a protected system lacks, a sentence each; empty if it is as `store.protection` demands, or nothing
 * is demanded. Two requests that change nothing.
 */
export async function unprotected(store: Store, bucket: string): Promise<string[]> {
  const { protection } = store
  if (!protection) return []
  const { Status } = await store.s3.send(new GetBucketVersioningCommand({ Bucket: bucket }))
  const problems: string[] = []
  if (Status !== 'Enabled') {
    problems.push(`its versioning is ${Status === 'Suspended' ? 'suspended' : 'off'}, so a deleted copy is gone`)
  }
  if (protection.mode === 'lock' && !(await hasLock(store, bucket))) {
    problems.push('its object lock is off, so nothing can be locked; most stores lock new buckets only')
  }
  return problems
}

async function hasLock(store: Store, bucket: string): Promise<boolean> {
  try {
    const answer = await store.s3.send(new GetObjectLockConfigurationCommand({ Bucket: bucket }))
    return answer.ObjectLockConfiguration?.ObjectLockEnabled === 'Enabled'
  } catch (error) {
    const status = statusOf(error)
    // radosgw answers 409 InvalidBucketState or 404 for a bucket without object lock.
    if (status === 404 || status === 409 || status === 400) return false
    throw error
  }
}

/**
 * What the store's own key may do against the protection of a bucket, and what becomes of versions there, a sentence
 * each. Asked by requests that the store refuses or that can change nothing: each names a version that does not exist,
 * or has a body that is not valid, and a key without the right is refused before the body is read.
 */
export async function weaknesses(store: Store, bucket: string): Promise<string[]> {
  const { protection } = store
  if (!protection) return []
  const rules = await lifecycleOf(store, bucket)
  if (protection.mode === 'lock') return rules
  const rights = await Promise.all(
    Object.entries(forbidden).map(async ([what, ask]) => ((await refused(() => ask(store, bucket))) ? [] : [what])),
  )
  return [...rights.flat().map(what => `the agent's key may ${what}: a stolen key can remove every version`), ...rules]
}

/** A version that no object has: a valid one would be needed to remove anything. */
const noVersion = 'A'.repeat(32)

// Locks hold against all of these; with versioning alone each of them undoes the protection.
const forbidden: Readonly<Record<string, (store: Store, bucket: string) => Promise<unknown>>> = {
  'delete versions (s3:DeleteObjectVersion)': ({ s3 }, Bucket) =>
    s3.send(new DeleteObjectCommand({ Bucket, Key: `.no-such-object-${randomUUID()}`, VersionId: noVersion })),
  'change the versioning (s3:PutBucketVersioning)': ({ s3 }, Bucket) =>
    s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Invalid' as 'Enabled' } })),
  'change the lifecycle (s3:PutLifecycleConfiguration)': ({ s3 }, Bucket) =>
    s3.send(
      new PutBucketLifecycleConfigurationCommand({
        Bucket,
        LifecycleConfiguration: { Rules: [{ Status: 'Invalid' as 'Enabled', ID: 'invalid' }] },
      }),
    ),
  'change the policy (s3:PutBucketPolicy)': ({ s3 }, Bucket) =>
    s3.send(new PutBucketPolicyCommand({ Bucket, Policy: '{"Version":"invalid"}' })),
}

async function refused(ask: () => Promise<unknown>): Promise<boolean> {
  try {
    await ask()
    return false
  } catch (error) {
    const status = statusOf(error)
    if (status === undefined || status >= 500) throw error
    return status === 401 || status === 403
  }
}

/** What is wrong with how long a bucket keeps versions that are no longer current. */
async function lifecycleOf(store: Store, bucket: string): Promise<string[]> {
  const days = store.protection?.days ?? 0
  const rules = await lifecycleRules(store, bucket)
  const kept = rules.flatMap(rule => rule.NoncurrentVersionExpiration?.NoncurrentDays ?? [])
  if (kept.length === 0) {
    return [`no lifecycle rule expires its noncurrent versions, so its size never decreases; ${days} days are wanted`]
  }
  const shortest = Math.min(...kept)
  if (shortest >= days) return []
  return [`a lifecycle rule removes noncurrent versions after ${shortest} days; the config keeps them for ${days}`]
}

/** The enabled rules of a bucket's lifecycle. */
async function lifecycleRules(store: Store, bucket: string): Promise<LifecycleRule[]> {
  try {
    const { Rules = [] } = await store.s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket: bucket }))
    return Rules.filter(rule => rule.Status === 'Enabled')
  } catch (error) {
    if (statusOf(error) === 404) return []
    throw error
  }
}

const LOCKS_AT_ONCE = 16

/**
 * Lock objects anew from today, for the days that the protection demands; nothing without a protection by locks. A
 * lock begins with the upload: an object that stays current for longer needs it.
 *
 * @returns how many were locked
 */
export async function renewLocks(store: Store, bucket: string, keys: Iterable<string>): Promise<number> {
  const Retention = lockOf(store)
  if (!Retention) return 0
  let renewed = 0
  await inParallel(keys, LOCKS_AT_ONCE, async Key => {
    try {
      await store.s3.send(new PutObjectRetentionCommand({ Bucket: bucket, Key, Retention }))
    } catch (error) {
      // A lock cannot be shortened: after the days were lowered, older locks last longer.
      const held = await store.s3.send(new HeadObjectCommand({ Bucket: bucket, Key }))
      if ((held.ObjectLockRetainUntilDate ?? new Date(0)) < Retention.RetainUntilDate) throw error
    }
    renewed += 1
  })
  return renewed
}

/** The lock of an object that is written now; undefined unless the protection is by locks. */
function lockOf({ protection, clock }: Store) {
  if (protection?.mode !== 'lock') return undefined
  const until = new Date(clock.now().getTime() + protection.days * 86_400_000)
  return { Mode: 'COMPLIANCE', RetainUntilDate: until } as const
}

/** Make every object that a store writes or copies locked, if its protection is by locks. */
export function lockWrites(store: Store): void {
  if (store.protection?.mode !== 'lock') return
  store.s3.middlewareStack.add(
    (next, { commandName = '' }) =>
      args => {
        const lock = WRITES.has(commandName) ? lockOf(store) : undefined
        if (!lock) return next(args)
        const locked = { ObjectLockMode: lock.Mode, ObjectLockRetainUntilDate: lock.RetainUntilDate }
        return next({ ...args, input: { ...args.input, ...locked, ...md5Of(args.input) } })
      },
    { step: 'initialize', name: 'lockWrites' },
  )
}

const WRITES = new Set(['PutObjectCommand', 'CopyObjectCommand', 'CreateMultipartUploadCommand'])

/** S3 requires the hash of what is sent with a lock. */
function md5Of(input: object): { ContentMD5?: string } {
  const { Body, ContentMD5 } = input as { Body?: unknown; ContentMD5?: string }
  if (ContentMD5 !== undefined || !(Body instanceof Uint8Array)) return {}
  return { ContentMD5: createHash('md5').update(Body).digest('base64') }
}
