import {
  DeleteBucketPolicyCommand,
  GetBucketAclCommand,
  GetBucketPolicyCommand,
  GetObjectAclCommand,
  GetPublicAccessBlockCommand,
  type Grant,
  PutBucketAclCommand,
  PutBucketPolicyCommand,
  PutObjectAclCommand,
  PutPublicAccessBlockCommand,
} from '@aws-sdk/client-s3'
import { statusOf } from './call.ts'
import type { Store } from './client.ts'
import { type ListedObject, listObjects } from './list.ts'
import { inParallel } from './parallel.ts'

// How many objects `openTo` looks at: the newest, and as many spread over the first page of the bucket's listing.
const NEWEST = 5
const SPREAD = 5
const PAGE = 1000
const AT_ONCE = 16

/** What everyone may do with a bucket. */
export interface Openness {
  /** A sentence each; empty if nobody may do anything without a key. */
  readonly open: readonly string[]
  /** Checks that the key may not make, or that the store did not answer, a sentence each. */
  readonly notChecked: readonly string[]
}

/**
 * What everyone may do with a bucket: by its ACL, its policy, the ACLs of some of its objects, and by a request without
 * a key. A bucket that ignores public ACLs and policies costs one request.
 */
export async function openTo(store: Store, bucket: string): Promise<Openness> {
  const byRights = (await ignoresPublic(store, bucket))
    ? []
    : [publicAcl(store, bucket), publicPolicy(store, bucket), publicObjects(store, bucket)]
  const answers = await Promise.allSettled([...byRights, listedWithoutKey(store, bucket)])
  return {
    open: answers.flatMap(answer => (answer.status === 'fulfilled' ? answer.value : [])),
    notChecked: answers.flatMap(answer => (answer.status === 'rejected' ? [messageOf(answer.reason)] : [])),
  }
}

/** What `makePrivate` changed. */
export interface MadePrivate {
  /** A sentence for each change, for the log. */
  readonly changes: readonly string[]
}

/** A bucket is open to everyone, and the key may not change that. */
export class StaysOpen extends Error {
  constructor(bucket: string, why: readonly string[]) {
    super(`${bucket} is open to everyone: ${why.join('; ')}`)
    this.name = 'StaysOpen'
  }
}

/**
 * Make a bucket private: its ACL, the statements of its policy that are for everyone, and, if any of these was open or
 * `objects` says so, the ACL of every object. If the store can, the bucket then ignores what public ACLs anybody sets
 * on later objects, as the old images do.
 *
 * @throws StaysOpen if the key may not change it, or if it is open all the same
 */
export async function makePrivate(
  store: Store,
  bucket: string,
  { objects }: { objects: boolean },
): Promise<MadePrivate> {
  const closed = await ignoresPublic(store, bucket)
  if (closed && !objects) return { changes: [] }
  const changes: string[] = []
  try {
    if (!closed) changes.push(...(await ignorePublic(store, bucket)))
    const ofBucket = [...(await closeAcl(store, bucket)), ...(await closePolicy(store, bucket))]
    changes.push(...ofBucket)
    const someOpen = !(await ignoresPublic(store, bucket)) && (await publicObjects(store, bucket)).length > 0
    if (objects || ofBucket.length > 0 || someOpen) changes.push(...(await closeObjects(store, bucket)))
  } catch (error) {
    if (statusOf(error) !== 403) throw error
    const { open } = await openTo(store, bucket)
    // A key that may not even ask cannot have opened it.
    if (open.length > 0) throw new StaysOpen(bucket, [...open, messageOf(error)])
    return { changes: [...changes, `not checked whether ${bucket} is private: ${messageOf(error)}`] }
  }
  const still = await listedWithoutKey(store, bucket).catch(error => {
    changes.push(`not checked whether ${bucket} can be listed without a key: ${messageOf(error)}`)
    return []
  })
  if (still.length > 0) throw new StaysOpen(bucket, still)
  return { changes }
}

