import production from '../../backups.config.ts'
import type { Config } from '../../src/config/index.ts'
import { type AccessRule, accessRules } from '../../src/generate/access.ts'

/** The rules of every namespace of production's, with each option that adds one. */
export const everyRule: readonly AccessRule[] = production.clusters.flatMap(({ name }) => {
  const config: Config = {
    ...production,
    clusters: production.clusters.map(cluster => ({ ...cluster, podSecurity: 'label' as const })),
    systems: production.systems.map(system =>
      system.kind === 'rancher' ? system : { ...system, serviceAccount: 'backups' },
    ),
  }
  return [...accessRules(config, name).values()].flat()
})
