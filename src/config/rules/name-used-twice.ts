import { placeOf, type Rule, repeated } from './rule.ts'

export const nameUsedTwice: Rule = {
  id: 'name-used-twice',
  description: 'Two systems of one name would share an inventory host, a CronJob and their receipts.',
  check: config => [
    ...repeated(
      config.systems,
      s => s.name,
      (system, _, index) => ({
        path: placeOf(config, index, 'name'),
        message: `another system is called \`${system.name}\` already`,
        suggest: 'give each system a name of its own',
      }),
    ),
    ...repeated(
      config.clusters,
      c => c.name,
      (cluster, _, index) => ({
        path: `clusters[${index}].name`,
        message: `another cluster is called \`${cluster.name}\` already`,
        suggest: 'give each cluster a name of its own',
      }),
    ),
  ],
}
