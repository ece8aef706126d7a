import { type AwxRule, placeOf } from './rule.ts'

export const roleTooWide: AwxRule = {
  id: 'awx-role-too-wide',
  description: 'Nobody needs to administer an object to launch a backup or a restore: execute, read and approval do.',
  check: ({ controller_roles }) =>
    controller_roles
      .filter(({ role }) => role === 'admin')
      .map(({ team, role }) => ({
        path: placeOf('controller_roles', `${team}: ${role}`),
        message: `lets \`${team}\` change what it should only run`,
        suggest: 'grant `execute` on templates, `approval` on workflows, `read` on the rest',
      })),
}
