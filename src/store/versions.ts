import { ListObjectVersionsCommand } from '@aws-sdk/client-s3'
import type { Store } from './client.ts'
import { copyWithin } from './copy.ts'
import { RECEIPTS } from './folders.ts'
import { bareEtag, decodeKey, deleteKeys } from './list.ts'
import { inParallel } from './parallel.ts'

/** A version of an object of a bucket that keeps versions, or a deletion of it. */
export interface Version {
  key: string
  id: string
  /** When the store received it. */
  at: Date
  /** Whether it is what the bucket shows now. */
  latest: boolean
  /** A delete marker: from then on the bucket shows no such object. */
  deleted: boolean
  /** 0 for a delete marker. */
  bytes: number
  /** Without quotes; empty for a delete marker. */
  etag: string
}

/** Every version in a bucket, one LIST a thousand. */
export async function listVersions(store: Store, bucket: string): Promise<Version[]> {
  const versions: Version[] = []
  let from: { KeyMarker?: string; VersionIdMarker?: string } | undefined = {}
  while (from) {
    const page: Awaited<ReturnType<typeof send>> = await send(store, bucket, from)
    for (const [deleted, items] of [
      [false, page.Versions ?? []],
      [true, page.DeleteMarkers ?? []],
    ] as const) {
      for (const item of items) {
        versions.push({
          key: decodeKey(item.Key ?? ''),
          id: item.VersionId ?? 'null',
          at: item.LastModified ?? new Date(0),
          latest: item.IsLatest ?? false,
          deleted,
          bytes: ('Size' in item ? item.Size : 0) ?? 0,
          etag: bareEtag('ETag' in item ? item.ETag : ''),
        })
      }
    }
    from = page.IsTruncated
      ? { KeyMarker: decodeKey(page.NextKeyMarker ?? ''), VersionIdMarker: page.NextVersionIdMarker ?? '' }
      : undefined
  }
  return versions
}

function send(store: Store, bucket: string, from: { KeyMarker?: string; VersionIdMarker?: string }) {
  return store.s3.send(new ListObjectVersionsCommand({ Bucket: bucket, EncodingType: 'url', ...from }))
}

/** What makes a bucket what it was at a time. */
export interface Return {
  /** Versions to copy back: deleted or replaced since. Receipts come last, as they vouch for the others. */
  bring: Version[]
  /** Objects that were not there at that time. */
  remove: Version[]
  /** How many objects the bucket held at that time. */
  objects: number
}

/** How to make a bucket again what it was at a time. */
export function returnTo(versions: readonly Version[], time: Date): Return {
  const then = new Map<string, Version>()
  const now = new Map<string, Version>()
  for (const version of versions) {
    if (version.latest) now.set(version.key, version)
    const found = then.get(version.key)
    if (version.at <= time && (!found || version.at > found.at)) then.set(version.key, version)
  }
  const bring: Version[] = []
  let objects = 0
  for (const version of then.values()) {
    if (version.deleted) continue
    objects += 1
    const current = now.get(version.key)
    const held = current && !current.deleted && current.bytes === version.bytes && current.etag === version.etag
    if (!held) bring.push(version)
  }
  const remove = [...now.values()].filter(({ key, deleted }) => !deleted && (then.get(key)?.deleted ?? true))
  const isReceipt = ({ key }: Version) => (key.startsWith(RECEIPTS) ? 1 : 0)
  return { bring: bring.sort((a, b) => isReceipt(a) - isReceipt(b) || (a.key < b.key ? -1 : 1)), remove, objects }
}

const COPIES_AT_ONCE = 8

/**
 * Make a bucket what `returnTo` says, without deleting any version: old versions are copied, and what was not there is
 * deleted by a delete marker.
 *
 * @param onCopied called after each copy
 */
export async function bringBack(
  store: Store,
  bucket: string,
  { bring, remove }: Return,
  onCopied: () => void,
): Promise<void> {
  await inParallel(bring, COPIES_AT_ONCE, async version => {
    const { key, id } = version
    await copyWithin(store, { bucket, from: key, version: id, to: key, object: version })
    onCopied()
  })
  await deleteKeys(
    store,
    bucket,
    remove.map(({ key }) => key),
  )
}
