import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { lineOf, writeManifest } from '../../src/agent/media/manifest.ts'
import { mediaReceipts } from '../../src/agent/media/receipt.ts'
import { walk } from '../../src/agent/media/tree.ts'
import { writeReceipt } from '../../src/store/receipt.ts'
import { AGENT, Place } from '../support/bench-place.ts'
import { type Cost, measure, type Row, rounded } from '../support/measure.ts'
import { rcloneEnvironment } from '../support/rclone.ts'
import { countRequests } from '../support/store-proxy.ts'

const FILES = Number(process.env.BACKUPS_BENCH_FILES ?? 2000)
// Production's media, and more than seven times as many.
const WHOLE_TREES = [135_000, 1_000_000]
const CHANGED = 100

/**
 * Copy a tree to its bucket: first, with nothing changed, with 100 files changed; against `rclone sync`, as the image
 * in use does. With 135,000 and 1,000,000 files only what does not change is measured (`ours-135000`), against a walk of
 * the tree (`limit-135000`): the manifest is written as if the copy had been made, since nothing is asked of the objects.
 */
export async function run(): Promise<Row[]> {
  await using place = new Place()
  const proxy = await countRequests(place.env.RCLONE_S3_ENDPOINT ?? '')
  const store = { ...place.env, RCLONE_S3_ENDPOINT: proxy.url }
  const image = await place.imageEnvironment()
  const source = await place.folder()
  grow(source, FILES)

  const counted = async (command: string[], env: Record<string, string>): Promise<Cost & { requests: number }> => {
    const sum = () => Object.values(proxy.requests()).reduce((total, count) => total + count, 0)
    const before = sum()
    const cost = await measure(command, env)
    return { ...cost, requests: sum() - before }
  }
  const ours = (tree: string, bucket: string) =>
    counted(AGENT, {
      ...image,
      ...store,
      REPLICATE_DIRECTION: 'BtoA',
      USE_RCLONE: 'yes',
      S3_BUCKET_NAME: bucket,
      BACKUP_SYSTEM: 'bench',
      BACKUP_VOLUME_B: tree,
    })
  const today = (bucket: string) => counted(['rclone', 'sync', source, `remote:${bucket}`], rcloneEnvironment(store))
  const limit = (tree: string) => measure(['find', tree, '-type', 'f', '-size', '+1000G'], {})

  // Fills the compile cache, as the image's build does.
  await ours(await small(place), await place.bucket())
  const rows: Row[] = []
  const both = async (bench: string, buckets: { ours: string; today: string }) => {
    rows.push({ bench, way: 'today', ...(await today(buckets.today)) })
    rows.push({ bench, way: 'ours', ...(await ours(source, buckets.ours)) })
  }
  const buckets = { ours: await place.bucket(), today: await place.bucket() }
  await both('media-first', buckets)
  await both('media-unchanged', buckets)
  rows.push({ bench: 'media-unchanged', way: 'limit', ...(await limit(source)) })
  for (let file = 0; file < CHANGED; file += 1)
    writeFileSync(pathOf(source, file * Math.floor(FILES / CHANGED)), randomBytes(2100))
  await both('media-100-changed', buckets)

  for (const files of WHOLE_TREES) {
    const all = await place.folder()
    grow(all, files)
    const bucket = await place.bucket()
    await pretendCopied(place, all, bucket)
    rows.push({ bench: 'media-unchanged', way: `ours-${files}`, ...(await ours(all, bucket)) })
    rows.push({ bench: 'media-unchanged', way: `limit-${files}`, ...(await limit(all)) })
  }
  proxy.close()
  return rows.map(rounded)
}

/** As the media lie: 60 files of a crystal in a folder, 25 folders in that of a target. */
function pathOf(root: string, file: number): string {
  const crystal = Math.floor(file / 60)
  return join(root, `target-${Math.floor(crystal / 25)}`, `crystal-${crystal}`, `x${file}_bound.pdb`)
}

function grow(root: string, files: number): void {
  const content = randomBytes(2000)
  for (let file = 0; file < files; file += 1) {
    const path = pathOf(root, file)
    if (file % 60 === 0) mkdirSync(join(path, '..'), { recursive: true })
    content.writeUInt32LE(file)
    writeFileSync(path, content)
  }
}

async function small(place: Place): Promise<string> {
  const root = await place.folder()
  grow(root, 10)
  return root
}

async function pretendCopied(place: Place, source: string, bucket: string): Promise<void> {
  const start = new Date()
  const lines: Buffer[] = []
  let files = 0
  for (const entry of walk(source, () => {})) {
    if (entry.type === 'file') files += 1
    const md5 = createHash('md5').update(entry.path).digest('hex')
    lines.push(Buffer.from(`${lineOf(entry.type === 'file' ? { ...entry, md5, etag: md5 } : entry)}\n`))
  }
  const { key, bytes, sha256, etag } = await writeManifest(
    place.store,
    { bucket, system: 'bench', start },
    Buffer.concat(lines),
  )
  const at = start.toISOString()
  await writeReceipt(
    place.store,
    mediaReceipts,
    {
      system: 'bench',
      start: at,
      end: at,
      bucket,
      object: { key, bytes, sha256, etag },
      bytes: 0,
      versions: {},
      counts: { files },
      details: { prefix: '', audit: { at, objects: files, differences: 0, repaired: true } },
    },
    null,
  )
}
