import type { Definitions, JobTemplate } from '../awx/definitions.ts'
import type { CredentialInputs } from '../launch/credentials.ts'
import { launchLocal } from '../launch/launch-local.ts'
import { CommandFailure } from '../report/failure.ts'
import type { Comparison, Difference, FieldDifference } from './difference.ts'

/** One host's result of one task, from Ansible's JSON callback. */
interface TaskResult {
  readonly changed?: boolean
  readonly failed?: boolean
  readonly unreachable?: boolean
  readonly msg?: unknown
  readonly method?: string
  readonly result?: {
    readonly kind?: string
    readonly metadata?: { readonly namespace?: string; readonly name?: string }
  }
  readonly diff?: { readonly before?: unknown; readonly after?: unknown }
  readonly results?: readonly TaskResult[]
}
interface PlayOutput {
  readonly plays: readonly {
    readonly tasks: readonly {
      readonly task: { readonly name: string }
      readonly hosts: Readonly<Record<string, TaskResult>>
    }[]
  }[]
}

/**
 * Compares each cluster with the config, by running the play that deploys it in check mode: what it would create or
 * change, and which prerequisites are missing (Secrets, claims, accounts). Reads only.
 *
 * @param inventory the folder of the inventory that the definitions are of
 */
export async function compareWithClusters(
  definitions: Definitions,
  inventory: string,
  credentials: CredentialInputs,
  signal: AbortSignal,
): Promise<Comparison> {
  const deployments = definitions.controller_templates.filter(t => t.playbook === 'playbooks/deploy-backups.yml')
  const parts: Comparison[] = []
  // One after another: each is a play over a whole cluster.
  for (const template of deployments) parts.push(await check(definitions, template, inventory, credentials, signal))
  return {
    differences: parts.flatMap(part => part.differences),
    compared: parts.reduce((sum, part) => sum + part.compared, 0),
    unreachable: parts.flatMap(part => part.unreachable),
  }
}

async function check(
  definitions: Definitions,
  template: JobTemplate,
  inventory: string,
  credentials: CredentialInputs,
  signal: AbortSignal,
): Promise<Comparison> {
  const away = (why: string, next: string): Comparison => ({
    differences: [],
    compared: 0,
    unreachable: [{ what: template.name, why, next }],
  })
  let output: string
  try {
    const play = await launchLocal(definitions, template, {
      answers: {},
      inventory,
      credentials,
      check: true,
      environment: { ANSIBLE_STDOUT_CALLBACK: 'ansible.posix.json', ANSIBLE_DEPRECATION_WARNINGS: 'false' },
      log: () => {},
      signal,
    })
    output = play.output
  } catch (error) {
    if (error instanceof CommandFailure) return away(error.message, error.next)
    throw error
  }
  // Warnings go before and after it.
  const [from, to] = [output.indexOf('{\n'), output.lastIndexOf('}')]
  if (from === -1) {
    return away(lastLine(output), `npm run launch -- "${template.name}" --local --check shows all of it`)
  }
  return readChecks(JSON.parse(output.slice(from, to + 1)) as PlayOutput, template.name)
}

/** The differences that a play in check mode reports. */
function readChecks({ plays }: PlayOutput, name: string): Comparison {
  const differences: Difference[] = []
  const unreachable: { what: string; why: string; next: string }[] = []
  const hosts = new Set<string>()
  for (const { task, hosts: results } of plays.flatMap(play => play.tasks)) {
    for (const [host, whole] of Object.entries(results)) {
      hosts.add(host)
      const items = whole.results ?? [whole]
      for (const result of items) {
        if (result.unreachable || (result.failed && cannotReach(result))) {
          unreachable.push({
            what: `${name}, for ${host}`,
            why: text(result.msg),
            next: 'check the credential and the network',
          })
        } else if (result.failed) {
          differences.push({
            sign: '!',
            where: 'cluster',
            kind: 'need',
            name: host,
            fields: [],
            note: text(result.msg),
          })
        } else if (result.changed) differences.push(changed(host, task.name, result))
      }
    }
  }
  return { differences, compared: hosts.size, unreachable: unique(unreachable) }
}

function changed(host: string, task: string, { result, method, diff }: TaskResult): Difference {
  const { kind, metadata } = result ?? {}
  const isNew = method === 'create'
  return {
    sign: isNew ? '+' : '~',
    where: 'cluster',
    kind: kind ?? 'task',
    name: metadata?.name ? `${metadata.namespace ?? host}/${metadata.name}` : `${host}: ${task.replace(/^\S+ : /, '')}`,
    fields: isNew ? [] : leaves(diff?.before, diff?.after, ''),
    note: `for ${host}`,
  }
}

// Fields that the API server writes itself, or fills in after a change.
const kept = /^\.?(metadata\.(generation|resourceVersion|managedFields|uid|creationTimestamp)|status)\b/

/** The places where two values differ, each with both. */
function leaves(is: unknown, wanted: unknown, path: string): FieldDifference[] {
  if (kept.test(path)) return []
  if (isObject(is) && isObject(wanted)) {
    return [...new Set([...Object.keys(is), ...Object.keys(wanted)])].flatMap(key =>
      leaves(is[key], wanted[key], path === '' ? key : `${path}.${key}`),
    )
  }
  return JSON.stringify(is) === JSON.stringify(wanted) ? [] : [{ field: path, is, wanted }]
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** kubernetes.core fails the task and never reports the host as unreachable. */
function cannotReach({ msg }: TaskResult): boolean {
  return /refused|timed out|Unauthorized|401|Max retries|Name or service not known|certificate/i.test(text(msg))
}

const text = (message: unknown) => (typeof message === 'string' ? message : JSON.stringify(message ?? 'failed'))

function unique<T>(items: readonly T[]): T[] {
  return [...new Map(items.map(item => [JSON.stringify(item), item])).values()]
}

function lastLine(output: string): string {
  return output.trim().split('\n').at(-1)?.slice(0, 300) ?? 'the play printed nothing'
}
