import { repeated } from '../../config/rules/rule.ts'
import { type AwxRule, placeOf } from './rule.ts'

export const credentialTypeTwice: AwxRule = {
  id: 'awx-credential-type-twice',
  description:
    'A job template takes one credential of each type: of two, AWX refuses the second. A play over two clusters needs two templates.',
  check({ controller_templates, controller_credentials }) {
    const types = new Map(controller_credentials.map(({ name, credential_type }) => [name, credential_type]))
    return controller_templates.flatMap(({ name, credentials }) =>
      repeated(
        credentials.flatMap(credential => {
          const type = types.get(credential)
          return type === undefined ? [] : [{ credential, type }]
        }),
        ({ type }) => type,
        ({ credential, type }, first) => ({
          path: placeOf('controller_templates', name, 'credentials'),
          message: `has two credentials of type \`${type}\`: \`${first.credential}\` and \`${credential}\``,
          suggest: 'make a template for each of them',
        }),
      ),
    )
  },
}
