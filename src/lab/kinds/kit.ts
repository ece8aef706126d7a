import type { KitSystem } from '../../kinds/index.ts'
import type { Receipt } from '../../store/receipt.ts'
import { differences, type Facts } from '../content/difference.ts'
import { labDrillKey, labKitKey } from '../kit-key.ts'
import { toolsContainer, withPod } from '../pod.ts'
import { kubectl, type LabAccess, rcloneRemote } from '../reach.ts'
import { newestReceipt } from '../receipts.ts'
import { type LabKind, labNamespace } from './kind.ts'

/** A Secret with what is easily lost: bytes that are no text, a type, labels, and that it cannot be changed. */
const odd = {
  name: 'odd-secret',
  keys: ['bytes', '.dockerconfigjson'],
  type: 'kubernetes.io/dockerconfigjson',
  labels: { 'example.org/of': 'the-lab' },
  immutable: true,
}
const oddValues: Readonly<Record<string, Buffer>> = {
  bytes: Buffer.from('feedfeed8081ff00', 'hex'),
  '.dockerconfigjson': Buffer.from('{"auths": {}}'),
}

/** A recovery kit: Secrets of the lab's cluster, encrypted to the lab's own keys. */
export const labKit: LabKind<KitSystem> = {
  adapt: ({ drillIdentity, ...system }) => ({
    ...system,
    namespace: labNamespace(system),
    recipients: [labKitKey.recipient],
    ...(drillIdentity && { drillIdentity: { ...drillIdentity, recipient: labDrillKey(system.name).recipient } }),
    secrets: [...system.secrets, odd],
  }),

  needs({ name: system, namespace, secrets, drillIdentity }) {
    const kept = secrets.map(({ keys, ...secret }) => {
      const text = (key: string) => Buffer.from(`the lab's ${key} of ${namespace}/${secret.name}`)
      const value = (key: string) => (secret.name === odd.name ? oddValues[key] : undefined) ?? text(key)
      return { namespace, ...secret, data: Object.fromEntries(keys.map(key => [key, value(key).toString('base64')])) }
    })
    return { secrets: kept, ...(drillIdentity && { drillKeys: [{ namespace, ...drillIdentity, system }] }) }
  },

  async state(system, lab) {
    const facts = await secretsInCluster(system, lab)
    const keys = system.secrets.reduce((sum, secret) => sum + secret.keys.length, 0)
    return { facts, summary: `${keys} keys of ${system.secrets.length} Secrets` }
  },

  async destroy({ namespace, secrets }, lab) {
    const names = secrets.map(({ name }) => `secret/${name}`)
    await kubectl(lab, ['delete', ...names, '-n', namespace, '--ignore-not-found'])
  },

  /** By the runbook's commands, which need an operator's private key and nothing else. */
  async bringBack(system, lab) {
    const manifests = await decryptByHand(system, await newestReceipt(system, lab), lab, () => undefined)
    await kubectl(lab, ['apply', '-f', '-'], manifests)
  },

  /** Opens the kit with age alone, and compares its content with the cluster's Secrets. */
  async prove(system, receipt, lab, log) {
    const list = await decryptByHand(system, receipt, lab, log)
    const kept = (JSON.parse(list) as { items: Secret[] }).items
    const inKit = Object.fromEntries(
      kept
        .filter(item => item.kind === 'Secret')
        .map(item => [item.metadata.name, factsOf(item, Object.keys(item.data))]),
    )
    log('comparing with the cluster')
    return differences('kit', await secretsInCluster(system, lab), inKit)
  },
}

interface Secret {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> }
  readonly type?: string
  readonly immutable?: boolean
  readonly data: Readonly<Record<string, string>>
}

/** What a recovery has to bring back of a Secret. */
function factsOf({ metadata, type = 'Opaque', immutable = false, data }: Secret, keys: readonly string[]): Facts {
  const values = Object.fromEntries(keys.map(key => [key, data[key] ?? null]))
  return { type, immutable, labels: { ...metadata.labels }, data: values }
}

/** The Secrets that the kit keeps, as they are in the cluster now. */
async function secretsInCluster({ namespace, secrets }: KitSystem, lab: LabAccess): Promise<Facts> {
  const facts: Facts = {}
  for (const { name, keys } of secrets) {
    const secret = JSON.parse(await kubectl(lab, ['get', `secret/${name}`, '-n', namespace, '-o', 'json']))
    facts[name] = factsOf(secret, keys)
  }
  return facts
}

/**
 * Fetches a kit with rclone and opens it with age and the lab's key, as an operator would.
 *
 * @returns the manifests in it, JSON that `kubectl apply` takes
 * @throws Error if the object does not match its receipt
 */
async function decryptByHand(
  system: KitSystem,
  { bucket, object }: Receipt,
  lab: LabAccess,
  log: (step: string) => void,
): Promise<string> {
  const name = `kit-of-${system.name}`
  const pod = {
    namespace: system.namespace,
    ownNamespace: false,
    name,
    containers: [toolsContainer(lab, name, [{ name: 'copy', mountPath: '/copy' }])],
    volumes: [{ name: 'copy', emptyDir: {} }],
    variables: rcloneRemote(lab.storeOf(system)),
  }
  return await withPod(lab, pod, async inContainer => {
    log(`fetching ${object.key}`)
    await inContainer('tools', ['rclone', 'copyto', `store:${bucket}/${object.key}`, '/copy/kit'])
    const found = (await inContainer('tools', ['sha256sum', '/copy/kit'])).slice(0, 64)
    if (found !== object.sha256) throw new Error(`the object's SHA-256 is ${found}, its receipt says ${object.sha256}`)
    log('decrypting it')
    return await inContainer('tools', ['age', '-d', '-i', '-', '/copy/kit'], `${labKitKey.identity}\n`)
  })
}
