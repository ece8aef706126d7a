import { constants } from 'node:fs'
import { access, copyFile, link, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fromFuture, isFromFuture, StoreClock } from '../../store/clock.ts'
import { detailsProblem, type ReceiptData } from '../../store/receipt.ts'
import { copiesToRemove } from '../../store/retention.ts'
import { log } from '../run/log.ts'
import { Failure } from '../run/outcome.ts'
import { databaseReceipts } from './receipt.ts'
import type { Tier } from './settings.ts'

// File names of the old images, so that both can work on one volume; also for a single database.
const NAME = /^backup-(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z)-dumpall\.sql\.(?:gz|zst)(?:\.age)?$/

/** The name of the copy made by a run that began at `start`. */
export function dumpName(start: Date, suffix: string): string {
  return `backup-${start.toISOString().slice(0, 19)}Z-dumpall.sql.${suffix}`
}

/** When the copy of this name was taken, or undefined if it is not the name of a copy. */
export function takenAt(name: string): Date | undefined {
  const time = NAME.exec(name)?.[1]
  return time ? new Date(time) : undefined
}

// Hidden and without the prefix "backup", so that neither retention nor recovery, of the agent or the old images, takes
// it for a copy.
const UNFINISHED = '.unfinished-'

/** The receipt of a dump on the volume: the bucket's receipt without bucket and ETag. */
export type VolumeReceipt = ReceiptData<typeof databaseReceipts>

/** A copy on the volume. */
export interface VolumeCopy {
  name: string
  path: string
  taken: Date
  bytes: number
  /** It claims to be newer than the time it was written: it does not count as a copy, and is not removed. */
  fromFuture: boolean
  /** Missing if no receipt on the volume vouches for it. */
  receipt: VolumeReceipt | undefined
}

/** The backup volume as seen by one system: tiers with their copies, and the receipts of these. */
export class BackupVolume {
  readonly root: string
  readonly #receipts: string

  constructor(root: string, system: string) {
    this.root = root
    this.#receipts = join(root, '.receipts', system)
  }

