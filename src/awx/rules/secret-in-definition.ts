import { managedCredentialTypes } from '../credential-types.ts'
import { type AwxRule, placeOf } from './rule.ts'

export const secretInDefinition: AwxRule = {
  id: 'awx-secret-in-definition',
  description: 'A secret input of a credential has its value in the definitions, which are committed for all to read.',
  check({ controller_credentials, controller_credential_types }) {
    const secrets = new Map<string, readonly string[]>([
      ...Object.entries(managedCredentialTypes).map(([name, { secret }]) => [name, secret] as const),
      ...controller_credential_types.map(
        ({ name, inputs }) => [name, inputs.fields.filter(({ secret }) => secret).map(({ id }) => id)] as const,
      ),
    ])
    return controller_credentials.flatMap(({ name, credential_type, inputs }) =>
      Object.keys(inputs)
        .filter(input => secrets.get(credential_type)?.includes(input))
        .map(input => ({
          path: placeOf('controller_credentials', name, `inputs.${input}`),
          message: 'is a secret, and its value stands here',
          suggest: 'name its source under `sources` instead, and change the secret: it has been seen',
        })),
    )
  },
}
