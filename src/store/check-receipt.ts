import type { ReceiptKind } from './receipt.ts'

/** The receipts of checks that read a copy back, whatever its kind; they lie among those of drills. */
export const checkReceipts = {
  kind: 'check',
  details: ({ Type, Seconds }) =>
    Type.Object({
      seconds: Type.Optional(Seconds),
      until: Type.Optional(
        Type.String({
          description: 'of a copy that is read in parts: the last path that was read; empty if it was the last of all',
        }),
      ),
      damaged: Type.Optional(
        Type.Array(Type.Object({ key: Type.String(), why: Type.String() }), {
          description: 'the first of what is not what it should be; counts.damaged is how many',
        }),
      ),
    }),
} as const satisfies ReceiptKind
