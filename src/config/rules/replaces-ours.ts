import { kindOf } from '../../kinds/index.ts'
import { placeOf, type Rule } from './rule.ts'

export const replacesOurs: Rule = {
  id: 'replaces-ours',
  description: "`replaces` suspends old CronJobs; naming a system's own CronJob there would suspend its backups.",
  check(config) {
    const cronjobs = config.systems.map(system => ({ system, ...kindOf(system).cronjobs(system) }))
    const owners = new Map(cronjobs.map(({ own, system }) => [own, system]))
    return cronjobs.flatMap(({ system, replaced = [] }, index) =>
      replaced.flatMap((name, at) => {
        const owner = owners.get(name)
        if (!owner) return []
        return [
          {
            path: placeOf(config, index, `replaces[${at}]`),
            message: `this is the CronJob of ${owner === system ? 'this system itself' : `\`${owner.name}\``}, which would be suspended`,
            suggest: 'name old CronJobs only',
          },
        ]
      }),
    )
  },
}
