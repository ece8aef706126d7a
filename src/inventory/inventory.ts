import { gzipSync, strToU8 } from 'fflate'
import { playbookPython } from '../ansible/yaml.ts'
import type { Config } from '../config/index.ts'
import { backupsGroup, cronjobsGroup, groupName, statusGroup, statusHost } from '../kinds/groups.ts'
import { kindOf, kinds } from '../kinds/index.ts'
import { asSecond, secondSurroundings, secondVariables } from '../kinds/second.ts'

/** An Ansible inventory: groups with their hosts, and each host's variables. */
export interface Inventory {
  readonly groups: Readonly<Record<string, readonly string[]>>
  readonly hosts: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

/**
 * The inventory of a config: a host for each system, in the groups of its kind, its cluster and its environment, so that
 * `--limit` can select a system, a kind or a cluster; the host `awx`, whose variables are AWX's definitions; and that of
 * the status service, if the config has one.
 *
 * @param status the variables of the status service
 */
export function inventory(
  config: Config,
  definitions: Readonly<Record<string, unknown>>,
  status: Readonly<Record<string, unknown>> = {},
): Inventory {
  const groups: Record<string, string[]> = {
    [backupsGroup]: config.systems.map(({ name }) => name),
    [cronjobsGroup]: [],
  }
  for (const kind of Object.keys(kinds)) groups[groupName(kind)] = []
  for (const { name, environment } of config.clusters) {
    groups[groupName('cluster', name)] = []
    groups[groupName('environment', environment)] = []
  }
  const hosts: Record<string, Record<string, unknown>> = {}
  for (const system of config.systems) {
    const kind = kindOf(system)
    const copy = asSecond(system)
    hosts[system.name] = {
      ...kind.hostVariables(system, config),
      ...(system.second &&
        copy &&
        secondVariables(
          system,
          config,
          kind.hostVariables(copy, secondSurroundings(config, system.second)),
          kind.goodCopy(system).maximumAgeHours,
        )),
    }
    groups[groupName(system.kind)]?.push(system.name)
    const cluster = config.clusters.find(c => c.name === kind.cluster(system))
    if (cluster) {
      groups[cronjobsGroup]?.push(system.name)
      groups[groupName('cluster', cluster.name)]?.push(system.name)
      groups[groupName('environment', cluster.environment)]?.push(system.name)
    }
  }
  hosts.awx = {
    ansible_connection: 'local',
    ansible_python_interpreter: playbookPython,
    kit_config: compressed(config),
    ...definitions,
  }
  groups.controller = ['awx']
  groups[statusGroup] = []
  if (config.statusService) {
    hosts[statusHost] = {
      ansible_connection: 'local',
      ansible_python_interpreter: playbookPython,
      ...status,
    }
    groups[statusGroup].push(statusHost)
    groups[groupName('cluster', config.statusService.cluster)]?.push(statusHost)
  }
  return { groups, hosts }
}

/** The config as a kit holds it: JSON, gzip, Base64, in lines. Of fflate, because Node's zlib gives other bytes on other machines. */
function compressed(config: Config): string[] {
  const archive = gzipSync(strToU8(JSON.stringify(config, null, 2)), { level: 9, mtime: 0 })
  return (
    Buffer.from(archive)
      .toString('base64')
      .match(/.{1,100}/g) ?? []
  )
}
