import type { Definitions } from '../vocabulary.ts'
import { type AwxRule, type List, placeOf } from './rule.ts'

export const notificationDoubled: AwxRule = {
  id: 'awx-notification-doubled',
  description:
    'The same notification template on a job template and on its organisation or project, or twice in one list, sends its message twice.',
  check(definitions) {
    const above = parents(definitions)
    return (['controller_templates', 'controller_workflows'] as const).flatMap(list =>
      definitions[list].flatMap(object =>
        Object.entries(object)
          .filter(([key]) => key.startsWith('notification_templates_'))
          .flatMap(([key, names]) =>
            (names as readonly string[])
              .filter((name, index, all) => all.indexOf(name) !== index || above.get(key)?.has(name))
              .map(name => ({
                path: placeOf(list as List, object.name, key),
                message: `\`${name}\` hears of it twice`,
                suggest: 'name it in one place: on the job template',
              })),
          ),
      ),
    )
  },
}

/** What organisations and projects send already, by the event. */
function parents({ controller_organizations, controller_projects }: Definitions): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>()
  for (const object of [...controller_organizations, ...controller_projects]) {
    for (const [key, names] of Object.entries(object)) {
      if (!key.startsWith('notification_templates_')) continue
      const set = found.get(key) ?? new Set()
      for (const name of names as readonly string[]) set.add(name)
      found.set(key, set)
    }
  }
  return found
}
