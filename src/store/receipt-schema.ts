import { type Static, type TProperties, Type } from 'typebox'
import { Compile } from 'typebox/compile'

const utc = { pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,3})?Z$' }
const Sha256Pattern = { pattern: '^[0-9a-f]{64}$' }
const Sha256 = Type.String(Sha256Pattern)
const Count = Type.Integer({ minimum: 0 })
const Seconds = Type.Number({ minimum: 0 })
const StepSeconds = Type.Record(Type.String(), Seconds, { description: 'step → the seconds it took' })

const common = {
  schema: Type.Literal(1),
  system: Type.String({ minLength: 1 }),
  start: Type.String(utc),
  end: Type.String(utc),
  taken: Type.String({
    ...utc,
    description: 'the moment whose data the copy holds; earlier than start where an older copy was promoted',
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
    description: 'of the whole copy; more than object.bytes where that is a manifest',
  }),
  versions: Type.Record(Type.String(), Type.String(), { description: 'tool or server → its version' }),
  counts: Type.Record(Type.String(), Count, {
    description: 'what was counted in the data itself: databases, roles, rows of a table, files',
  }),
  previous: Type.Union([Sha256, Type.Null()], { description: "hash of the system's receipt before this one" }),
}

// Receipts of earlier versions stay readable: a field that they lack is optional, and one that is no longer written is
// ignored.
function receiptOf<Kind extends string, Details extends TProperties>(kind: Kind, details: Details) {
  return Type.Object(
    { ...common, kind: Type.Literal(kind), details: Type.Object(details) },
    { additionalProperties: false },
  )
}

const Database = receiptOf('database', {
  tier: Type.String({ minLength: 1 }),
  database: Type.Union([Type.String(), Type.Null()], { description: 'null: the whole server' }),
  plainBytes: Type.Optional(Type.Integer({ minimum: 0, description: 'of the SQL, uncompressed' })),
  lacks: Type.Optional(
    Type.Array(Type.String(), { description: 'databases and roles of the server that the dump does not hold' }),
  ),
})

const Media = receiptOf('media', {
  prefix: Type.String({ description: 'of the keys of the files; with its slash, or empty' }),
  sent: Type.Optional(Count),
  sentBytes: Type.Optional(Count),
  adopted: Type.Optional(Type.Integer({ minimum: 0, description: 'files whose object already held their content' })),
  vanished: Type.Optional(Type.Integer({ minimum: 0, description: 'files that were deleted after the walk' })),
  trashed: Type.Optional(Count),
  removed: Type.Optional(Count),
  audit: Type.Optional(
    Type.Object(
      { at: Type.String(utc), objects: Count, differences: Count, repaired: Type.Boolean() },
      { description: 'what the last comparison of the bucket with the manifest found' },
    ),
  ),
  missing: Type.Optional(
    Type.Array(Type.Object({ path: Type.String(), why: Type.String() }), {
      description: 'the first of what could not be copied; counts.missing is how many',
    }),
  ),
  override: Type.Optional(Type.String({ description: 'the BACKUP_OVERRIDE that this run used' })),
})

const Rancher = receiptOf('rancher', {
  image: Type.Optional(Type.String()),
  imageId: Type.Optional(Type.String()),
  engine: Type.Optional(Type.String()),
  treeBytes: Type.Optional(Count),
  stoppedSeconds: Type.Optional(Seconds),
  healthySeconds: Type.Optional(Seconds),
  steps: Type.Optional(StepSeconds),
})

const Kit = receiptOf('kit', {
  namespace: Type.String(),
  recipients: Type.Array(Type.String()),
  contentSha256: Type.Optional(
    Type.String({ ...Sha256Pattern, description: 'of what was encrypted, which holds a random nonce' }),
  ),
})

const Drill = receiptOf('drill', {
  seconds: Type.Optional(Seconds),
  part: Type.Optional(Type.Integer({ minimum: 1, description: 'of a media copy: the part that was restored' })),
  parts: Type.Optional(Type.Integer({ minimum: 1 })),
  bytes: Type.Optional(Count),
  server: Type.Optional(Type.String({ description: 'the PostgreSQL server that a dump was restored into' })),
  leftOut: Type.Optional(
    Type.Record(Type.String(), Count, {
      description: 'settings and parameters of a dump that the server does not know, with the number of times',
    }),
  ),
  image: Type.Optional(Type.String()),
  steps: Type.Optional(StepSeconds),
})

/** The proof that a run stored a copy and checked it there; each kind of system adds its own `details`. */
export const ReceiptSchema = Type.Union([Database, Media, Rancher, Kit, Drill])

/** @see ReceiptSchema */
export type ReceiptData = Static<typeof ReceiptSchema>
export type ReceiptKind = ReceiptData['kind']

const compiled = Compile(ReceiptSchema)
const byKind = new Map(ReceiptSchema.anyOf.map(schema => [schema.properties.kind.const as string, Compile(schema)]))

/** Why a value is not a receipt, one entry for each location; empty if it is one. */
export function receiptErrors(value: unknown): { instancePath: string; message: string }[] {
  if (compiled.Check(value)) return []
  const kind = String((value as { kind?: unknown } | null)?.kind)
  const one = byKind.get(kind)
  // The errors of a union list every kind that the value does not match.
  return one ? one.Errors(value) : [{ instancePath: '/kind', message: `"${kind}" is not one of ${[...byKind.keys()]}` }]
}
