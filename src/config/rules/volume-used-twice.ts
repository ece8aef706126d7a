import { placeOf, type Rule, repeated } from './rule.ts'

export const volumeUsedTwice: Rule = {
  id: 'volume-used-twice',
  description: 'Two systems that keep their dumps on one volume in the same tier prune each other.',
  check: config => {
    const dumps = config.systems.flatMap((system, index) =>
      system.kind === 'database' ? [{ system, index, volume: JSON.stringify(system.volume) }] : [],
    )
    return repeated(
      dumps,
      d => JSON.stringify([d.system.cluster, d.system.namespace, d.volume]),
      (dump, first) => ({
        path: placeOf(config, dump.index, 'volume'),
        message: `is the volume of \`${first.system.name}\` already`,
        suggest: 'give each database system a volume of its own',
      }),
    )
  },
}
