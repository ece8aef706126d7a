import type { Store } from '../../store/client.ts'
import { makePrivate, StaysOpen } from '../../store/openness.ts'
import { log } from './log.ts'
import { Failure } from './outcome.ts'

/**
 * Make the bucket of the copies private before anything is written to it. The old images opened theirs to
 * everyone, each object too.
 *
 * @param options.objects look at every object, because some may be theirs
 * @throws Failure open if the key may not change it
 */
export async function keepPrivate(store: Store, bucket: string, options: { objects: boolean }): Promise<void> {
  try {
    const { changes } = await makePrivate(store, bucket, options)
    for (const change of changes) log(change)
  } catch (error) {
    if (!(error instanceof StaysOpen)) throw error
    throw new Failure(
      'open',
      `${error.message}. Nothing was copied. Make it private with the key of the bucket's owner, and run again`,
      { cause: error },
    )
  }
}
