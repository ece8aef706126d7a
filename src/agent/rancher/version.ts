import type { Container, Image } from './docker.ts'

/** Rancher's version, from the environment of its image; newer images have it in a label too. */
export function versionOf({ Config }: Container | Image): string {
  const variable = Config.Env?.find(text => text.startsWith('CATTLE_SERVER_VERSION='))
  return variable?.split('=')[1] || Config.Labels?.['org.opencontainers.image.version'] || 'unknown'
}
