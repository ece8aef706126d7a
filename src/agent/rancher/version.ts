import type { Container, Image } from './docker.ts'

/** Rancher's version: its image has it in its environment, newer ones in a label as well. */
export function versionOf({ Config }: Container | Image): string {
  const variable = Config.Env?.find(text => text.startsWith('CATTLE_SERVER_VERSION='))
  return variable?.split('=')[1] || Config.Labels?.['org.opencontainers.image.version'] || 'unknown'
}
