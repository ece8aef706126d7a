import type { Project } from '../project.ts'
import { type AwxRule, type Finding, orNearest, placeOf } from './rule.ts'

export const limitEmpty: AwxRule = {
  id: 'awx-limit-empty',
  description:
    "A job template's limit names no host or group of the inventory, or none that its playbook's plays run on: the job does nothing, or fails.",
  check: ({ controller_templates }, project) => {
    const hostsOf = new Map<string, readonly string[]>([
      ...Object.entries(project.inventory.groups),
      ...Object.keys(project.inventory.hosts).map(host => [host, [host]] as const),
    ])
    return controller_templates.flatMap(({ name, limit, playbook }): Finding[] => {
      if (limit === '') return []
      const path = placeOf('controller_templates', name, 'limit')
      const hosts = hostsOf.get(limit)
      if (!hosts) {
        return [
          {
            path,
            message: `there is no host or group \`${limit}\``,
            suggest: orNearest(limit, [...hostsOf.keys()], 'name a system, or a group of them'),
          },
        ]
      }
      if (reached(project, playbook, hosts)) return []
      return [
        {
          path,
          message: `no play of ${playbook} runs on a host of \`${limit}\``,
          suggest: 'name a host that the playbook is for, or another playbook',
        },
      ]
    })
  },
}

function reached({ playbooks }: Project, playbook: string, hosts: readonly string[]): boolean {
  const plays = playbooks.get(playbook)
  if (!plays?.length) return true
  const wanted = new Set(hosts)
  return plays.some(play => play.hosts.some(host => wanted.has(host)))
}
