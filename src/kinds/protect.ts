import Type from 'typebox'

/** The schema of `protect`. */
export const protectSchema = Type.Object(
  {
    mode: Type.Enum(['lock', 'versioning'], {
      description:
        "`versioning`: the bucket keeps what is deleted or replaced, and the agent's key may not delete versions. `lock`: in addition the store lets nobody delete what was written in the last `days`",
    }),
    days: Type.Integer({
      description: 'For how many days a deleted or replaced copy can be brought back, 1 to 3650',
      minimum: 1,
      maximum: 3650,
    }),
  },
  {
    additionalProperties: false,
    description:
      "How the copies are kept from somebody who has the agent's key. The bucket must be set up for it: see docs/buckets.md. Left out: they are not",
  },
)

/** A system's `protect`. */
export type Protect = Type.Static<typeof protectSchema>

/** The agent's variables for a system's protection. */
export function protectEnvironment({ protect }: { readonly protect?: Protect }): Record<string, string> {
  return protect ? { BACKUP_PROTECT: protect.mode, BACKUP_PROTECT_DAYS: String(protect.days) } : {}
}
