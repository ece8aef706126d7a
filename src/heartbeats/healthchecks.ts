import { CommandFailure, exitCodes } from '../report/failure.ts'
import type { Check } from './checks.ts'

/** The address that a run pings; whoever has it can report success, so it is a secret. */
export interface MadeCheck {
  readonly check: Check
  readonly url: string
  readonly isNew: boolean
}

const TIMEOUT_MS = 30_000

/**
 * Make the checks by the management API of Healthchecks, version 3, or bring those of the same name up to date.
 *
 * @param api its URL, such as `https://healthchecks.example/api/v3/`
 * @throws CommandFailure if it cannot be reached, or refuses
 */
export async function makeChecks(api: string, key: string, checks: readonly Check[]): Promise<MadeCheck[]> {
  const url = new URL('checks/', api.endsWith('/') ? api : `${api}/`)
  const made: MadeCheck[] = []
  for (const check of checks) {
    const { name, description, schedule, timezone, graceSeconds } = check
    const body = {
      name,
      desc: description,
      tags: 'backups',
      schedule,
      tz: timezone,
      grace: graceSeconds,
      unique: ['name'],
    }
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': key },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }).catch(error => {
      const cause = (error as { cause?: Error }).cause?.message ?? String(error)
      throw new CommandFailure(exitCodes.unreachable, `${url.href} does not answer: ${cause}`, 'check `heartbeats.api`')
    })
    const text = await response.text()
    if (!response.ok) {
      const next =
        response.status === 401
          ? 'set HEALTHCHECKS_API_KEY to a read-write key of the project'
          : response.status === 403
            ? 'raise the limit of checks of the account'
            : 'see what it says'
      throw new CommandFailure(
        exitCodes.unreachable,
        `${url.host} refuses the check \`${name}\` (HTTP ${response.status}): ${text.slice(0, 200)}`,
        next,
      )
    }
    made.push({ check, url: (JSON.parse(text) as { ping_url: string }).ping_url, isNew: response.status === 201 })
  }
  return made
}

/** The Secrets with the addresses, for `kubectl apply`, and the inputs of AWX's credentials, as a credentials file has them. */
export function addresses(made: readonly MadeCheck[], secret: string) {
  const namespaces = new Map<string, { cluster: string; namespace: string; data: Record<string, string> }>()
  const credentials: Record<string, { url: string }> = {}
  for (const { check, url } of made) {
    if ('credential' in check.to) {
      credentials[check.to.credential] = { url }
      continue
    }
    const { cluster, namespace, key } = check.to
    const place = `${cluster}/${namespace}`
    const entry = namespaces.get(place) ?? { cluster, namespace, data: {} }
    entry.data[key] = url
    namespaces.set(place, entry)
  }
  const secrets = [...namespaces.values()].map(({ cluster, namespace, data }) => ({
    cluster,
    manifest: {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: secret, namespace },
      stringData: data,
    },
  }))
  return { credentials, secrets }
}
