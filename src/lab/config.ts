import type { Config } from '../config/index.ts'
import { labKindOf } from './kinds/index.ts'
import { type LabSite, ownSite } from './site.ts'

/**
 * The config of production, adapted to the lab: the same systems, names, buckets, schedules and counts; other addresses,
 * small volumes, and the image that the lab builds. One real Kubernetes stands for every cluster, so each namespace is
 * prefixed with its cluster's name. The status service is deployed by its own test.
 */
export function labConfig({ statusService: _, ...config }: Config, { api, store, images, hostKey } = ownSite): Config {
  return {
    ...config,
    agent: { ...config.agent, image: images.agent, drillImage: images.drill },
    store: { ...config.store, endpoint: store },
    clusters: config.clusters.map(cluster => ({ ...cluster, api })),
    systems: config.systems.map((system, index) => labKindOf(system).adapt(system, index, hostKey)),
  }
}

/** A config of the lab with a second copy of every system, in the lab's second store. */
export function withSecondStore(config: Config, { secondStore }: LabSite = ownSite): Config {
  const name = 'second'
  const schedule = { every: 'day', at: '06:00' } as const
  return {
    ...config,
    otherStores: [{ ...config.store, name, endpoint: secondStore }],
    systems: config.systems.map(system => ({
      ...system,
      second: { store: name, bucket: `${system.bucket}-second`, keep: 1, schedule },
    })),
  }
}
