import type { Place, SystemFinding, Volume } from './kind.ts'

interface InNamespace {
  readonly cluster: string
  readonly namespace: string
}

/** The volume of a system as a `Place`. */
export function volumePlace(
  { cluster, namespace }: InNamespace,
  key: string,
  volume: Volume,
  access: Place['access'],
): Place {
  return { key, access, at: 'nfs' in volume ? volume : { cluster, namespace, claim: volume.claim } }
}

/** A volume for messages: `claim im-infra/pg-bu` or `nfs.example:/exports/media`. */
export function volumeText({ namespace }: InNamespace, volume: Volume): string {
  return 'nfs' in volume ? `${volume.nfs.server}:${volume.nfs.path}` : `claim ${namespace}/${volume.claim}`
}

/** A storage class of a claim that `deploy-backups` does not make. */
export function volumeFindings(key: string, volume: Volume): SystemFinding[] {
  if ('nfs' in volume || volume.storageClass === undefined || volume.size !== undefined) return []
  return [
    {
      key: `${key}.storageClass`,
      message: 'has no effect: without `size` the claim must exist, and has its class',
      suggest: 'add `size`, or leave it out',
    },
  ]
}
