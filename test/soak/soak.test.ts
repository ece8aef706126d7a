import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { sourceFaults } from '../faults/agent/source.ts'
import { storeFaults } from '../faults/agent/store.ts'
import { goodCopy, meet } from '../faults/agent/subject.ts'
import { subjects } from '../faults/agent/subjects.ts'
import { ensureToxiproxy } from '../support/toxiproxy.ts'

// How many runs each kind of system makes, and which.
const runs = Number(process.env.BACKUPS_SOAK_RUNS ?? 200)
const seed = Number(process.env.BACKUPS_SOAK_SEED ?? 1)
// These change the bucket or the source for good, so that every later run or `verify` would be refused or find them.
const lasting = new Set([
  'a receipt is forged',
  'a receipt is missing',
  'a receipt is from the future',
  'somebody deletes everything in the bucket',
  'half of the source is gone',
])

beforeAll(ensureToxiproxy, 600_000)

test.each(Object.entries(subjects))(
  'many runs of a %s with random faults lose nothing',
  async (column, make) => {
    const subject = await make()
    const faults = [...storeFaults, ...sourceFaults].flatMap(({ fault: { name }, cells }) => {
      const inject = cells[subject.column]
      return inject && !lasting.has(name) ? [{ name, inject }] : []
    })
    // Half of the runs meet a fault.
    const plan = fc.array(fc.oneof(fc.constant(undefined), fc.constantFrom(...faults)), {
      minLength: runs,
      maxLength: runs,
    })
    const [steps = []] = fc.sample(plan, { seed, numRuns: 1 })
    // What the good copies hold, oldest first.
    const good = [await goodCopy(subject), await goodCopy(subject)]
    const met = new Map<string, number>()
    for (const [index, fault] of steps.entries()) {
      const name = fault?.name ?? 'no fault'
      met.set(name, (met.get(name) ?? 0) + 1)
      let lost: string | undefined
      if (!fault || good.length < 2) good.push(await goodCopy(subject))
      else {
        const { injected, succeeded, serving } = await meet(subject, fault.inject)
        if (injected.newestLost) lost = good.pop()
        if (succeeded) good.push(injected.changing ? await subject.restored() : serving)
        await sleep(1001)
      }
      const restored = await subject.restored()
      // A database's volume holds what somebody damaged in the bucket; a later run uploads it again.
      if (restored === lost) good.push(restored)
      expect(restored, `run ${index + 1} of seed ${seed}: ${name}`).toBe(good.at(-1))
    }
    const counts = [...met].sort(([, a], [, b]) => b - a).map(([name, count]) => `${count} × ${name}`)
    process.stdout.write(`soak: ${column}, seed ${seed}, ${runs} runs: ${counts.join(', ')}\n`)
  },
  runs * 60_000,
)
