import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import type { CommandModule } from 'yargs'
import packageFile from '../../../package.json' with { type: 'json' }
import { type Environment, openStore } from '../../store/client.ts'
import { writeReceipt } from '../../store/receipt.ts'
import { prune } from '../../store/retention.ts'
import { uploadVerified } from '../../store/upload.ts'
import { Variables } from '../run/environment.ts'
import { log } from '../run/log.ts'
import { conclude, Failure, type Result } from '../run/outcome.ts'

export const command: CommandModule = {
  command: 'kit',
  describe: 'Encrypt named Secrets and the config to the operators, and keep them in the bucket',
  builder: yargs =>
    yargs.example('$0 kit', 'what BACKUP_KIT_ITEMS and BACKUP_KIT_RECIPIENTS say; opened by: age -d -i <key> <kit>'),
  handler: () => conclude('kit', process.env, stop => kit(process.env, stop)),
}

/** A key of a Secret, and the variable that holds its value. */
interface Item {
  secret: string
  key: string
  variable: string
}

const NAME = /^kit-(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z)\.json\.age$/

/**
 * Make a recovery kit: a list of Kubernetes' own manifests, which `age -d -i <key> <kit> | kubectl apply -f -` puts back,
 * encrypted to every recipient. What is in it is never on a disk in the clear.
 */
export async function kit(env: Environment, stop: AbortSignal): Promise<Result> {
  const variables = new Variables(env)
  const system = variables.required('BACKUP_SYSTEM', 'the name that its receipts bear')
  const bucket = variables.required('S3_BUCKET_NAME', 'the bucket that the kit goes to')
  const namespace = variables.required('BACKUP_KIT_NAMESPACE', 'the namespace of the Secrets')
  const keep = variables.count('BACKUP_COUNT', 24, 1)
  const recipients = (variables.optional('BACKUP_KIT_RECIPIENTS') ?? '').split(/[\s,]+/).filter(Boolean)
  if (recipients.length === 0) variables.problem("BACKUP_KIT_RECIPIENTS is not set: the operators' public keys, age1…")
  const items = itemsOf(variables)
  for (const { variable, secret, key } of items) variables.required(variable, `the key ${key} of the Secret ${secret}`)
  variables.check()
  const store = openStore(env)
  const start = new Date()
  const text = JSON.stringify(manifests(namespace, items, env), null, 2)
  const name = `kit-${start.toISOString().slice(0, 19)}Z.json.age`
  const file = join(env.BACKUP_SCRATCH || tmpdir(), name)
  try {
    await encrypt(text, recipients, file, stop)
    const object = await uploadVerified(store, { bucket, key: name, file })
    const { stdout: age } = await execa('age', ['--version'])
    const counts = { secrets: new Set(items.map(item => item.secret)).size, keys: items.length }
    const receipt = await writeReceipt(store, {
      system,
      kind: 'kit',
      start: start.toISOString(),
      end: new Date().toISOString(),
      bucket,
      object: { key: object.key, bytes: object.bytes, sha256: object.sha256, etag: object.etag },
      bytes: object.bytes,
      versions: { agent: packageFile.version, age },
      counts,
      details: { namespace, recipients },
    })
    const takenAt = (key: string) => (NAME.exec(key)?.[1] ? new Date(NAME.exec(key)?.[1] ?? 0) : undefined)
    const removed = await prune(store, { bucket, system, keep, takenAt })
    log(`${bucket}/${name}: ${counts.keys} keys of ${counts.secrets} Secrets for ${recipients.length} people`)
    return {
      system,
      copy: name,
      ...counts,
      recipients: recipients.length,
      prunedBucket: removed.length,
      receipt: receipt.key,
    }
  } finally {
    await rm(file, { force: true })
  }
}

function itemsOf(variables: Variables): Item[] {
  try {
    const items = JSON.parse(variables.required('BACKUP_KIT_ITEMS', 'a list of {secret, key, variable}')) as Item[]
    if (!items.every(item => item.secret && item.key && item.variable)) throw new Error('an item lacks a field')
    return items
  } catch (error) {
    variables.problem(`BACKUP_KIT_ITEMS is no list of {secret, key, variable}: ${(error as Error).message}`)
    return []
  }
}

function manifests(namespace: string, items: readonly Item[], env: Environment): object {
  const names = [...new Set(items.map(item => item.secret))]
  const secrets = names.map(name => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { namespace, name },
    data: Object.fromEntries(
      items
        .filter(item => item.secret === name)
        .map(({ key, variable }) => [key, Buffer.from(env[variable] ?? '').toString('base64')]),
    ),
  }))
  const config = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { namespace, name: 'fragalysis-backups-config' },
    data: { 'config.json': env.BACKUP_KIT_CONFIG ?? '' },
  }
  return { apiVersion: 'v1', kind: 'List', items: env.BACKUP_KIT_CONFIG ? [...secrets, config] : secrets }
}

async function encrypt(text: string, recipients: readonly string[], file: string, stop: AbortSignal): Promise<void> {
  const to = recipients.flatMap(recipient => ['--recipient', recipient])
  const { failed, stderr } = await execa('age', ['--encrypt', ...to, '--output', file], {
    input: text,
    reject: false,
    cancelSignal: stop,
  })
  stop.throwIfAborted()
  if (failed)
    throw new Failure('environment', `age could not encrypt to BACKUP_KIT_RECIPIENTS: ${stderr || 'it cannot be run'}`)
}

/**
 * Open a kit with a key.
 *
 * @returns how many Secrets and keys of Secrets are in it, as its receipt counts them
 * @throws Failure drill when the key does not open it, or it is no kit
 */
export async function openKit(file: string, identity: string, folder: string): Promise<Record<string, number>> {
  const key = join(folder, 'identity')
  await writeFile(key, `${identity.trim()}\n`, { mode: 0o600 })
  const { stdout, stderr, failed } = await execa('age', ['--decrypt', '--identity', key, file], { reject: false })
  await rm(key)
  if (failed) throw new Failure('drill', `the kit does not open with the key of the drills: ${stderr}`)
  try {
    const { items } = JSON.parse(stdout) as { items: { kind: string; data: Record<string, string> }[] }
    const secrets = items.filter(item => item.kind === 'Secret')
    const empty = secrets.some(({ data }) => Object.values(data).some(value => value === ''))
    if (empty) throw new Error('a key of a Secret is empty')
    return { secrets: secrets.length, keys: secrets.reduce((sum, { data }) => sum + Object.keys(data).length, 0) }
  } catch (error) {
    throw new Failure('drill', `the kit opens, yet it is no kit: ${(error as Error).message}`)
  }
}
