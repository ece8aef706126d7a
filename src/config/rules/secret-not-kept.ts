import type { DatabaseSystem, KitSystem } from '../../kinds/index.ts'
import { placeOf, type Rule } from './rule.ts'

export const secretNotKept: Rule = {
  id: 'secret-not-kept',
  description:
    'A restored database opens only with its passwords. Without a kit that keeps their Secrets, they are lost with the cluster.',
  check: config =>
    config.systems.flatMap((system, index) => {
      // A cluster that is not defined is another rule's finding.
      if (system.kind !== 'database' || !config.clusters.some(({ name }) => name === system.cluster)) return []
      const kits = config.systems.filter(
        other => other.kind === 'kit' && other.cluster === system.cluster,
      ) as KitSystem[]
      const lacking = secretsOf(system).filter(
        ({ secret, key }) =>
          !kits.some(
            ({ namespace, secrets }) =>
              namespace === system.namespace && secrets.some(({ name, keys }) => name === secret && keys.includes(key)),
          ),
      )
      if (lacking.length === 0) return []
      const names = lacking.map(({ secret, key }) => `\`${key}\` of \`${secret}\``).join(' and ')
      return [
        {
          // The backups run all the same.
          severity: 'warning' as const,
          path: placeOf(config, index),
          message: `no kit keeps ${names} in \`${system.namespace}\``,
          suggest: 'add them to the `secrets` of a kit in that namespace, or add such a kit',
        },
      ]
    }),
}

function secretsOf({ user, password }: DatabaseSystem): { secret: string; key: string }[] {
  return [...(typeof user === 'string' ? [] : [user]), password]
}
