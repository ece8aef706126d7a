import { type AwxRule, type Finding, placeOf } from './rule.ts'

export const limitEmpty: AwxRule = {
  id: 'awx-limit-empty',
  description: "No play of a job template's playbook runs on the hosts of its limit: the job does nothing, or fails.",
  check: ({ controller_templates }, { inventory, playbooks }) =>
    controller_templates.flatMap(({ name, limit, playbook }): Finding[] => {
      const plays = playbooks.get(playbook)
      if (!plays?.length) return []
      const wanted = new Set(inventory.groups[limit] ?? [limit])
      if (plays.some(play => play.hosts.some(host => wanted.has(host)))) return []
      return [
        {
          path: placeOf('controller_templates', name, 'limit'),
          message: `no play of ${playbook} runs on a host of \`${limit}\``,
          suggest: `correct \`hosts\` in ${playbook}`,
        },
      ]
    }),
}
