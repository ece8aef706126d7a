import { HeadBucketCommand, ListObjectsV2Command } from '@aws-sdk/client-s3'
import { type Environment, openStore, type Store } from '../../store/client.ts'
import type { StoreClock } from '../../store/clock.ts'
import { duration, log } from './log.ts'

/**
 * The time at which a run begins, by the store's clock: what it stores bears this time, and must not be newer or older
 * than it is because this machine's clock is wrong.
 */
export async function startTime(store: Store, bucket: string, stop: AbortSignal): Promise<Date> {
  // The answer to a HEAD has no body, so it could not name what is wrong with the bucket or the key.
  await store.s3.send(new ListObjectsV2Command({ Bucket: bucket, MaxKeys: 1 }), { abortSignal: stop })
  tellDifference(store.clock, 'the bucket store')
  return store.clock.now()
}

// A store that is away is noticed again when it is needed.
const SILENCE_MS = 5_000

/** The clock of a store that may be away; undefined: it is. */
export async function clockOfStore(env: Environment, bucket: string): Promise<StoreClock | undefined> {
  const store = openStore(env, { attempts: 1, silenceMs: SILENCE_MS })
  try {
    await store.s3.send(new HeadBucketCommand({ Bucket: bucket }))
  } catch {
    // A refusal tells the time, too.
    if (!store.clock.isKnown) return undefined
  } finally {
    store.s3.destroy()
  }
  tellDifference(store.clock, 'the bucket store')
  return store.clock
}

/** Say by how much this machine's clock differs from another, if it does. */
export function tellDifference({ aheadMs }: StoreClock, whose: string): void {
  if (aheadMs === 0) return
  const by = `${duration(Math.abs(aheadMs) / 1000)} ${aheadMs < 0 ? 'ahead of' : 'behind'}`
  log(`this machine's clock is ${by} that of ${whose}, which is used instead: set this machine's clock`)
}
