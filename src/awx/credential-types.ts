import { Unsafe } from '../ansible/yaml.ts'
import type { CredentialType } from './vocabulary.ts'

/** The store's keys, injected under the names that every S3 tool reads. */
export const storeCredentialType: CredentialType = {
  name: 'S3 store',
  kind: 'cloud',
  description: "The keys of a bucket's owner at the S3 store",
  inputs: {
    fields: [
      { id: 'access_key_id', label: 'Access key id', type: 'string' },
      { id: 'secret_access_key', label: 'Secret access key', type: 'string', secret: true },
    ],
    required: ['access_key_id', 'secret_access_key'],
  },
  injectors: {
    env: {
      AWS_ACCESS_KEY_ID: new Unsafe('{{ access_key_id }}'),
      AWS_SECRET_ACCESS_KEY: new Unsafe('{{ secret_access_key }}'),
    },
  },
}

/** The keys of the second store, beside those of the first: AWX gives a job no two credentials of one type. */
export const secondStoreCredentialType: CredentialType = {
  ...storeCredentialType,
  name: 'Second S3 store',
  description: 'The keys of a bucket at the second S3 store',
  injectors: {
    env: {
      BACKUP_SECOND_ACCESS_KEY_ID: new Unsafe('{{ access_key_id }}'),
      BACKUP_SECOND_SECRET_ACCESS_KEY: new Unsafe('{{ secret_access_key }}'),
    },
  },
}

/** A dead-man's switch. Its address is all that is needed to silence it, so it is a secret. */
export const heartbeatCredentialType: CredentialType = {
  name: 'Heartbeat',
  kind: 'cloud',
  description: "The URL of a dead-man's switch that every run pings, by the convention of Healthchecks",
  inputs: {
    fields: [{ id: 'url', label: 'Ping URL', type: 'string', secret: true }],
    required: ['url'],
  },
  injectors: { env: { BACKUP_HEARTBEAT_URL: new Unsafe('{{ url }}') } },
}

/** A private key of age, for the jobs that open encrypted copies. */
export const keyCredentialType: CredentialType = {
  name: 'Private age key',
  kind: 'cloud',
  description: 'The private age key with which restores and drills open encrypted copies',
  inputs: {
    fields: [{ id: 'identity', label: 'Private key (AGE-SECRET-KEY-…)', type: 'string', secret: true }],
    required: ['identity'],
  },
  injectors: { env: { BACKUP_IDENTITY: new Unsafe('{{ identity }}') } },
}

export const kubernetesCredentialType = 'OpenShift or Kubernetes API Bearer Token'
export const machineCredentialType = 'Machine'
/** AWX itself, for a job that reads AWX's API. */
export const controllerCredentialType = 'Red Hat Ansible Automation Platform'

/** AWX's own credential types that we use: the kind that names them, and the inputs that our plays need. */
export const managedCredentialTypes: Readonly<
  Record<string, { readonly kind: string; readonly inputs: readonly string[]; readonly secret: readonly string[] }>
> = {
  [kubernetesCredentialType]: {
    kind: 'kubernetes',
    // AWX turns TLS verification off where `ssl_ca_cert` is missing, so it is needed.
    inputs: ['host', 'bearer_token', 'verify_ssl', 'ssl_ca_cert'],
    secret: ['bearer_token', 'ssl_ca_cert'],
  },
  [controllerCredentialType]: {
    kind: 'cloud',
    inputs: ['host', 'oauth_token', 'verify_ssl'],
    secret: ['oauth_token'],
  },
  [machineCredentialType]: { kind: 'ssh', inputs: ['username', 'ssh_key_data'], secret: ['ssh_key_data'] },
}
