import type { AgentKind } from '../run/agent-kind.ts'
import { mediaReceipts } from './receipt.ts'

export const kind: AgentKind<typeof mediaReceipts> = {
  receipts: mediaReceipts,
  commands: { replicate: () => import('./backup.ts') },
  impliedBy: { REPLICATE_DIRECTION: 'replicate' },
  restore: {
    run: async (env, stop) => {
      const { restoreMedia } = await import('./restore.ts')
      const { mediaRestoreSettings } = await import('./settings.ts')
      return await restoreMedia(mediaRestoreSettings(env), env, stop)
    },
    examples: [
      ['S3_BUCKET_NAME=… RESTORE_PATHS=folder/file $0 restore', 'one file of the media, from the latest copy'],
      ['RESTORE_FROM=replica $0 restore', '/volume-a → /volume-b, only what differs'],
    ],
    variables: ` of media (/volume-b is the target, /volume-a the replica):
  RESTORE_FROM                 bucket (by manifest), replica, or objects (a bucket without a manifest)
  RESTORE_PATHS                folders or files, one a line; empty: all`,
  },
  drill: async request => (await import('./drill.ts')).drillMedia(request),
  readBack: async request => (await import('./read-back.ts')).readBackMedia(request),
  readsInParts: true,
  secondCopy: async request => (await import('./second-copy.ts')).secondCopyOfMedia(request),
}
