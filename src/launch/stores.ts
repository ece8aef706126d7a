import type { Config } from '../config/index.ts'
import { kindOf, type System } from '../kinds/index.ts'
import { protectEnvironment } from '../kinds/protect.ts'
import type { CredentialInputs } from './credentials.ts'

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
