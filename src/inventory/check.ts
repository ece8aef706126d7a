import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { ansibleInventory } from '../ansible/playbook.ts'
import { literal, Unsafe } from '../ansible/yaml.ts'
import type { Problem } from '../report/problem.ts'
import type { Inventory } from './inventory.ts'

/**
 * Compares a generated inventory as Ansible reads it with what was meant. Two programs process the YAML, and they
 * disagree about words such as `yes` or `0755`.
 */
export async function checkInventory(folder: string, meant: Inventory): Promise<Problem[]> {
  const problem = (path: string, message: string): Problem => ({
    ruleId: 'inventory-read-differently',
    severity: 'error',
    location: { file: folder, path },
    message,
    suggest: 'run `npm run generate`; if the problem remains, report it: it is a bug in the generator',
  })
  let read: Awaited<ReturnType<typeof ansibleInventory>>
  try {
    read = await ansibleInventory(join(folder, 'hosts.yml'))
  } catch (error) {
    return [problem('hosts.yml', error instanceof Error ? (error.message.split('\n').at(-1) ?? '') : String(error))]
  }
  const problems: Problem[] = []
  for (const [host, variables] of Object.entries(meant.hosts)) {
    const found = read.hostVariables[host]
    for (const [name, value] of Object.entries(variables)) {
      if (!isDeepStrictEqual(found?.[name], printed(literal(value)))) {
        problems.push(
          problem(`host_vars/${host}.yml`, `ansible-inventory reads \`${name}\` differently than the config means it`),
        )
      }
    }
  }
  for (const [group, hosts] of Object.entries(meant.groups)) {
    const found = [...(read.groups[group]?.hosts ?? [])].sort()
    if (!isDeepStrictEqual(found, [...hosts].sort())) {
      problems.push(problem('hosts.yml', `ansible-inventory finds different hosts in the group \`${group}\``))
    }
  }
  return problems
}

/** A value as `ansible-inventory --list` prints it. */
function printed(value: unknown): unknown {
  if (value instanceof Unsafe) return { __ansible_unsafe: value.text }
  if (Array.isArray(value)) return value.map(printed)
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, printed(inner)]))
  }
  return value
}
