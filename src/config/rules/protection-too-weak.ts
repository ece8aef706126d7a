import { longestGap } from '../../schedule/index.ts'
import { type Finding, placeOf, type Rule } from './rule.ts'

// A lock begins with the upload of a file. The agent renews the locks of files that stay, with the audit of every week.
const mediaLockDays = 14

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
      if (protect.mode === 'lock' && 'image' in system && system.image !== undefined) {
        return at('protect.mode', {
          message: `\`${system.image}\` locks nothing, only the agent does`,
          suggest: "leave out `image`, or write 'versioning'",
        })
      }
      const least = Math.max(daysBetweenRuns(system.schedule), leastOf(system.kind, protect.mode))
      if (protect.days >= least) return []
      return at('protect.days', {
        message: `the newest copy would be protected for ${protect.days} days, and must be for ${least}`,
        suggest: `write at least ${least}`,
      })
    }),
}

function leastOf(kind: string, mode: string): number {
  return kind === 'media' && mode === 'lock' ? mediaLockDays : 1
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
