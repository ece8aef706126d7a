import type { ReceiptKind } from '../../store/receipt.ts'

/** The receipts of dumps. */
export const databaseReceipts = {
  kind: 'database',
  details: ({ Type }) =>
    Type.Object({
      tier: Type.String({ minLength: 1 }),
      database: Type.Union([Type.String(), Type.Null()], { description: 'null: the whole server' }),
      recipients: Type.Optional(
        Type.Array(Type.String(), { description: 'age keys that open the copy; absent if it is not encrypted' }),
      ),
      plainBytes: Type.Optional(Type.Integer({ minimum: 0, description: 'of the SQL, uncompressed' })),
      lacks: Type.Optional(
        Type.Array(Type.String(), { description: 'databases and roles of the server that the dump does not hold' }),
      ),
    }),
} as const satisfies ReceiptKind
