import { readFileSync, rmSync } from 'node:fs'
import type { Environment } from '../../store/client.ts'
import { log } from './log.ts'

/**
 * The variables of the JSON file `BACKUP_SECRETS_FILE`, which is deleted after it is read; none if it is not set.
 * So the keys are neither on a disk nor in the output of `docker inspect`.
 */
export function secretsFrom({ BACKUP_SECRETS_FILE: file }: Environment): Record<string, string> {
  if (!file) return {}
  try {
    const secrets = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>
    rmSync(file)
    return secrets
  } catch (error) {
    log(`cannot read BACKUP_SECRETS_FILE: ${(error as Error).message}`)
    return {}
  }
}
