import type { Config } from '../config/index.ts'
import { kindOf, type System } from '../kinds/index.ts'
import { protectEnvironment } from '../kinds/protect.ts'
import { asSecond, secondStoreCredential } from '../kinds/second.ts'
import type { CredentialInputs } from './credentials.ts'

/**
 * A config of the second copies in one store: the systems that have one there, each with its bucket, schedule and number of
 * copies there. What reads a config reads second copies by it, with the credentials of `secondCredentials`.
 *
 * @param name one of `otherStores`
 */
export function secondOf(config: Config, name: string): Config {
  const systems = config.systems.flatMap(system => (system.second?.store === name ? (asSecond(system) ?? []) : []))
  const { name: _, ...store } = config.otherStores?.find(other => other.name === name) ?? { name, ...config.store }
  return { ...config, store, systems }
}

/** Credentials in which `Store: …` are the keys of the second stores. */
export function secondCredentials(credentials: CredentialInputs): CredentialInputs {
  const others = Object.entries(credentials).filter(([name]) => !name.startsWith('Store: '))
  const prefix = secondStoreCredential('')
  return Object.fromEntries(
    others.map(([name, inputs]) => [name.startsWith(prefix) ? `Store: ${name.slice(prefix.length)}` : name, inputs]),
  )
}

/** The name of the AWX credential with the store's keys for a system's bucket. */
export function storeCredential(system: System): string {
  return `Store: ${kindOf(system).cluster(system) ?? system.name}`
}

/** What `openStore` needs for a system's bucket; undefined if the credentials file lacks `storeCredential`. */
export function storeEnvironment(
  config: Pick<Config, 'store'>,
  system: System,
  credentials: CredentialInputs,
): Record<string, string> | undefined {
  const keys = credentials[storeCredential(system)]
  return (
    keys && {
      RCLONE_S3_ENDPOINT: config.store.endpoint,
      AWS_DEFAULT_REGION: config.store.region,
      ...protectEnvironment(system),
      AWS_ACCESS_KEY_ID: String(keys.access_key_id ?? ''),
      AWS_SECRET_ACCESS_KEY: String(keys.secret_access_key ?? ''),
    }
  )
}