/** Whether a bucket ignores public ACLs and public policies; a store that does not know this ignores none. */
async function ignoresPublic(store: Store, bucket: string): Promise<boolean> {
  try {
    const question = new GetPublicAccessBlockCommand({ Bucket: bucket })
    // If a bucket has no such configuration, radosgw sends an empty one after its answer 404, without counting it in the
    // length. The next request on the same connection would take it for its answer.
    question.middlewareStack.add(
      next => args => {
        const { headers } = args.request as { headers: Record<string, string> }
        headers.connection = 'close'
        return next(args)
      },
      { step: 'build', name: 'closeConnection' },
    )
    const answer = await store.s3.send(question)
    const { IgnorePublicAcls, RestrictPublicBuckets } = answer.PublicAccessBlockConfiguration ?? {}
    return IgnorePublicAcls === true && RestrictPublicBuckets === true
  } catch (error) {
    if (statusOf(error) === undefined) throw error
    return false
  }
}

async function ignorePublic(store: Store, bucket: string): Promise<string[]> {
  try {
    await store.s3.send(
      new PutPublicAccessBlockCommand({
        Bucket: bucket,
        PublicAccessBlockConfiguration: {
          IgnorePublicAcls: true,
          RestrictPublicBuckets: true,
          BlockPublicPolicy: true,
          // The old images set such ACLs: refused, their backups would fail.
          BlockPublicAcls: false,
        },
      }),
    )
    // A store may accept what it does not know.
    if (await ignoresPublic(store, bucket)) return []
  } catch (error) {
    if (statusOf(error) === undefined) throw error
  }
  return [`${bucket}: the store cannot make a bucket ignore public ACLs; every run checks what was set since`]
}

/** The permissions that a bucket's ACL grants to everyone. */
async function publicAcl(store: Store, bucket: string): Promise<string[]> {
  const { Grants = [] } = await store.s3.send(new GetBucketAclCommand({ Bucket: bucket }))
  return forEveryone(Grants).map(
    ({ Grantee, Permission }) => `its ACL gives ${Permission} to ${groupOf(Grantee?.URI)}; it should be private`,
  )
}

async function closeAcl(store: Store, bucket: string): Promise<string[]> {
  const open = await publicAcl(store, bucket)
  if (open.length === 0) return []
  await store.s3.send(new PutBucketAclCommand({ Bucket: bucket, ACL: 'private' }))
  return [`made ${bucket} private: ${open.join(', ')}`]
}

interface Statement {
  readonly Effect?: string
  readonly Principal?: unknown
  readonly NotPrincipal?: unknown
  readonly Action?: string | readonly string[]
}
interface Policy {
  readonly Statement?: Statement | readonly Statement[]
}

/** What a bucket's policy allows everyone, on whatever condition. */
async function publicPolicy(store: Store, bucket: string): Promise<string[]> {
  const policy = await policyOf(store, bucket)
  return statementsOf(policy)
    .filter(isForEveryone)
    .map(({ Action }) => `its policy lets everyone ${[Action ?? []].flat().join(', ')}; it should be private`)
}

async function closePolicy(store: Store, bucket: string): Promise<string[]> {
  const policy = await policyOf(store, bucket)
  const statements = statementsOf(policy)
  const open = statements.filter(isForEveryone)
  if (open.length === 0) return []
  const kept = statements.filter(statement => !open.includes(statement))
  if (kept.length === 0) await store.s3.send(new DeleteBucketPolicyCommand({ Bucket: bucket }))
  else {
    const Policy = JSON.stringify({ ...policy, Statement: kept })
    await store.s3.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }))
  }
  return [`removed from the policy of ${bucket} what it let everyone do: ${JSON.stringify(open)}`]
}

