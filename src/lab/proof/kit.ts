import type { KitSystem } from '../../kinds/index.ts'
import type { Receipt } from '../../store/receipt.ts'
import { differences, type Facts } from '../content/difference.ts'
import { labKitKey } from '../kit-key.ts'
import { toolsContainer, withPod } from './pod.ts'
import { kubectl, type ProofLab, rcloneRemote } from './reach.ts'

/** Opens the kit with age alone, and compares what is in it with the cluster's Secrets. Returns what differs, in words. */
export async function proveKit(
  system: KitSystem,
  receipt: Receipt,
  lab: ProofLab,
  say: (doing: string) => void,
): Promise<string[]> {
  const list = await openKit(system, receipt, lab, say)
  const kept = (JSON.parse(list) as { items: { kind: string; metadata: { name: string }; data: Facts }[] }).items
  const inKit = Object.fromEntries(
    kept.filter(item => item.kind === 'Secret').map(item => [item.metadata.name, item.data]),
  )
  say('comparing with the cluster')
  const there: Facts = {}
  for (const { name: secret, keys } of system.secrets) {
    const { data } = JSON.parse(await kubectl(lab, ['get', 'secret', secret, '-n', system.namespace, '-o', 'json']))
    there[secret] = Object.fromEntries(keys.map(key => [key, data[key]]))
  }
  return differences('kit', there, inKit)
}

/**
 * Fetches a kit with rclone and opens it with age and the lab's key, as an operator would.
 *
 * @returns the manifests in it, JSON that `kubectl apply` takes
 * @throws Error where the object is not what its receipt says
 */
export async function openKit(
  system: KitSystem,
  { bucket, object }: Receipt,
  lab: ProofLab,
  say: (doing: string) => void,
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
    say(`fetching ${object.key}`)
    await inContainer('tools', ['rclone', 'copyto', `store:${bucket}/${object.key}`, '/copy/kit'])
    const found = (await inContainer('tools', ['sha256sum', '/copy/kit'])).slice(0, 64)
    if (found !== object.sha256) throw new Error(`the object's SHA-256 is ${found}, its receipt says ${object.sha256}`)
    say('opening it')
    return await inContainer('tools', ['age', '-d', '-i', '-', '/copy/kit'], `${labKitKey.identity}\n`)
  })
}
