import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { Environment } from '../../store/client.ts'
import { recipientsIn } from '../run/encryption.ts'
import { storeVariables, Variables } from '../run/environment.ts'

/**
 * One key of a Secret. Its value is in the file `<secret>/<key>` of the kit's folder, or in an environment variable.
 */
export interface KitItem {
  secret: string
  key: string
  variable?: string
}

/** What a Secret has besides its values, as in its manifest. */
export interface SecretFields {
  type?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
  immutable?: boolean
}

/** The settings of `kit`. */
export interface KitSettings {
  system: string
  bucket: string
  /** Namespace of the Secrets. */
  namespace: string
  /** Number of copies to keep. */
  keep: number
  /** Public age keys: each owner of one can open the kit alone. */
  recipients: string[]
  items: KitItem[]
  /** By the name of the Secret. */
  fields: ReadonlyMap<string, SecretFields>
  /** Folder in which the Secrets are mounted. */
  folder: string
  /** Becomes a ConfigMap in the kit: JSON, compressed with gzip; undefined: none. */
  config: { readonly gzip: Buffer; readonly sha256: string } | undefined
}

/** @throws Failure environment with every problem */
export function kitSettings(env: Environment): KitSettings {
  const variables = new Variables(env)
  const settings: KitSettings = {
    system: variables.required('BACKUP_SYSTEM', "the system's name"),
    bucket: variables.required('S3_BUCKET_NAME', 'the bucket that the kit goes to'),
    namespace: variables.required('BACKUP_KIT_NAMESPACE', 'the namespace of the Secrets'),
    keep: variables.count('BACKUP_COUNT', 24, 1),
    recipients: recipientsIn(variables),
    items: itemsOf(variables),
    fields: fieldsOf(variables),
    folder: variables.optional('BACKUP_KIT_FOLDER') ?? '/kit',
    config: configOf(variables),
  }
  storeVariables(variables)
  if (settings.recipients.length === 0) {
    variables.problem("BACKUP_RECIPIENTS is not set: the operators' public keys, age1…")
  }
  for (const { variable, secret, key } of settings.items) {
    const file = join(settings.folder, secret, key)
    if (variable !== undefined) variables.required(variable, `the key ${key} of the Secret ${secret}`)
    else if (!existsSync(file)) variables.problem(`${file} is missing: mount the Secret ${secret} there`)
  }
  variables.check()
  return settings
}

/** Opened here, so that no kit holds a config that nobody can read. Its hash is of the text, whatever compressed it. */
function configOf(variables: Variables): KitSettings['config'] {
  const given = variables.optional('BACKUP_KIT_CONFIG')
  if (given === undefined) return undefined
  const gzip = Buffer.from(given, 'base64')
  try {
    const text = gunzipSync(gzip)
    JSON.parse(text.toString())
    return { gzip, sha256: createHash('sha256').update(text).digest('hex') }
  } catch (error) {
    variables.problem(`BACKUP_KIT_CONFIG is not JSON in gzip in Base64: ${(error as Error).message}`)
    return undefined
  }
}

function fieldsOf(variables: Variables): KitSettings['fields'] {
  const text = variables.optional('BACKUP_KIT_SECRETS') ?? '{}'
  try {
    const given = Object.entries(JSON.parse(text) as Record<string, Record<string, unknown>>)
    const known = ['type', 'labels', 'annotations', 'immutable']
    for (const [name, fields] of given) {
      const other = Object.keys(fields).find(field => !known.includes(field))
      if (other !== undefined) throw new Error(`${name} has "${other}", which is none of ${known.join(', ')}`)
    }
    return new Map(given)
  } catch (error) {
    variables.problem(`BACKUP_KIT_SECRETS is not an object of Secrets by name: ${(error as Error).message}`)
    return new Map()
  }
}

function itemsOf(variables: Variables): KitItem[] {
  try {
    const items = JSON.parse(variables.required('BACKUP_KIT_ITEMS', 'a list of {secret, key}')) as KitItem[]
    if (!items.every(item => item.secret && item.key)) throw new Error('an item lacks a field')
    return items
  } catch (error) {
    variables.problem(`BACKUP_KIT_ITEMS is not a list of {secret, key}: ${(error as Error).message}`)
    return []
  }
}
