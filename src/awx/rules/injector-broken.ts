import { type AwxRule, type Finding, orNearest, placeOf } from './rule.ts'

// Names that AWX sets for its own jobs; a credential type may not set them.
const taken =
  /^(ANSIBLE_|VIRTUAL_ENV$|PATH$|PYTHONPATH$|PROOT_TMP_DIR$|JOB_ID$|PROJECT_REVISION$|INVENTORY_ID$|INVENTORY_HOSTVARS$|REST_API_(URL|TOKEN)$|CALLBACK_|MAX_EVENT_RES$|AD_HOC_COMMAND_ID$|AWX_(HOST|PRIVATE_DATA_DIR)$)/

export const injectorBroken: AwxRule = {
  id: 'awx-injector-broken',
  description:
    "A credential type's injector uses an input that is not declared, or sets a variable that is Ansible's or AWX's own; an input's id is no variable name.",
  check: ({ controller_credential_types }) =>
    controller_credential_types.flatMap(({ name, inputs, injectors }): Finding[] => {
      const ids = inputs.fields.map(({ id }) => id)
      const path = (key: string) => placeOf('controller_credential_types', name, key)
      return [
        ...ids
          .filter(id => !/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(id))
          .map(id => ({
            path: path(`inputs.fields (${id})`),
            message: `\`${id}\` is no name of a variable`,
            suggest: 'use letters, digits and underscores, a letter first',
          })),
        ...inputs.required
          .filter(id => !ids.includes(id))
          .map(id => ({
            path: path('inputs.required'),
            message: `requires \`${id}\`, which is not declared`,
            suggest: orNearest(id, ids, 'declare it in `inputs.fields`'),
          })),
        ...Object.entries(injectors.env).flatMap(([variable, template]): Finding[] => [
          ...(taken.test(variable)
            ? [
                {
                  path: path(`injectors.env.${variable}`),
                  message: "is Ansible's or AWX's own variable, which a credential may not set",
                  suggest: 'use another name',
                },
              ]
            : []),
          ...[...template.text.matchAll(/\{\{\s*([\w.]+)\s*\}\}/g)]
            .map(([, id = '']) => id)
            .filter(id => !ids.includes(id))
            .map(id => ({
              path: path(`injectors.env.${variable}`),
              message: `uses \`${id}\`, which is no input of this type`,
              suggest: orNearest(id, ids, 'declare it in `inputs.fields`'),
            })),
        ]),
      ]
    }),
}
