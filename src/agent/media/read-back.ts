import { createHash } from 'node:crypto'
import { inParallel } from '../../store/parallel.ts'
import { Failure } from '../run/outcome.ts'
import type { ReadBack, ReadBackRequest } from '../run/read-back.ts'
import { objectKey } from './bucket-layout.ts'
import { BucketContent } from './content.ts'
import { type ManifestEntry, objectOf, readManifest } from './manifest.ts'
import { keyOf } from './names.ts'
import type { mediaReceipts } from './receipt.ts'

// Files that are read in parallel; most are small.
const FILES_AT_ONCE = 8
// How many damaged files a receipt names, and how many are looked at again by the next check.
const NAMED = 20

type Damaged = ReadBack['damaged'][number]

/**
 * Read the manifest back, then the files where the last check stopped, each against its MD5, until the budget is used.
 * Files that the last check found damaged come first, so that the finding ends once they are good again.
 */
export async function readBackMedia({
  receipt,
  store,
  budget,
  last,
  stop,
}: ReadBackRequest<typeof mediaReceipts>): Promise<ReadBack> {
  const { bucket, object, details } = receipt
  let files: ManifestEntry[]
  try {
    const manifest = await readManifest(store, bucket, object)
    files = [...manifest.entries()].filter(({ type }) => type === 'file')
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return { bytes: object.bytes, objects: 1, damaged: [{ key: object.key, why: error.message }], until: '' }
  }
  const content = new BucketContent(store, { bucket, prefix: details.prefix, concurrency: FILES_AT_ONCE })
  const known = new Set(last?.details.damaged?.map(({ key }) => key))
  const again = files.filter(({ path }) => known.has(objectKey(details.prefix, path)))
  const { part, until } = partOf(files, last?.details.until ?? '', budget - object.bytes)
  const chosen = [...again, ...part.filter(file => !again.includes(file))]
  const damaged = (
    await inParallel(chosen, FILES_AT_ONCE, async (file): Promise<Damaged[]> => {
      stop.throwIfAborted()
      const why = await checkFile(content, file)
      return why === undefined ? [] : [{ key: objectKey(details.prefix, file.path), why }]
    })
  ).flat()
  const bytes = chosen.reduce((sum, file) => sum + file.bytes, object.bytes)
  return { bytes, objects: chosen.length + 1, damaged: damaged.slice(0, NAMED), until }
}

/** The files after a path, and from the start again, of so many bytes; at least one. */
function partOf(
  files: readonly ManifestEntry[],
  after: string,
  budget: number,
): { part: ManifestEntry[]; until: string } {
  const begin = after === '' ? 0 : files.findIndex(({ path }) => keyOf(path) === after) + 1
  const part: ManifestEntry[] = []
  let bytes = 0
  for (const file of files.slice(begin)) {
    if (part.length > 0 && bytes + file.bytes > budget)
      return { part, until: keyOf((part.at(-1) as ManifestEntry).path) }
    part.push(file)
    bytes += file.bytes
  }
  return { part, until: '' }
}

/** @returns what is wrong with the file's object, if anything; it may have been moved to the trash meanwhile */
async function checkFile(content: BucketContent, file: ManifestEntry): Promise<string | undefined> {
  if ((await readFile(content, file)) === undefined) return undefined
  await content.check([file])
  return await readFile(content, file)
}

/** @returns how what was read differs from the manifest */
async function readFile(content: BucketContent, file: ManifestEntry): Promise<string | undefined> {
  const hash = createHash('md5')
  let bytes = 0
  try {
    const { body } = await content.raw(file)
    for await (const chunk of body) {
      hash.update(chunk)
      bytes += chunk.length
    }
  } catch (error) {
    if ((error as Error).name === 'NoSuchKey') return 'it is missing, and not in the trash'
    throw error
  }
  const md5 = hash.digest('hex')
  const object = objectOf(file)
  if (bytes === object.bytes && md5 === object.md5) return undefined
  return `it has ${bytes} bytes with MD5 ${md5}, the manifest says ${object.bytes} bytes with ${object.md5}`
}
