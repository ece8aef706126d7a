import { GetBucketAclCommand, ListMultipartUploadsCommand } from '@aws-sdk/client-s3'
import type { Store } from './client.ts'

// A run may take 20 hours; an upload that is still unfinished after two days was abandoned.
const leftoverHours = 48

/** The permissions that a bucket's ACL grants to everyone, a sentence each. */
export async function publicAcl(store: Store, bucket: string): Promise<string[]> {
  const { Grants = [] } = await store.s3.send(new GetBucketAclCommand({ Bucket: bucket }))
  return Grants.filter(({ Grantee }) => /AllUsers|AuthenticatedUsers/.test(Grantee?.URI ?? '')).map(
    ({ Grantee, Permission }) =>
      `its ACL gives ${Permission} to ${Grantee?.URI?.split('/').at(-1)}; it should be private`,
  )
}

/** Whether a bucket can be listed without a key. */
export async function openToAll(endpoint: string, bucket: string): Promise<string[]> {
  const response = await fetch(new URL(bucket, `${endpoint.replace(/\/$/, '')}/`), {
    signal: AbortSignal.timeout(30_000),
  })
  await response.body?.cancel()
  return response.ok ? ['anybody can list it without a key; it should be private'] : []
}

/** Uploads that were started long before `now` and never finished. */
export async function leftovers(store: Store, bucket: string, now: Date): Promise<string[]> {
  const { Uploads = [], IsTruncated } = await store.s3.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
  const before = now.getTime() - leftoverHours * 3_600_000
  const old = Uploads.filter(({ Initiated }) => Initiated !== undefined && Initiated.getTime() < before)
  if (old.length === 0) return []
  const count = `${old.length}${IsTruncated ? ' or more' : ''}`
  return [`holds ${count} uploads started more than ${leftoverHours} hours ago and never finished, which take space`]
}
