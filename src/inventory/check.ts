import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { ansibleInventory } from '../ansible/playbook.ts'
import { literal, Unsafe } from '../ansible/yaml.ts'
import type { Problem } from '../report/problem.ts'
import type { Inventory } from './inventory.ts'

/**
 * Compares what Ansible resolves for every host with what the config means: every variable of the inventory, and every
 * other one, which a `group_vars` or `host_vars` file beside the inventory or the playbooks sets. YAML is read by two
 * programs here that disagree on words such as `yes` or `0755`; this proves that nothing is lost between them.
 */
export async function checkInventory(folder: string, meant: Inventory): Promise<Problem[]> {
  const problem = (
    path: string,
    message: string,
    suggest = 'remove the file that sets it differently (group_vars, host_vars)',
  ): Problem => ({
    ruleId: 'inventory-read-differently',
    severity: 'error',
    location: { file: folder, path },
    message,
    suggest,
  })
  let read: Awaited<ReturnType<typeof ansibleInventory>>
  try {
    read = await ansibleInventory(join(folder, 'hosts.yml'), Object.keys(meant.hosts))
  } catch (error) {
    return [problem('hosts.yml', error instanceof Error ? (error.message.split('\n').at(-1) ?? '') : String(error))]
  }
  const problems: Problem[] = []
  for (const [host, variables] of Object.entries(meant.hosts)) {
    const found = read.hostVariables[host]
    for (const [name, value] of Object.entries(variables)) {
      if (!isDeepStrictEqual(found?.[name], printed(literal(value)))) {
        problems.push(
          problem(`host_vars/${host}.yml`, `Ansible resolves \`${name}\` to another value than the config has`),
        )
      }
    }
    for (const name of Object.keys(found ?? {})) {
      if (name in variables || !Object.hasOwn(found ?? {}, name)) continue
      problems.push(
        problem(
          `host_vars/${host}.yml`,
          `\`${name}\` is set for \`${host}\`, and the config does not set it`,
          'remove the group_vars or host_vars file that sets it; variables come from the config alone',
        ),
      )
    }
  }
  for (const [group, hosts] of Object.entries(meant.groups)) {
    const found = [...(read.groups[group]?.hosts ?? [])].sort()
    if (!isDeepStrictEqual(found, [...hosts].sort())) {
      problems.push(problem('hosts.yml', `Ansible finds other hosts in the group \`${group}\``))
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
