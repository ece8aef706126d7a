import type { Config } from '../config/index.ts'
import { labKindOf } from './kinds/index.ts'
import { ownSite } from './site.ts'

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
