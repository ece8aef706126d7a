/**
 * Process items, `workers` at a time. After the first failure no further item is started; the failure is thrown once
 * the running ones have ended, so that no work continues after the rejection (as it may with p-map).
 *
 * @returns the results, in the order of the items
 */
export async function inParallel<T, R>(
  items: Iterable<T>,
  workers: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  let started = 0
  const left = items[Symbol.iterator]()
  let failed: { error: unknown } | undefined
  const worker = async (): Promise<void> => {
    while (!failed) {
      const next = left.next()
      if (next.done) return
      const index = started
      started += 1
      try {
        results[index] = await work(next.value)
      } catch (error) {
        failed ??= { error }
      }
    }
  }
  await Promise.all(Array.from({ length: workers }, worker))
  if (failed) throw failed.error
  return results
}
