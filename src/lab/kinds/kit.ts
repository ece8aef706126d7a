import type { KitSystem } from '../../kinds/index.ts'
import type { Receipt } from '../../store/receipt.ts'
import { differences, type Facts } from '../content/difference.ts'
import { labKitKey } from '../kit-key.ts'
import { toolsContainer, withPod } from '../pod.ts'
import { kubectl, type LabAccess, rcloneRemote } from '../reach.ts'
import { newestReceipt } from '../receipts.ts'
import { type LabKind, labNamespace } from './kind.ts'

/** A recovery kit: Secrets of the lab's cluster, encrypted to the lab's own key. */
export const labKit: LabKind<KitSystem> = {
  adapt: system => ({ ...system, namespace: labNamespace(system), recipients: [labKitKey.recipient] }),

  needs({ namespace, secrets, drillIdentity }) {
    const kept = secrets.map(({ name, keys }) => ({
      namespace,
      name,
      data: Object.fromEntries(keys.map(key => [key, `the lab's ${key} of ${namespace}/${name}`])),
    }))
    const drill = drillIdentity && {
      namespace,
      name: drillIdentity.secret,
      data: { [drillIdentity.key]: labKitKey.identity },
    }
    return { secrets: drill ? [...kept, drill] : kept }
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
    const kept = (JSON.parse(list) as { items: { kind: string; metadata: { name: string }; data: Facts }[] }).items
    const inKit = Object.fromEntries(
      kept.filter(item => item.kind === 'Secret').map(item => [item.metadata.name, item.data]),
    )
    log('comparing with the cluster')
    return differences('kit', await secretsInCluster(system, lab), inKit)
  },
}

/** The data of the Secrets that the kit keeps, as they are in the cluster now. */
async function secretsInCluster({ namespace, secrets }: KitSystem, lab: LabAccess): Promise<Facts> {
  const facts: Facts = {}
  for (const { name, keys } of secrets) {
    const { data } = JSON.parse(await kubectl(lab, ['get', `secret/${name}`, '-n', namespace, '-o', 'json']))
    facts[name] = Object.fromEntries(keys.map(key => [key, data[key]]))
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
