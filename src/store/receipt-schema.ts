import { type Static, type TObject, Type } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'

const UtcPattern = { pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,3})?Z$' }
const Sha256Pattern = { pattern: '^[0-9a-f]{64}$' }

const Utc = Type.String(UtcPattern)
const Sha256 = Type.String(Sha256Pattern)
const Count = Type.Integer({ minimum: 0 })
const Seconds = Type.Number({ minimum: 0 })
const StepSeconds = Type.Record(Type.String(), Seconds, { description: 'step → the seconds it took' })

/** What the schemas of details are made from. */
const parts = { Type, Utc, Sha256, Count, Seconds, StepSeconds } as const

/** What the receipts of all kinds have in common. */
const Common = Type.Object(
  {
    schema: Type.Literal(1),
    system: Type.String({ minLength: 1 }),
    kind: Type.String({ minLength: 1 }),
    start: Utc,
    end: Utc,
    taken: Type.String({
      ...UtcPattern,
      description: 'the moment whose data the copy holds; earlier than start if an older copy was promoted',
    }),
    bucket: Type.Optional(Type.String({ minLength: 1, description: 'absent in a receipt on the backup volume' })),
    object: Type.Object(
      {
        key: Type.String({ minLength: 1, description: 'of the object; on the backup volume the name of the file' }),
        bytes: Count,
        sha256: Sha256,
        etag: Type.Optional(Type.String({ minLength: 1, description: 'absent in a receipt on the backup volume' })),
      },
      { additionalProperties: false, description: 'the archive, the dump, or the manifest of a tree' },
    ),
    bytes: Type.Integer({
      minimum: 0,
      description: 'of the whole copy; more than object.bytes if the object is a manifest',
    }),
    versions: Type.Record(Type.String(), Type.String(), { description: 'tool or server → its version' }),
    counts: Type.Record(Type.String(), Count, {
      description: 'what was counted in the data itself: databases, roles, rows of a table, files',
    }),
    details: Type.Object({}, { description: 'what the kind of system adds' }),
    previous: Type.Union([Sha256, Type.Null()], { description: "hash of the system's receipt before this one" }),
  },
  { additionalProperties: false },
)

/**
 * The receipts of one kind of system.
 *
 * Receipts of earlier versions stay readable: a field of `details` that they lack is optional, and one that is no
 * longer written is ignored.
 */
export interface ReceiptKind<Name extends string = string, Details extends TObject = TObject> {
  readonly kind: Name
  /** Makes the schema of `details`. A function, because the schema library takes 0.2 s to load. */
  readonly details: (from: typeof parts) => Details
}

/** The proof that a run stored a copy and checked it there; without a kind, its `details` may be anything. */
export type ReceiptData<K extends ReceiptKind = ReceiptKind> =
  K extends ReceiptKind<infer Name, infer Details>
    ? Omit<Static<typeof Common>, 'kind' | 'details'> & {
        kind: Name
        details: string extends Name ? Record<string, unknown> : Static<Details>
      }
    : never

const common = Compile(Common)
const compiled = new WeakMap<ReceiptKind, Validator>()

/** Why a value is not a receipt, one entry for each location; empty if it is one. */
export function receiptErrors(value: unknown): { instancePath: string; message: string }[] {
  return common.Errors(value)
}

/** Why the details of a receipt are not those of its kind, one entry for each location; empty if they are. */
export function detailsErrors(receipt: ReceiptData, kind: ReceiptKind): { instancePath: string; message: string }[] {
  const validator = compiled.get(kind) ?? Compile(Type.Object({ details: kind.details(parts) }))
  compiled.set(kind, validator)
  return validator.Errors(receipt)
}