  /** @throws Failure volume if it is missing or not writable */
  async prepare(tier: Tier): Promise<void> {
    try {
      await access(this.root, constants.R_OK | constants.W_OK | constants.X_OK)
      await mkdir(join(this.root, tier), { recursive: true })
      await mkdir(join(this.#receipts, tier), { recursive: true })
    } catch (error) {
      throw new Failure(
        'volume',
        `the backup volume ${this.root} cannot be used (${(error as Error).message}): mount it writable for this user`,
      )
    }
  }

  /** The clock of the volume's file server, for a run without a bucket. On a local disk it is this machine's clock. */
  async clock(): Promise<StoreClock> {
    const file = join(this.root, `${UNFINISHED}clock-${process.pid}`)
    const clock = new StoreClock()
    const askedAt = Date.now()
    await writeFile(file, '')
    clock.observe((await stat(file)).mtime.toUTCString(), askedAt)
    await rm(file)
    return clock
  }

  /**
   * Move a copy and its receipt to where no run looks.
   *
   * @returns its new path
   */
  async setAside(tier: Tier, name: string): Promise<string> {
    const folder = join(this.root, '.set-aside', tier)
    await mkdir(folder, { recursive: true })
    await rename(this.path(tier, name), join(folder, name))
    await rename(join(this.#receipts, tier, `${name}.json`), join(folder, `${name}.json`)).catch(error => {
      if (error.code !== 'ENOENT') throw error
    })
    return join(folder, name)
  }

  /** Remove what killed runs left in a tier. The caller must hold the lock. */
  async removeLeftovers(tier: Tier): Promise<void> {
    for (const name of await readdir(join(this.root, tier))) {
      if (!name.startsWith(UNFINISHED)) continue
      await rm(join(this.root, tier, name))
      log(`removed ${tier}/${name}, left by a killed run`)
    }
  }

  /** Where a copy is written until it is complete. */
  unfinished(tier: Tier, name: string): string {
    return join(this.root, tier, `${UNFINISHED}${name}`)
  }

  path(tier: Tier, name: string): string {
    return join(this.root, tier, name)
  }

  /** Give a complete and synced copy its final name, and write its receipt. */
  async finish(tier: Tier, receipt: VolumeReceipt): Promise<string> {
    const path = this.path(tier, receipt.object.key)
    await rename(this.unfinished(tier, receipt.object.key), path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
      throw new Failure(
        'volume',
        `${path} vanished while it was written: check that the volume is still mounted at ${this.root}, and run again`,
      )
    })
    await syncFolder(join(this.root, tier))
    const file = join(this.#receipts, tier, `${receipt.object.key}.json`)
    await writeFile(`${file}.new`, `${JSON.stringify(receipt, null, 2)}\n`, { flush: true })
    await rename(`${file}.new`, file)
    return path
  }

  /** Put a copy of one tier into another, as a hard link if the volume supports it. */
  async promote(copy: VolumeCopy & { receipt: VolumeReceipt }, tier: Tier): Promise<string> {
    const unfinished = this.unfinished(tier, copy.name)
    try {
      await link(copy.path, unfinished)
    } catch {
      await copyFile(copy.path, unfinished)
      const file = await open(unfinished, 'r+')
      await file.sync()
      await file.close()
    }
    return await this.finish(tier, copy.receipt)
  }

  /** The copies of a tier, oldest first. */
  async copies(tier: Tier): Promise<VolumeCopy[]> {
    const found: VolumeCopy[] = []
    for (const name of await namesIn(join(this.root, tier))) {
      const taken = takenAt(name)
      if (!taken) continue
      const path = this.path(tier, name)
      const { size, mtime } = await stat(path)
      const ahead = isFromFuture(taken, mtime)
      if (ahead) log(fromFuture(path, taken, mtime))
      const receipt = ahead ? undefined : await this.#receipt(tier, name)
      found.push({
        name,
        path,
        taken,
        bytes: size,
        fromFuture: ahead,
        receipt: receipt?.bytes === size ? receipt : undefined,
      })
    }
    return found.sort((a, b) => a.taken.getTime() - b.taken.getTime())
  }

  /** Another system whose receipt names a copy on this volume. */
  async ownerOf(tier: Tier, name: string): Promise<string | undefined> {
    const folder = dirname(this.#receipts)
    for (const system of await namesIn(folder)) {
      const other = new BackupVolume(this.root, system)
      if (other.#receipts !== this.#receipts && (await other.#receipt(tier, name))) return system
    }
    return undefined
  }

  async #receipt(tier: Tier, name: string): Promise<VolumeReceipt | undefined> {
    try {
      return await receiptOf(JSON.parse(await readFile(join(this.#receipts, tier, `${name}.json`), 'utf8')), tier)
    } catch {
      // Without a readable receipt, no one vouches for the file.
      return undefined
    }
  }

  /**
   * Prune a tier by the same rule as the bucket.
   * @returns the names removed
   */
  async prune(tier: Tier, keep: number): Promise<string[]> {
    const copies = (await this.copies(tier))
      .filter(copy => !copy.fromFuture)
      .map(copy => ({ ...copy, verified: copy.receipt !== undefined }))
    const removed = copiesToRemove(copies, keep)
    for (const copy of removed) {
      await rm(copy.path)
      await rm(join(this.#receipts, tier, `${copy.name}.json`), { force: true })
    }
    return removed.map(copy => copy.name)
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** Sync the folder, so that a rename survives a power failure. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  await handle.sync()
  await handle.close()
}

/** What earlier versions of the agent wrote beside a dump on the volume. */
interface EarlierReceipt {
  name: string
  start: string
  end: string
  bytes: number
  sha256: string
  plainBytes: number
  versions: Record<string, string>
  counts: Record<string, number>
}

/** @throws Error if the value is not a receipt */
async function receiptOf(value: VolumeReceipt | EarlierReceipt, tier: Tier): Promise<VolumeReceipt> {
  const receipt = 'name' in value ? fromEarlier(value, tier) : value
  // The schema library takes 0.2 s to load.
  const { receiptErrors } = await import('../../store/receipt-schema.ts')
  const [first] = receiptErrors(receipt)
  const problem = first ? `${first.instancePath} ${first.message}` : await detailsProblem(receipt, databaseReceipts)
  if (problem) throw new Error(problem)
  return receipt
}

function fromEarlier({ name, sha256, plainBytes, ...same }: EarlierReceipt, tier: Tier): VolumeReceipt {
  return {
    ...same,
    schema: 1,
    kind: 'database',
    system: 'unknown',
    taken: same.start,
    object: { key: name, bytes: same.bytes, sha256 },
    // It did not name the database.
    details: { tier, database: null, plainBytes },
    previous: null,
  }
}
