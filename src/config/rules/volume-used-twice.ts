import { kindOf } from '../../kinds/index.ts'
import { placeOf, type Rule, repeated } from './rule.ts'

export const volumeUsedTwice: Rule = {
  id: 'volume-used-twice',
  description: 'Two systems that write to one volume remove or overwrite the copies of each other.',
  check: config => {
    const written = config.systems.flatMap((system, index) =>
      kindOf(system)
        .places(system)
        .filter(({ access }) => access === 'write')
        .map(({ key, at }) => ({ system, index, key, at })),
    )
    return repeated(
      written,
      ({ at }) => JSON.stringify(at),
      ({ index, key }, first) => ({
        path: placeOf(config, index, key),
        message: `\`${first.system.name}\` already writes there`,
        suggest: 'give each system a volume of its own',
      }),
    )
  },
}
