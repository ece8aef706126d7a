/** Work on items, so many at once; the first failure ends it once those under way are through. */
export async function inParallel<T>(
  items: Iterable<T>,
  workers: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const left = items[Symbol.iterator]()
  let failed: { error: unknown } | undefined
  const worker = async (): Promise<void> => {
    while (!failed) {
      const next = left.next()
      if (next.done) return
      try {
        await work(next.value)
      } catch (error) {
        failed ??= { error }
      }
    }
  }
  await Promise.all(Array.from({ length: workers }, worker))
  if (failed) throw failed.error
}
