import { kindOf } from '../../kinds/index.ts'
import { placeOf, type Rule } from './rule.ts'

export const systemContradictory: Rule = {
  id: 'system-contradictory',
  description: 'Two settings of a system contradict each other, or one has no effect.',
  check: config =>
    config.systems.flatMap((system, index) =>
      kindOf(system)
        .check(system)
        .map(({ key, message, suggest }) => ({ path: placeOf(config, index, key), message, suggest })),
    ),
}
