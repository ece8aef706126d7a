import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CreateBucketCommand, DeleteBucketCommand } from '@aws-sdk/client-s3'
import { openStore, type Store } from '../../src/store/client.ts'
import { deleteKeys, listObjects } from '../../src/store/list.ts'
import { storeEnvironment } from './bucket.ts'

/** The agent as a command, with the cache and limits of its image. */
export const AGENT = [process.execPath, fileURLToPath(new URL('../../src/agent/main.ts', import.meta.url))]

/** Folders and buckets of a benchmark, removed at its end. */
export class Place implements AsyncDisposable {
  readonly env = storeEnvironment()
  readonly store: Store = openStore(this.env)
  readonly #ends: (() => Promise<unknown>)[] = []

  /** The variables that the image sets, so that the measured agent behaves like the deployed one. */
  async imageEnvironment(): Promise<Record<string, string>> {
    return { NODE_OPTIONS: '--max-semi-space-size=1', NODE_COMPILE_CACHE: await this.folder() }
  }

  async folder(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), 'bench-'))
    this.#ends.push(() => rm(path, { recursive: true, force: true }))
    return path
  }

  async bucket(): Promise<string> {
    const bucket = `bench-${randomBytes(6).toString('hex')}`
    await this.store.s3.send(new CreateBucketCommand({ Bucket: bucket }))
    this.#ends.push(async () => {
      const keys: string[] = []
      for await (const { key } of listObjects(this.store, { bucket })) keys.push(key)
      await deleteKeys(this.store, bucket, keys)
      await this.store.s3.send(new DeleteBucketCommand({ Bucket: bucket }))
    })
    return bucket
  }

  /** Functions to run at the end, last first. */
  atEnd(end: () => Promise<unknown>): void {
    this.#ends.push(end)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.#ends.reverse()) await end()
    this.store.s3.destroy()
  }
}
