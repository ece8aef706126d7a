import { backupsGroup, cronjobsGroup, groupName, statusGroup, statusHost } from '../../kinds/groups.ts'
import { kinds } from '../../kinds/index.ts'
import { type Finding, placeOf, type Rule, repeated } from './rule.ts'

// Names that Ansible, or this project's inventory, gives a meaning of their own.
const taken = new Set([
  ...['all', 'ungrouped', 'localhost', 'awx', 'controller', backupsGroup, cronjobsGroup, statusGroup, statusHost],
  ...Object.keys(kinds).map(kind => groupName(kind)),
])

export const nameTaken: Rule = {
  id: 'name-taken',
  description:
    'Names become hosts and groups of the inventory: a system may not have the name of a group, and two clusters or environments may not become one group.',
  check: config => [
    ...config.systems.flatMap(({ name }, index): Finding[] =>
      taken.has(name)
        ? [
            {
              path: placeOf(config, index, 'name'),
              message: `\`${name}\` is a reserved name of the inventory`,
              suggest: `choose another name, such as \`${name}-backup\``,
            },
          ]
        : [],
    ),
    ...repeated(
      [...new Map(config.clusters.map((cluster, index) => [cluster.environment, { ...cluster, index }])).values()],
      ({ environment }) => groupName('environment', environment),
      ({ environment, index }, first) => ({
        path: `clusters[${index}].environment`,
        message: `\`${environment}\` becomes the same inventory group as \`${first.environment}\``,
        suggest: 'spell one of them like the other, or choose names that differ in letters or digits',
      }),
    ),
  ],
}
