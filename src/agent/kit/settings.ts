import type { Environment } from '../../store/client.ts'
import { storeVariables, Variables } from '../run/environment.ts'

/** One key of a Secret, and the environment variable that holds its value. */
export interface KitItem {
  secret: string
  key: string
  variable: string
}

/** The settings of `kit`. */
export interface KitSettings {
  system: string
  bucket: string
  /** Of the Secrets. */
  namespace: string
  /** Copies to keep. */
  keep: number
  /** Public keys of age: each of their owners alone can open the kit. */
  recipients: string[]
  items: KitItem[]
  /** Becomes a ConfigMap in the kit; undefined: none. */
  config: string | undefined
}

/** @throws Failure environment with every problem */
export function kitSettings(env: Environment): KitSettings {
  const variables = new Variables(env)
  const settings: KitSettings = {
    system: variables.required('BACKUP_SYSTEM', 'the name that its receipts bear'),
    bucket: variables.required('S3_BUCKET_NAME', 'the bucket that the kit goes to'),
    namespace: variables.required('BACKUP_KIT_NAMESPACE', 'the namespace of the Secrets'),
    keep: variables.count('BACKUP_COUNT', 24, 1),
    recipients: (variables.optional('BACKUP_KIT_RECIPIENTS') ?? '').split(/[\s,]+/).filter(Boolean),
    items: itemsOf(variables),
    config: variables.optional('BACKUP_KIT_CONFIG'),
  }
  storeVariables(variables)
  if (settings.recipients.length === 0) {
    variables.problem("BACKUP_KIT_RECIPIENTS is not set: the operators' public keys, age1…")
  }
  for (const { variable, secret, key } of settings.items) {
    variables.required(variable, `the key ${key} of the Secret ${secret}`)
  }
  variables.check()
  return settings
}

function itemsOf(variables: Variables): KitItem[] {
  try {
    const items = JSON.parse(variables.required('BACKUP_KIT_ITEMS', 'a list of {secret, key, variable}')) as KitItem[]
    if (!items.every(item => item.secret && item.key && item.variable)) throw new Error('an item lacks a field')
    return items
  } catch (error) {
    variables.problem(`BACKUP_KIT_ITEMS is no list of {secret, key, variable}: ${(error as Error).message}`)
    return []
  }
}
