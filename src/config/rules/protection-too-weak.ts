import { kindOf } from '../../kinds/index.ts'
import { longestGap } from '../../schedule/index.ts'
import { type Finding, placeOf, type Rule } from './rule.ts'

export const protectionTooWeak: Rule = {
  id: 'protection-too-weak',
  description:
    'A protection (`protect`) that ends before the next copy is made leaves the newest copy to whoever has the key; the old images lock nothing.',
  check: config =>
    config.systems.flatMap((system, index) => {
      const { protect } = system
      if (!protect) return []
      const at = (key: string, found: Pick<Finding, 'message' | 'suggest'>): Finding[] => [
        { path: placeOf(config, index, key), ...found },
      ]
      const [own] = kindOf(system).images(system)
      if (protect.mode === 'lock' && own) {
        return at('protect.mode', {
          message: `\`${own.image}\` locks nothing, only the agent does`,
          suggest: "leave out `image`, or write 'versioning'",
        })
      }
      const least = daysBetweenRuns(system.schedule)
      if (protect.days >= least) return []
      return at('protect.days', {
        message: `the newest copy would be protected for ${protect.days} days, and must be for ${least}`,
        suggest: `write at least ${least}`,
      })
    }),
}

/** The longest time between two runs, and a run that fails, in days. */
function daysBetweenRuns(schedule: Parameters<typeof longestGap>[0]): number {
  try {
    return Math.ceil((2 * longestGap(schedule).seconds) / 86_400)
  } catch (error) {
    // The schedule never fires, which is another rule's finding.
    if (error instanceof RangeError) return 1
    throw error
  }
}
