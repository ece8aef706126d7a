import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3'
import type { Store } from './client.ts'

// A run may take 20 hours; an upload that is still unfinished after two days was abandoned.
const leftoverHours = 48

/** Uploads that were started long before `now` and never finished. */
export async function leftovers(store: Store, bucket: string, now: Date): Promise<string[]> {
  const { Uploads = [], IsTruncated } = await store.s3.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
  const before = now.getTime() - leftoverHours * 3_600_000
  const old = Uploads.filter(({ Initiated }) => Initiated !== undefined && Initiated.getTime() < before)
  if (old.length === 0) return []
  const count = `${old.length}${IsTruncated ? ' or more' : ''}`
  return [`holds ${count} uploads started more than ${leftoverHours} hours ago and never finished, which take space`]
}
