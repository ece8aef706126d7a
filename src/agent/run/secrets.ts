import { readFileSync, rmSync } from 'node:fs'
import type { Environment } from '../../store/client.ts'
import { log } from './log.ts'

/**
 * The environment, and with it the variables of the JSON file `BACKUP_SECRETS_FILE`, which is removed once read: so the
 * keys stand neither on a disk nor in what `docker inspect` tells of the container for as long as it exists.
 */
export function withSecrets(env: Environment): Environment {
  const file = env.BACKUP_SECRETS_FILE
  if (!file) return env
  try {
    const secrets = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>
    rmSync(file)
    return { ...env, ...secrets }
  } catch (error) {
    log(`cannot read BACKUP_SECRETS_FILE: ${(error as Error).message}`)
    return env
  }
}
