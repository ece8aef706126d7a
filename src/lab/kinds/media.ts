import { readFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import type { MediaSystem } from '../../kinds/index.ts'
import { openTreeByHand } from '../../kinds/media.ts'
import { ownFolders } from '../../store/folders.ts'
import { differences, type Facts } from '../content/difference.ts'
import { bytesOnly } from '../content/media-tree.ts'
import { labEncrypt, labKitKey } from '../kit-key.ts'
import { emptyVolume, type InContainer, toolsContainer, withPod, withVolume } from '../pod.ts'
import { rcloneRemote } from '../reach.ts'
import { claimOf, type LabKind, labNamespace, labVolume } from './kind.ts'

/** A tree of files on a volume, and a second volume that stands for the NFS export. */
export const labMedia: LabKind<MediaSystem> = {
  adapt: system => ({
    ...system,
    namespace: labNamespace(system),
    source: labVolume(system.source, system.name),
    replica: labVolume(system.replica, `${system.name}-replica`),
    ...(system.encrypt && { encrypt: labEncrypt(system.name, system.encrypt) }),
  }),

  needs({ name, namespace, source, replica, encrypt }, { files }) {
    const claim = claimOf(source)
    const item = { system: name, namespace, claim, replica: claimOf(replica), files }
    const content = [{ list: 'lab_media', key: `${namespace}/${claim}`, item }]
    return { content, ...(encrypt && { drillKeys: [{ namespace, ...encrypt.drillIdentity, system: name }] }) }
  },

  async state(system, lab) {
    const facts = await withVolume(lab, system, claimOf(system.source), async inContainer => {
      const fingerprint = await fingerprinter(inContainer)
      return await fingerprint('/volume')
    })
    return { facts, summary: `${Object.keys(facts).length} files, folders and links` }
  },

  async destroy(system, lab) {
    await emptyVolume(lab, system, claimOf(system.source))
    await emptyVolume(lab, system, claimOf(system.replica))
  },

  bringBack: (_system, _lab, restore) => restore(),

  /**
   * Restores the tree twice, each time into an empty folder: the bytes of every file with rclone alone; everything –
   * owners, modes, times, links, empty folders – with the agent's `restore`, from the manifest.
   */
  async prove(system, receipt, lab, log) {
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
        { name: 'original', persistentVolumeClaim: { claimName: claimOf(system.source), readOnly: true } },
        { name: 'copy', emptyDir: {} },
      ],
      variables: {
        ...rcloneRemote(store),
        // By these the agent finds the copy.
        BACKUP_SYSTEM: system.name,
        S3_BUCKET_NAME: receipt.bucket,
        RCLONE_S3_ENDPOINT: store.endpoint,
        AWS_DEFAULT_REGION: store.region,
        AWS_ACCESS_KEY_ID: store.accessKeyId,
        AWS_SECRET_ACCESS_KEY: store.secretAccessKey,
        BACKUP_VOLUME_B: '/copy/whole',
        ...(system.encrypt && { BACKUP_IDENTITY: labKitKey.identity }),
      },
    }
    log('starting a pod with an empty folder')
    return await withPod(lab, pod, async inContainer => {
      const fingerprint = await fingerprinter(inContainer)
      await inContainer('tools', ['mkdir', '/copy/files', '/copy/whole'])
      const original = await fingerprint('/original')

      log(`fetching the files of ${receipt.bucket} with rclone`)
      // Below .by-hash/ are files whose path cannot be a key.
      const without = [...ownFolders, '.by-hash/'].flatMap(folder => ['--exclude', `/${folder}**`])
      // The manifest restores the times; asking the bucket for them would double the requests.
      const how = ['--use-server-modtime', '--transfers=8', '--quiet']
      await inContainer('tools', ['rclone', 'copy', `store:${receipt.bucket}`, '/copy/files', ...without, ...how])
      if (system.encrypt) {
        log('decrypting them')
        const script = `cd /copy; mv files media; export KEY=/copy/key; cat > $KEY\n${openTreeByHand}\nmv media files`
        await inContainer('tools', ['bash', '-euo', 'pipefail', '-c', script], `${labKitKey.identity}\n`)
      }
      const files = differences('files', bytesOnly(original), bytesOnly(await fingerprint('/copy/files')))
      if (files.length > 0) return files

      log('restoring owners, modes, times and links from the manifest')
      await inContainer('tools', ['node', '/opt/agent/src/agent/main.ts', 'restore'])
      return differences('tree', original, await fingerprint('/copy/whole'))
    })
  },
}

/** Takes a tree's fingerprint inside the container, with the same file that made the tree. */
async function fingerprinter(inContainer: InContainer): Promise<(directory: string) => Promise<Facts>> {
  // Debian's node does not strip types.
  const program = stripTypeScriptTypes(await readFile(new URL('../content/media-tree.ts', import.meta.url), 'utf8'))
  const node = ['node', '--input-type=module', '-', 'fingerprint']
  return async directory => JSON.parse(await inContainer('tools', [...node, directory], program))
}
