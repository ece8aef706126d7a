import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'

const utc = { pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,3})?Z$' }
const Sha256 = Type.String({ pattern: '^[0-9a-f]{64}$' })
const Bytes = Type.Integer({ minimum: 0 })

/** The proof that a run put a copy into its bucket and checked it there. One form for every kind of system. */
export const ReceiptSchema = Type.Object(
  {
    schema: Type.Literal(1),
    system: Type.String({ minLength: 1 }),
    kind: Type.String({ minLength: 1, description: 'rancher, database or media' }),
    start: Type.String(utc),
    end: Type.String(utc),
    taken: Type.String({
      ...utc,
      description: 'the moment whose data the copy holds; earlier than start where an older copy was promoted',
    }),
    bucket: Type.String({ minLength: 1 }),
    object: Type.Object(
      {
        key: Type.String({ minLength: 1 }),
        bytes: Bytes,
        sha256: Sha256,
        etag: Type.String({ minLength: 1 }),
      },
      { additionalProperties: false, description: 'the archive, the dump, or the manifest of a tree' },
    ),
    bytes: Type.Integer({
      minimum: 0,
      description: 'of the whole copy; more than object.bytes where that is a manifest',
    }),
    versions: Type.Record(Type.String(), Type.String(), { description: 'tool or server → its version' }),
    counts: Type.Record(Type.String(), Type.Integer({ minimum: 0 }), {
      description: 'what was counted in the data itself: databases, roles, rows of a table, files',
    }),
    details: Type.Record(Type.String(), Type.Unknown(), { description: 'what only this kind of system has' }),
    previous: Type.Union([Sha256, Type.Null()], { description: "hash of the system's receipt before this one" }),
  },
  { additionalProperties: false },
)

/** @see ReceiptSchema */
export type Receipt = Static<typeof ReceiptSchema>

const compiled = Compile(ReceiptSchema)

/** Where and how a value is no receipt; nothing where it is one. */
export function receiptErrors(value: unknown): { instancePath: string; message: string }[] {
  return compiled.Check(value) ? [] : compiled.Errors(value)
}
