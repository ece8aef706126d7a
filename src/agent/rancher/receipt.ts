import type { ReceiptKind } from '../../store/receipt.ts'

/** The receipts of archives of Rancher's data. */
export const rancherReceipts = {
  kind: 'rancher',
  details: ({ Type, Count, Seconds, StepSeconds }) =>
    Type.Object({
      recipients: Type.Optional(
        Type.Array(Type.String(), { description: 'age keys that open the copy; absent if it is not encrypted' }),
      ),
      image: Type.Optional(Type.String()),
      imageId: Type.Optional(Type.String()),
      engine: Type.Optional(Type.String()),
      treeBytes: Type.Optional(Count),
      stoppedSeconds: Type.Optional(Seconds),
      healthySeconds: Type.Optional(Seconds),
      steps: Type.Optional(StepSeconds),
    }),
} as const satisfies ReceiptKind
