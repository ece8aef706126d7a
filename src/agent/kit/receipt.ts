import type { ReceiptKind } from '../../store/receipt.ts'

/** The receipts of kits. */
export const kitReceipts = {
  kind: 'kit',
  details: ({ Type, Sha256 }) =>
    Type.Object({
      namespace: Type.String(),
      recipients: Type.Array(Type.String()),
      // Of the config as JSON.
      configSha256: Type.Optional(Sha256),
      // It reveals nothing about the values: what was encrypted holds a random nonce.
      contentSha256: Type.Optional(Sha256),
    }),
} as const satisfies ReceiptKind
