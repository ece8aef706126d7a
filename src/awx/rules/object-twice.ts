import { repeated } from '../../config/rules/rule.ts'
import { type AwxRule, type List, placeOf } from './rule.ts'

const lists: readonly List[] = [
  'controller_credential_types',
  'controller_credentials',
  'controller_execution_environments',
  'controller_projects',
  'controller_inventories',
  'controller_notifications',
  'controller_templates',
  'controller_workflows',
  'controller_schedules',
  'controller_teams',
]

export const objectTwice: AwxRule = {
  id: 'awx-object-twice',
  description:
    'Two objects of one kind with one name: AWX keeps one, and each run of `configure-awx` changes it from the one definition to the other.',
  check: definitions =>
    lists.flatMap(list =>
      repeated(
        definitions[list] as readonly { readonly name: string }[],
        ({ name }) => name,
        ({ name }) => ({
          path: placeOf(list, name),
          message: 'is defined twice',
          suggest: 'give each a name of its own',
        }),
      ),
    ),
}
