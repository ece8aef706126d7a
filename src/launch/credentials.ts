import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { load } from 'js-yaml'
import type { Credential, CredentialType } from '../awx/definitions.ts'
import { CommandFailure, exitCodes } from '../report/failure.ts'

/** A credentials file: the name of an AWX credential → its inputs, in the words of its credential type. */
export type CredentialInputs = Readonly<Record<string, Readonly<Record<string, string | boolean>>>>

/** What credentials inject into a play, as on AWX: environment, ssh key, remote user. */
export interface Injection {
  readonly environment: Record<string, string>
  readonly privateKeyFile?: string
  readonly user?: string
}

/** Reads a credentials file (YAML or JSON). Throws a `CommandFailure` that names the file, never what is in it. */
export async function readCredentials(file: string): Promise<CredentialInputs> {
  try {
    return load(await readFile(file, 'utf8')) as CredentialInputs
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? `: ${String(error.code)}` : ''
    throw new CommandFailure(
      exitCodes.unreachable,
      `the credentials file ${file} cannot be read${code}`,
      'name a file that maps each AWX credential to its inputs, with --credentials',
    )
  }
}

/**
 * Runs `work` with what AWX would inject for these credentials; files with keys are deleted when it returns.
 *
 * The environment of the managed types is AWX's own: its Kubernetes token credential verifies TLS only if it holds a
 * CA certificate.
 */
export async function withInjection<T>(
  credentials: readonly Credential[],
  types: readonly CredentialType[],
  inputs: CredentialInputs,
  work: (injection: Injection) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'backups-credentials-'))
  const keep = async (name: string, text: string) => {
    const path = join(folder, name)
    await writeFile(path, text.endsWith('\n') ? text : `${text}\n`, { mode: 0o600 })
    return path
  }
  try {
    let injection: Injection = { environment: {} }
    for (const credential of credentials) {
      const given = { ...credential.inputs, ...inputs[credential.name] }
      if (inputs[credential.name] === undefined) {
        throw new CommandFailure(
          exitCodes.unreachable,
          `the credential \`${credential.name}\` (${credential.credential_type}) is missing`,
          'add it to the credentials file: its name, and below it its inputs',
        )
      }
      const need = (key: string) => {
        const value = given[key]
        if (value !== undefined && value !== '') return String(value)
        throw new CommandFailure(
          exitCodes.unreachable,
          `the credential \`${credential.name}\` has no \`${key}\``,
          'add it to the credentials file',
        )
      }
      if (credential.credential_type === 'Machine') {
        const key = await keep('ssh_key', need('ssh_key_data'))
        injection = { ...injection, user: need('username'), privateKeyFile: key }
      } else if (credential.credential_type === 'Red Hat Ansible Automation Platform') {
        Object.assign(injection.environment, {
          CONTROLLER_HOST: need('host'),
          CONTROLLER_OAUTH_TOKEN: need('oauth_token'),
          CONTROLLER_VERIFY_SSL: given.verify_ssl === false ? 'False' : 'True',
        })
      } else if (credential.credential_type === 'OpenShift or Kubernetes API Bearer Token') {
        Object.assign(injection.environment, {
          K8S_AUTH_HOST: need('host'),
          K8S_AUTH_API_KEY: need('bearer_token'),
        })
        if (given.verify_ssl !== false && given.ssl_ca_cert) {
          const certificate = await keep('kubernetes-ca.pem', need('ssl_ca_cert'))
          Object.assign(injection.environment, { K8S_AUTH_VERIFY_SSL: 'True', K8S_AUTH_SSL_CA_CERT: certificate })
        } else injection.environment.K8S_AUTH_VERIFY_SSL = 'False'
      } else {
        const type = types.find(t => t.name === credential.credential_type)
        for (const [name, template] of Object.entries(type?.injectors.env ?? {})) {
          injection.environment[name] = template.text.replaceAll(/\{\{ (\w+) \}\}/g, (_, id: string) => need(id))
        }
      }
    }
    return await work(injection)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
