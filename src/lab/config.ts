import type { Config } from '../config/index.ts'
import type { System } from '../kinds/index.ts'
import type { Volume } from '../kinds/kind.ts'
import { labKitKey } from './kit-key.ts'

/** Where the lab's machines are; inside namespaces that the lab makes, never on the user's own network. */
export const addresses = { host: '10.213.7.1', cluster: '10.213.7.10', rancher: '10.213.7.20' } as const

/** The lab's own images, built on the spot. */
export const labImages = {
  agent: 'docker.io/fragalysis-backups/agent:lab',
  drill: 'docker.io/fragalysis-backups/agent:lab-drill',
  rancher: 'docker.io/fragalysis-backups/rancher-stand-in:lab',
  base: 'docker.io/fragalysis-backups/lab:lab',
} as const

/** What of the lab a user may bring along: a cluster, which has a registry that it pulls images from. */
export interface LabSite {
  /** The Kubernetes API that stands for every cluster of the config. */
  readonly api: string
  /** The S3 endpoint, as pods, the Rancher host and this machine all reach it: a port of the node. */
  readonly store: string
  readonly images: Readonly<Record<keyof typeof labImages, string>>
}

/** The lab's own cluster, into which images are loaded without a registry. */
export const ownSite: LabSite = siteOf(`https://${addresses.cluster}:6443`, addresses.cluster, labImages)

/**
 * A cluster of the user's, with images as its registry names them.
 *
 * @param api its URL
 * @param node the address of one of its nodes, which this machine and the pods reach
 */
export function givenSite(api: string, node: string, registry: string): LabSite {
  const images = Object.entries(labImages).map(([what, name]) => [what, `${registry}/${name.split('/').at(-1)}`])
  // Rancher does not run in the cluster.
  return siteOf(api, node, { ...Object.fromEntries(images), rancher: labImages.rancher })
}

function siteOf(api: string, node: string, images: LabSite['images']): LabSite {
  return { api, store: `http://${node}:30780`, images }
}

/**
 * The config of production, moved onto the lab: same systems, names, buckets, schedules and counts; other addresses,
 * small volumes, and the image just built. One real Kubernetes stands for every cluster, so a namespace bears its
 * cluster's name in front.
 */
export function labConfig(config: Config, { api, store, images } = ownSite): Config {
  return {
    ...config,
    agent: { image: images.agent },
    store: { ...config.store, endpoint: store },
    clusters: config.clusters.map(cluster => ({ ...cluster, api })),
    systems: config.systems.map(moved),
  }
}

function moved(system: System, index: number): System {
  switch (system.kind) {
    case 'rancher':
      return {
        ...system,
        host: addresses.rancher,
        healthUrl: `http://127.0.0.1:${8080 + index}/ping`,
        stopDeadlineSeconds: 60,
        healthyTimeoutSeconds: 120,
      }
    case 'database':
      return { ...system, namespace: labNamespace(system), volume: small(system.volume, system.name) }
    case 'media':
      return {
        ...system,
        namespace: labNamespace(system),
        source: small(system.source, system.name),
        // The kernel here may have no NFS; a volume of the node stands for the export.
        replica: small(system.replica, `${system.name}-replica`),
      }
    case 'kit':
      return { ...system, namespace: labNamespace(system), recipients: [labKitKey.recipient] }
  }
}

/** The one storage class of the lab; its volumes are made ahead, each bound to its claim. */
export const labStorageClass = 'lab'
/** The size every volume of the lab claims; nothing enforces it there. */
export const labVolumeSize = '2Gi'

function labNamespace(system: { readonly cluster: string; readonly namespace: string }): string {
  return `${system.cluster}-${system.namespace}`
}

function small(volume: Volume, name: string): Volume {
  return { claim: 'claim' in volume ? volume.claim : name, size: labVolumeSize, storageClass: labStorageClass }
}
