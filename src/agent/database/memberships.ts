import { NAME, quoted, readable, unquoted } from './dump-facts.ts'
import type { Session } from './session.ts'

/** A role's membership in another, as a dump of a server grants it. */
export interface Membership {
  group: string
  member: string
  admin: boolean
}

const MEMBERSHIP = new RegExp(`^GRANT (${NAME}) TO (${NAME})(?: WITH ([A-Z, ]+?))?(?: GRANTED BY ${NAME})?;$`)

/** The memberships among a dump's statements. */
export function grantedMemberships(statements: readonly string[]): Membership[] {
  return statements.flatMap(statement => {
    const [, group, member, options = ''] = MEMBERSHIP.exec(statement) ?? []
    if (group === undefined || member === undefined) return []
    const admin = /ADMIN (?:OPTION|TRUE)/.test(options)
    return [{ group: readable(unquoted(group)), member: readable(unquoted(member)), admin }]
  })
}

/**
 * Revoke the unwanted memberships of some roles, together with the grants that depend on them. Wanted memberships and
 * what depends on them stay.
 */
export async function revokeOthers(
  session: Session,
  members: readonly string[],
  wanted: readonly Membership[],
): Promise<void> {
  const key = (group: string, member: string): string => JSON.stringify([group, member])
  const keep = new Map<string, boolean>()
  for (const { group, member, admin } of wanted) {
    keep.set(key(group, member), admin || (keep.get(key(group, member)) ?? false))
  }
  // A revoked grant may take others with it, so they are queried again each time.
  for (;;) {
    const found = await session.rows<{ group: string; member: string; grantor: string; admin: boolean }>(
      `select pg_get_userbyid(roleid)::text as group, pg_get_userbyid(member)::text as member,
         pg_get_userbyid(grantor)::text as grantor, admin_option as admin
       from pg_auth_members where pg_get_userbyid(member) = any($1) order by roleid, member, grantor`,
      [members],
    )
    const other = found.find(({ group, member, admin }) => {
      const admins = keep.get(key(group, member))
      return admins === undefined || (admin && !admins)
    })
    if (!other) return
    const what = keep.has(key(other.group, other.member)) ? 'admin option for ' : ''
    // Before version 16 a membership had one grantor, which REVOKE does not take.
    const grantor = session.version.major >= 16 ? ` granted by ${quoted(other.grantor)}` : ''
    await session.run(`revoke ${what}${quoted(other.group)} from ${quoted(other.member)}${grantor} cascade`)
  }
}
