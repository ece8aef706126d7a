import { kindOf } from '../../kinds/index.ts'
import { placeOf, type Rule } from './rule.ts'

export const secretNotKept: Rule = {
  id: 'secret-not-kept',
  description:
    'A restored database opens only with its passwords, and encrypted copies only with a key. Without a kit that keeps their Secrets, they are lost with the cluster.',
  check: config =>
    config.systems.flatMap((system, index) => {
      const cluster = kindOf(system).cluster(system)
      const namespace = kindOf(system).inCluster(system)?.namespace
      // A cluster that is not defined is another rule's finding.
      if (!config.clusters.some(({ name }) => name === cluster)) return []
      const kept = config.systems
        .filter(
          other => kindOf(other).cluster(other) === cluster && kindOf(other).inCluster(other)?.namespace === namespace,
        )
        .flatMap(other => kindOf(other).secretsKept?.(other) ?? [])
      const lacking = (kindOf(system).secretsNeeded?.(system) ?? []).filter(
        ({ secret, key }) => !kept.some(({ name, keys }) => name === secret && keys.includes(key)),
      )
      if (lacking.length === 0) return []
      const names = lacking.map(({ secret, key }) => `\`${key}\` of \`${secret}\``).join(' and ')
      return [
        {
          // The backups run all the same.
          severity: 'warning' as const,
          path: placeOf(config, index),
          message: `no kit keeps ${names} in \`${namespace}\``,
          suggest: 'add them to the `secrets` of a kit in that namespace, or add such a kit',
        },
      ]
    }),
}
