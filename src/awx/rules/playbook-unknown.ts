import { type AwxRule, orNearest, placeOf } from './rule.ts'

export const playbookUnknown: AwxRule = {
  id: 'awx-playbook-unknown',
  description: 'A job template names a playbook that the project does not have: AWX refuses the template.',
  check: ({ controller_templates }, { playbooks }) => {
    const known = [...playbooks.keys()]
    return controller_templates
      .filter(({ playbook }) => !playbooks.has(playbook))
      .map(({ name, playbook }) => ({
        path: placeOf('controller_templates', name, 'playbook'),
        message: `there is no \`${playbook}\``,
        suggest: orNearest(playbook, known, `write it, or name one of ${known.join(', ')}`),
      }))
  },
}
