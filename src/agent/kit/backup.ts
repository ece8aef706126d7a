import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CommandModule } from 'yargs'
import { type Environment, openStore } from '../../store/client.ts'
import { writeReceipt } from '../../store/receipt.ts'
import { prune } from '../../store/retention.ts'
import { uploadVerified } from '../../store/upload.ts'
import { startTime } from '../run/clock.ts'
import { ageVersion, encryptToFile } from '../run/encryption.ts'
import { log } from '../run/log.ts'
import { conclude, type Result } from '../run/outcome.ts'
import { keepPrivate } from '../run/private.ts'
import { requireProtection } from '../run/protection.ts'
import { agentVersions } from '../run/versions.ts'
import { kitReceipts } from './receipt.ts'
import { type KitItem, type KitSettings, kitSettings } from './settings.ts'

export const command: CommandModule = {
  command: 'kit',
  describe: 'Encrypt named Secrets and the config to the operators, and keep them in the bucket',
  builder: yargs =>
    yargs.example('$0 kit', 'what BACKUP_KIT_ITEMS and BACKUP_RECIPIENTS say; opened by: age -d -i <key> <kit>'),
  handler: () => conclude('kit', process.env, stop => kit(process.env, stop)),
}

const NAME = /^kit-(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z)\.json\.age$/

/**
 * Make a recovery kit: a list of Kubernetes manifests, which `age -d -i <key> <kit> | kubectl apply -f -` restores,
 * encrypted to every recipient. Its content is never written to disk unencrypted.
 */
export async function kit(env: Environment, stop: AbortSignal): Promise<Result> {
  const settings = kitSettings(env)
  const { system, bucket, keep, recipients, items } = settings
  const store = openStore(env)
  const start = await startTime(store, bucket, stop)
  await requireProtection(store, bucket)
  await keepPrivate(store, bucket, { objects: false })
  const text = JSON.stringify(manifests(settings, env), null, 2)
  const name = `kit-${start.toISOString().slice(0, 19)}Z.json.age`
  const file = join(env.BACKUP_SCRATCH || tmpdir(), name)
  try {
    await encryptToFile({ text }, recipients, file, stop)
    const object = await uploadVerified(store, { bucket, key: name, file, stop })
    const counts = { secrets: new Set(items.map(item => item.secret)).size, keys: items.length }
    const receipt = await writeReceipt(store, kitReceipts, {
      system,
      start: start.toISOString(),
      end: store.clock.now().toISOString(),
      bucket,
      object: { key: object.key, bytes: object.bytes, sha256: object.sha256, etag: object.etag },
      bytes: object.bytes,
      versions: { ...agentVersions(), ...(await ageVersion(recipients)) },
      counts,
      details: {
        namespace: settings.namespace,
        recipients,
        ...(settings.config && { configSha256: settings.config.sha256 }),
        contentSha256: createHash('sha256').update(text).digest('hex'),
      },
    })
    const takenAt = (key: string) => (NAME.exec(key)?.[1] ? new Date(NAME.exec(key)?.[1] ?? 0) : undefined)
    const removed = await prune(store, { bucket, system, keep, takenAt })
    log(`${bucket}/${name}: ${counts.keys} keys of ${counts.secrets} Secrets for ${recipients.length} public keys`)
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

function manifests({ namespace, items, fields, folder, config }: KitSettings, env: Environment): object {
  const names = [...new Set(items.map(item => item.secret))]
  const secrets = names.map(name => {
    const { labels, annotations, ...more } = fields.get(name) ?? {}
    return {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { namespace, name, ...(labels && { labels }), ...(annotations && { annotations }) },
      ...more,
      data: Object.fromEntries(
        items
          .filter(item => item.secret === name)
          .map(item => [item.key, secretValue(item, folder, env).toString('base64')]),
      ),
    }
  })
  const about = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { namespace, name: 'fragalysis-backups-config' },
    // The nonce keeps the hash in the receipt from revealing anything about the values.
    data: { nonce: randomBytes(32).toString('hex') },
    ...(config && { binaryData: { 'config.json.gz': config.gzip.toString('base64') } }),
  }
  return { apiVersion: 'v1', kind: 'List', items: [...secrets, about] }
}

function secretValue({ secret, key, variable }: KitItem, folder: string, env: Environment): Buffer {
  if (variable === undefined) return readFileSync(join(folder, secret, key))
  const value = env[variable] ?? ''
  // Node decodes the environment as UTF-8 and so loses invalid bytes.
  return value.includes('\ufffd') ? (ownEnvironment(variable) ?? Buffer.from(value)) : Buffer.from(value)
}

/** The bytes of a variable in this process's initial environment. */
function ownEnvironment(name: string): Buffer | undefined {
  const all = readFileSync('/proc/self/environ', 'latin1').split('\0')
  const found = all.find(text => text.startsWith(`${name}=`))
  return found === undefined ? undefined : Buffer.from(found.slice(name.length + 1), 'latin1')
}