async function policyOf(store: Store, bucket: string): Promise<Policy | undefined> {
  try {
    const { Policy: text } = await store.s3.send(new GetBucketPolicyCommand({ Bucket: bucket }))
    return text ? (JSON.parse(text) as Policy) : undefined
  } catch (error) {
    // No policy, or a store without policies.
    if ([404, 405, 501].includes(statusOf(error) ?? 0)) return undefined
    throw error
  }
}

function statementsOf(policy: Policy | undefined): Statement[] {
  return [policy?.Statement ?? []].flat() as Statement[]
}

/** `Principal` is `*`, or an object whose values are names or lists of them. */
function isForEveryone({ Effect, Principal, NotPrincipal }: Statement): boolean {
  if (Effect !== 'Allow') return false
  const names = typeof Principal === 'object' && Principal !== null ? Object.values(Principal).flat() : [Principal]
  return NotPrincipal !== undefined || names.includes('*')
}

/** How many of some of a bucket's objects everybody may read or write. */
async function publicObjects(store: Store, bucket: string): Promise<string[]> {
  const page: ListedObject[] = []
  for await (const object of listObjects(store, { bucket })) {
    page.push(object)
    if (page.length === PAGE) break
  }
  const newest = [...page].sort((a, b) => b.modified.getTime() - a.modified.getTime()).slice(0, NEWEST)
  const step = Math.max(1, Math.floor(page.length / SPREAD))
  const keys = [...new Set([...newest, ...page.filter((_, index) => index % step === 0)].map(({ key }) => key))]
  const open = (await inParallel(keys, AT_ONCE, key => isObjectOpen(store, bucket, key))).filter(Boolean).length
  return open === 0 ? [] : [`${open} of ${keys.length} objects looked at are open to everyone by their ACL`]
}

async function isObjectOpen(store: Store, bucket: string, key: string): Promise<boolean> {
  try {
    const { Grants = [] } = await store.s3.send(new GetObjectAclCommand({ Bucket: bucket, Key: key }))
    return forEveryone(Grants).length > 0
  } catch (error) {
    // It was removed since it was listed.
    if (statusOf(error) === 404) return false
    throw error
  }
}

/** Make every object private. @throws StaysOpen naming objects that others wrote, whose ACLs are theirs */
async function closeObjects(store: Store, bucket: string): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of listObjects(store, { bucket })) keys.push(key)
  const foreign: string[] = []
  let closed = 0
  await inParallel(keys, AT_ONCE, async key => {
    try {
      if (!(await isObjectOpen(store, bucket, key))) return
      await store.s3.send(new PutObjectAclCommand({ Bucket: bucket, Key: key, ACL: 'private' }))
      closed += 1
    } catch (error) {
      if (statusOf(error) !== 403) throw error
      foreign.push(key)
    }
  })
  if (foreign.length > 0) {
    const named = foreign.slice(0, 5).map(key => JSON.stringify(key))
    throw new StaysOpen(bucket, [
      `${foreign.length} objects belong to others, who wrote them while everybody could: ${named.join(', ')}${foreign.length > 5 ? ', …' : ''}. Look at them, delete them, and run again`,
    ])
  }
  return closed === 0
    ? []
    : [`made ${closed} of the ${keys.length} objects of ${bucket} private: everybody could reach them`]
}

/** Whether a bucket can be listed without a key. */
export async function listedWithoutKey({ endpoint }: Store, bucket: string): Promise<string[]> {
  const response = await fetch(new URL(bucket, `${endpoint.replace(/\/$/, '')}/`), {
    signal: AbortSignal.timeout(30_000),
  })
  await response.body?.cancel()
  return response.ok ? ['anybody can list it without a key; it should be private'] : []
}

const forEveryone = (grants: readonly Grant[]) =>
  grants.filter(({ Grantee }) => /AllUsers|AuthenticatedUsers/.test(Grantee?.URI ?? ''))

const groupOf = (uri: string | undefined) => uri?.split('/').at(-1)

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
