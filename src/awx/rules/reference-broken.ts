import type { Definitions } from '../vocabulary.ts'
import { type AwxRule, type Finding, type List, orNearest, placeOf } from './rule.ts'

interface Reference {
  readonly from: List | 'controller_roles'
  readonly name: string
  readonly key: string
  readonly to: List | readonly List[]
  readonly names: readonly string[]
}

export const referenceBroken: AwxRule = {
  id: 'awx-reference-broken',
  description: 'A definition names an object that no definition makes: `configure-awx` would stop there.',
  check(definitions) {
    const known = new Map<string, Set<string>>()
    const namesOf = (list: List) => {
      const names =
        known.get(list) ?? new Set((definitions[list] as readonly { name: string }[]).map(({ name }) => name))
      known.set(list, names)
      return names
    }
    return references(definitions).flatMap(({ from, name, key, to, names }): Finding[] => {
      const lists = typeof to === 'string' ? [to] : to
      return names
        .filter(wanted => !lists.some(list => namesOf(list).has(wanted)))
        .map(wanted => ({
          path: placeOf(from, name, key),
          message: `names \`${wanted}\`, which ${lists.join(' or ')} does not define`,
          suggest: orNearest(
            wanted,
            lists.flatMap(list => [...namesOf(list)]),
            `add it to ${lists[0]}`,
          ),
        }))
    })
  },
}

function references(all: Definitions): Reference[] {
  const notifies = (from: List, name: string, object: object) =>
    Object.entries(object)
      .filter(([key]) => key.startsWith('notification_templates_'))
      .map(([key, names]): Reference => ({ from, name, key, to: 'controller_notifications', names: names as string[] }))
  const launched = ['controller_templates', 'controller_workflows'] as const
  return [
    ...all.controller_templates.flatMap((template): Reference[] => {
      const { name } = template
      const from = 'controller_templates'
      return [
        { from, name, key: 'project', to: 'controller_projects', names: [template.project] },
        { from, name, key: 'inventory', to: 'controller_inventories', names: [template.inventory] },
        {
          from,
          name,
          key: 'execution_environment',
          to: 'controller_execution_environments',
          names: [template.execution_environment],
        },
        { from, name, key: 'credentials', to: 'controller_credentials', names: template.credentials },
        { from, name, key: 'labels', to: 'controller_labels', names: template.labels },
        ...notifies(from, name, template),
      ]
    }),
    ...all.controller_workflows.flatMap((workflow): Reference[] => {
      const { name, nodes } = workflow
      const from = 'controller_workflows'
      return [
        {
          from,
          name,
          key: 'nodes',
          to: launched,
          names: nodes.flatMap(node => node.unified_job_template ?? []),
        },
        ...notifies(from, name, workflow),
      ]
    }),
    ...all.controller_schedules.map(
      ({ name, unified_job_template }): Reference => ({
        from: 'controller_schedules',
        name,
        key: 'unified_job_template',
        to: launched,
        names: [unified_job_template],
      }),
    ),
    ...all.controller_inventory_sources.flatMap(({ name, inventory, source_project }): Reference[] => [
      {
        from: 'controller_inventory_sources',
        name,
        key: 'inventory',
        to: 'controller_inventories',
        names: [inventory],
      },
      {
        from: 'controller_inventory_sources',
        name,
        key: 'source_project',
        to: 'controller_projects',
        names: [source_project],
      },
    ]),
    ...all.controller_roles.flatMap((grant): Reference[] => {
      const name = `${grant.team}: ${grant.role}`
      const from = 'controller_roles'
      return [
        { from, name, key: 'team', to: 'controller_teams', names: [grant.team] },
        { from, name, key: 'job_templates', to: 'controller_templates', names: grant.job_templates ?? [] },
        { from, name, key: 'workflows', to: 'controller_workflows', names: grant.workflows ?? [] },
        { from, name, key: 'inventories', to: 'controller_inventories', names: grant.inventories ?? [] },
        { from, name, key: 'projects', to: 'controller_projects', names: grant.projects ?? [] },
      ]
    }),
  ]
}
