/** The addresses of the lab's machines, inside namespaces that the lab makes; the user's own network has no route to them. */
export const addresses = { host: '10.213.7.1', cluster: '10.213.7.10', rancher: '10.213.7.20' } as const

/** The images that the lab builds. */
export const labImages = {
  agent: 'docker.io/fragalysis-backups/agent:lab',
  drill: 'docker.io/fragalysis-backups/agent:lab-drill',
  status: 'docker.io/fragalysis-backups/status:lab',
  rancher: 'docker.io/fragalysis-backups/rancher-stand-in:lab',
  base: 'docker.io/fragalysis-backups/lab:lab',
} as const

/** The parts of the lab that a user's own cluster and registry may replace. */
export interface LabSite {
  /** The Kubernetes API that stands for every cluster of the config. */
  readonly api: string
  /** The S3 endpoint, the same for pods, the Docker host and this machine: a port of the node. */
  readonly store: string
  /** The same of the second store, which only `recover --from second` starts. */
  readonly secondStore: string
  readonly images: Readonly<Record<keyof typeof labImages, string>>
  /** The public ssh key of the Docker host; missing until there is one. */
  readonly hostKey?: string
}

/** The lab's own cluster; images are loaded into it without a registry. */
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
  return { api, store: `http://${node}:30780`, secondStore: `http://${node}:30781`, images }
}
