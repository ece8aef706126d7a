import { nearest } from '../../report/problem.ts'
import type { Rule } from './rule.ts'

export const awxUnknown: Rule = {
  id: 'awx-unknown',
  description: 'The runbook restores AWX from the systems that `awx` names; `systems` must define them.',
  check: ({ awx, systems }) => {
    if (!awx) return []
    const names = systems.map(({ name }) => name)
    return (['server', 'kit'] as const).flatMap(key => {
      if (names.includes(awx[key])) return []
      const [near] = nearest(awx[key], names)
      return [
        {
          // The backups run all the same; only the runbook's chapter on AWX is less exact.
          severity: 'warning' as const,
          path: `awx.${key}`,
          message: `there is no system \`${awx[key]}\``,
          suggest: near ? `did you mean \`${near}\`?` : 'write the name of a system, or leave out `awx`',
        },
      ]
    })
  },
}
