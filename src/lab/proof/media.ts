import { readFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import type { MediaSystem } from '../../kinds/index.ts'
import type { Receipt } from '../../store/receipt.ts'
import { differences, type Facts } from '../content/difference.ts'
import { bytesOnly } from '../content/media-tree.ts'
import { type InContainer, toolsContainer, withPod } from './pod.ts'
import { type ProofLab, rcloneRemote } from './reach.ts'

/** What the agent keeps in the bucket beside the files. */
const agentFolders = ['.receipts', '.manifests', '.trash']

/**
 * Brings the tree back twice, each time into an empty folder, and compares it with the original volume: every file's
 * bytes with rclone alone, and everything – owners, modes, times, links, empty folders – with the agent's `restore`, from
 * the manifest. Returns what differs, in words.
 */
export async function proveMedia(
  system: MediaSystem,
  receipt: Receipt,
  lab: ProofLab,
  say: (doing: string) => void,
): Promise<string[]> {
  if (!('claim' in system.source)) throw new Error(`${system.name} has no claim for its source: the lab has no NFS`)
  const store = lab.storeOf(system)
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
    variables: {
      ...rcloneRemote(store),
      // What the agent finds the copy by.
      BACKUP_SYSTEM: system.name,
      S3_BUCKET_NAME: receipt.bucket,
      RCLONE_S3_ENDPOINT: store.endpoint,
      AWS_DEFAULT_REGION: store.region,
      AWS_ACCESS_KEY_ID: store.accessKeyId,
      AWS_SECRET_ACCESS_KEY: store.secretAccessKey,
      BACKUP_VOLUME_B: '/copy/whole',
    },
  }
  say('starting a pod with an empty folder')
  return await withPod(lab, pod, async inContainer => {
    const fingerprint = await fingerprinter(inContainer)
    await inContainer('tools', ['mkdir', '/copy/files', '/copy/whole'])
    const original = await fingerprint('/original')

    say(`fetching the files of ${receipt.bucket} with rclone`)
    const without = agentFolders.flatMap(folder => ['--exclude', `/${folder}/**`])
    // The times come back by the manifest; asking the bucket for them would double the requests.
    const how = ['--use-server-modtime', '--transfers=8', '--quiet']
    await inContainer('tools', ['rclone', 'copy', `store:${receipt.bucket}`, '/copy/files', ...without, ...how])
    const files = differences('files', bytesOnly(original), bytesOnly(await fingerprint('/copy/files')))
    if (files.length > 0) return files

    say('restoring owners, modes, times and links by the manifest')
    await inContainer('tools', ['node', '/opt/agent/src/agent/main.ts', 'restore'])
    return differences('tree', original, await fingerprint('/copy/whole'))
  })
}

/** A tree's fingerprint is taken where the tree is, by the very file that the lab made the tree with. */
async function fingerprinter(inContainer: InContainer): Promise<(directory: string) => Promise<Facts>> {
  // The image's node need not know TypeScript: Debian's does not.
  const program = stripTypeScriptTypes(await readFile(new URL('../content/media-tree.ts', import.meta.url), 'utf8'))
  const node = ['node', '--input-type=module', '-', 'fingerprint']
  return async directory => JSON.parse(await inContainer('tools', [...node, directory], program))
}
