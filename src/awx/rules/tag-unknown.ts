import { type AwxRule, type Finding, orNearest, placeOf } from './rule.ts'

// Ansible's own.
const special = ['all', 'always', 'never', 'tagged', 'untagged']

export const tagUnknown: AwxRule = {
  id: 'awx-tag-unknown',
  description: 'A tag that no task of the playbook has runs nothing, and the job is green.',
  check: ({ controller_templates }, { playbooks }) =>
    controller_templates.flatMap((template): Finding[] => {
      const plays = playbooks.get(template.playbook)
      if (!plays?.length) return []
      const known = [...new Set(plays.flatMap(({ tags }) => tags))]
      return (['job_tags', 'skip_tags'] as const).flatMap(key =>
        (template[key] ?? '')
          .split(',')
          .map(tag => tag.trim())
          .filter(tag => tag !== '' && !known.includes(tag) && !special.includes(tag))
          .map(tag => ({
            path: placeOf('controller_templates', template.name, key),
            message: `no task of ${template.playbook} has the tag \`${tag}\``,
            suggest: orNearest(tag, known, `take it away, or tag a task with it`),
          })),
      )
    }),
}
