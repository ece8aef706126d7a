import type { ReceiptKind } from '../../store/receipt.ts'

/** The receipts of trees of files. */
export const mediaReceipts = {
  kind: 'media',
  details: ({ Type, Count, Utc }) =>
    Type.Object({
      prefix: Type.String({ description: 'of the keys of the files; with its slash, or empty' }),
      recipients: Type.Optional(
        Type.Array(Type.String(), { description: 'age keys that open the copy; absent if it is not encrypted' }),
      ),
      sent: Type.Optional(Count),
      sentBytes: Type.Optional(Count),
      adopted: Type.Optional(
        Type.Integer({ minimum: 0, description: 'files whose object already held their content' }),
      ),
      vanished: Type.Optional(Type.Integer({ minimum: 0, description: 'files that were deleted after the walk' })),
      trashed: Type.Optional(Count),
      removed: Type.Optional(Count),
      audit: Type.Optional(
        Type.Object(
          { at: Utc, objects: Count, differences: Count, repaired: Type.Boolean() },
          { description: 'what the last comparison of the bucket with the manifest found' },
        ),
      ),
      missing: Type.Optional(
        Type.Array(Type.Object({ path: Type.String(), why: Type.String() }), {
          description: 'the first of what could not be copied; counts.missing is how many',
        }),
      ),
      override: Type.Optional(Type.String({ description: 'the BACKUP_OVERRIDE that this run used' })),
    }),
} as const satisfies ReceiptKind

/** The receipts of drills of media, each of which restores one part of the files. */
export const mediaDrillReceipts = {
  kind: 'drill',
  details: ({ Type, Count, Utc }) =>
    Type.Object({
      part: Type.Optional(Type.Integer({ minimum: 1, description: 'the part that was restored' })),
      parts: Type.Optional(Type.Integer({ minimum: 1 })),
      bytes: Type.Optional(Count),
      replica: Type.Optional(
        Type.Object(
          {
            path: Type.String(),
            filled: Utc,
            entries: Count,
            bytes: Count,
            changed: Type.Integer({ minimum: 0, description: 'entries that changed between the two copies' }),
          },
          { description: 'what was restored from the replica: the same part' },
        ),
      ),
    }),
} as const satisfies ReceiptKind
