import { ansibleYaml, literal } from '../ansible/yaml.ts'
import type { Inventory } from './inventory.ts'

/**
 * An inventory as files: path below the inventory's folder → text. The text depends on the inventory alone (sorted, no
 * dates), so that comparing it with the committed files finds every difference.
 */
export function inventoryFiles(inventory: Inventory): Map<string, string> {
  const files = new Map<string, string>()
  const children = Object.fromEntries(
    Object.entries(inventory.groups).map(([group, hosts]) => [
      group,
      { hosts: Object.fromEntries(hosts.map(host => [host, {}])) },
    ]),
  )
  files.set('hosts.yml', text({ all: { children } }))
  for (const [host, variables] of Object.entries(inventory.hosts)) files.set(`host_vars/${host}.yml`, text(variables))
  return files
}

/** The first line of every generated file: its source, and the command that generates it. */
export const generatedMark = '# Made from backups.config.ts by `npm run generate`. Changes here are lost.'

function text(value: unknown): string {
  return `${generatedMark}\n---\n${ansibleYaml(literal(value))}`
}
