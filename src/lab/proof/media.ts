import { readFile } from 'node:fs/promises'
import type { Receipt } from '../../store/receipt.ts'
import type { MediaSystem } from '../../systems/index.ts'
import { differences, type Facts } from '../content/difference.ts'
import { bytesOnly } from '../content/mediaTree.ts'
import { toolsContainer, withPod } from './pod.ts'
import { type ProofLab, rcloneRemote } from './reach.ts'

/** What the agent keeps in the bucket beside the files. */
const agentFolders = ['.receipts', '.manifests', '.trash']

/**
 * Brings the bucket's files into an empty folder with rclone alone, and compares them with the original volume. Returns
 * what differs, in words.
 */
export async function proveMedia(
  system: MediaSystem,
  receipt: Receipt,
  lab: ProofLab,
  say: (doing: string) => void,
): Promise<string[]> {
  if (!('claim' in system.source)) throw new Error(`${system.name} has no claim for its source: the lab has no NFS`)
  const name = `proof-${system.name}`
  const pod = {
    namespace: system.namespace,
    ownNamespace: false,
    name,
    containers: [
      toolsContainer(lab, name, [
        { name: 'original', mountPath: '/original', readOnly: true },
        { name: 'copy', mountPath: '/copy' },
      ]),
    ],
    volumes: [
      { name: 'original', persistentVolumeClaim: { claimName: system.source.claim, readOnly: true } },
      { name: 'copy', emptyDir: {} },
    ],
    variables: rcloneRemote(lab.storeOf(system)),
  }
  say('starting a pod with an empty folder')
  return await withPod(lab, pod, async inContainer => {
    say(`fetching the files of ${receipt.bucket}`)
    const without = agentFolders.flatMap(folder => ['--exclude', `/${folder}/**`])
    await inContainer('tools', [
      'rclone',
      'copy',
      `store:${receipt.bucket}`,
      '/copy',
      ...without,
      '--transfers=8',
      '--quiet',
    ])

    say('comparing with the original')
    const program = await readFile(new URL('../content/mediaTree.ts', import.meta.url), 'utf8')
    const fingerprint = async (directory: string): Promise<Facts> =>
      JSON.parse(
        await inContainer('tools', ['node', '--input-type=module-typescript', '-', 'fingerprint', directory], program),
      )
    return differences('media', bytesOnly(await fingerprint('/original')), bytesOnly(await fingerprint('/copy')))
  })
}
