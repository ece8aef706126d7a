import type { Container } from '../docker.ts'

/** Rancher's version: its image has it in its environment, newer ones in a label as well. */
export function versionOf(rancher: Container): string {
  const variable = rancher.Config.Env?.find(text => text.startsWith('CATTLE_SERVER_VERSION='))
  return variable?.split('=')[1] || rancher.Config.Labels?.['org.opencontainers.image.version'] || 'unknown'
}
