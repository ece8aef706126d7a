import { kubernetesCredentialType } from '../credential-types.ts'
import { type AwxRule, type Finding, placeOf } from './rule.ts'

export const tlsUnverified: AwxRule = {
  id: 'awx-tls-unverified',
  description:
    "AWX turns TLS verification off for a Kubernetes token that comes without the cluster's CA certificate, and says nothing; a webhook may be told to do so as well.",
  check: ({ controller_credentials, controller_notifications }) => [
    ...controller_credentials
      .filter(({ credential_type }) => credential_type === kubernetesCredentialType)
      .flatMap(({ name, inputs, sources }): Finding[] => {
        const path = (key: string) => placeOf('controller_credentials', name, key)
        if (inputs.verify_ssl !== true) {
          return [{ path: path('inputs.verify_ssl'), message: 'turns TLS verification off', suggest: 'write `true`' }]
        }
        if (sources.ssl_ca_cert !== undefined || inputs.ssl_ca_cert !== undefined) return []
        return [
          {
            path: path('sources'),
            message: 'has no `ssl_ca_cert`, so AWX verifies no TLS whatever `verify_ssl` says',
            suggest: "give it a source: the cluster's CA certificate",
          },
        ]
      }),
    ...controller_notifications
      .filter(({ notification_configuration }) => notification_configuration.disable_ssl_verification === true)
      .map(({ name }) => ({
        path: placeOf('controller_notifications', name, 'notification_configuration.disable_ssl_verification'),
        message: 'turns TLS verification off',
        suggest: 'write `false`',
      })),
  ],
}
