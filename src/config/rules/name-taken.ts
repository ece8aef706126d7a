import { backupsGroup, cronjobsGroup, groupName, statusGroup, statusHost } from '../../kinds/groups.ts'
import { kindOf, kinds } from '../../kinds/index.ts'
import { type Finding, placeOf, type Rule, repeated } from './rule.ts'

// Names that Ansible, or this project's inventory, gives a meaning of their own.
const taken = new Set([
  ...['all', 'ungrouped', 'localhost', 'awx', 'controller', backupsGroup, cronjobsGroup, statusGroup, statusHost],
  ...Object.keys(kinds).map(kind => groupName(kind)),
])

export const nameTaken: Rule = {
  id: 'name-taken',
  description:
    'Names become hosts and groups of the inventory: a system may not have the name of a group, one with a host of its own not that of a cluster, and two clusters or environments may not become one group.',
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
    ...config.systems.flatMap((system, index): Finding[] =>
      kindOf(system).cluster(system) === undefined && config.clusters.some(({ name }) => name === system.name)
        ? [
            {
              path: placeOf(config, index, 'name'),
              message: `\`${system.name}\` is the name of a cluster, and both would have the credential \`Store: ${system.name}\``,
              suggest: `choose another name, such as \`${system.name}-server\``,
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
