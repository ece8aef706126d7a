import type { Config } from '../config/index.ts'
import type { System } from '../systems/index.ts'
import type { Volume } from '../systems/kind.ts'
import { labKitKey } from './kitKey.ts'

/** Where the lab's machines are; inside namespaces that the lab makes, never on the user's own network. */
export const addresses = { host: '10.213.7.1', cluster: '10.213.7.10', rancher: '10.213.7.20' } as const

/** The lab's own images, built on the spot. */
export const labImages = {
  agent: 'docker.io/fragalysis-backups/agent:lab',
  drill: 'docker.io/fragalysis-backups/agent:lab-drill',
  rancher: 'docker.io/fragalysis-backups/rancher-stand-in:lab',
  base: 'docker.io/fragalysis-backups/lab:lab',
} as const

/** What of the lab a user may bring along. */
export interface LabAddresses {
  /** The Kubernetes API that stands for every cluster of the config. */
  readonly api: string
  /** The S3 endpoint, as pods, the Rancher host and this machine all reach it. */
  readonly store: string
}

export const labAddresses: LabAddresses = {
  api: `https://${addresses.cluster}:6443`,
  store: `http://${addresses.cluster}:30780`,
}

/**
 * The config of production, moved onto the lab: same systems, names, buckets, schedules and counts; other addresses,
 * small volumes, and the image just built. One real Kubernetes stands for every cluster, so a namespace bears its
 * cluster's name in front.
 */
export function labConfig(config: Config, { api, store } = labAddresses): Config {
  return {
    ...config,
    agent: { image: labImages.agent },
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
