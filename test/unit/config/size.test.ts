import { expect, it } from 'vitest'
import { work } from '../../bench/config.ts'

/** The CPU seconds to process a config with this many systems. */
async function cost(systems: number): Promise<number> {
  const before = process.cpuUsage()
  await work(systems)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1e6
}

// CPU time, not wall-clock time: other tests run in parallel. They disturb it all the same, sometimes; what grows faster
// does so each time. The first run includes reading and compiling the code.
it('the cost of a config grows no faster than its number of systems, up to 2,000', {
  retry: 2,
  timeout: 300_000,
}, async () => {
  await cost(20)
  const [small, large] = [await cost(400), await cost(2000)]
  expect(large / small, `${small} s for 400, ${large} s for 2,000`).toBeLessThan(5 * 1.25)
})
