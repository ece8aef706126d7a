import { readFileSync, rmSync } from 'node:fs'
import type { Environment } from '../../store/client.ts'
import { log } from './log.ts'

/**
 * The environment, merged with the variables of the JSON file `BACKUP_SECRETS_FILE`, which is deleted after it is read.
 * So the keys are neither on a disk nor in the output of `docker inspect`.
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
