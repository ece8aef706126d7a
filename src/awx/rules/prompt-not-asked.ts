import type { Definitions, JobTemplate } from '../vocabulary.ts'
import { type AwxRule, type Finding, placeOf } from './rule.ts'

// A field of a schedule or node → the template's switch that lets it be set.
const prompts = {
  limit: 'ask_limit_on_launch',
  job_tags: 'ask_tags_on_launch',
  skip_tags: 'ask_skip_tags_on_launch',
  credentials: 'ask_credential_on_launch',
  inventory: 'ask_inventory_on_launch',
  scm_branch: 'ask_scm_branch_on_launch',
  verbosity: 'ask_verbosity_on_launch',
} as const

export const promptNotAsked: AwxRule = {
  id: 'awx-prompt-not-asked',
  description:
    'A schedule or a workflow node sets a field that its template does not ask for at a launch: AWX refuses it (400). The survey allows its own variables only.',
  check(definitions) {
    const templates = new Map(definitions.controller_templates.map(template => [template.name, template]))
    return launches(definitions).flatMap(({ path, template: name, sets }) => {
      const template = templates.get(name)
      return template ? refused(template, definitions, sets).map(finding => ({ ...finding, path })) : []
    })
  },
}

/** What launches a template on its own: schedules, and the nodes of workflows. */
function launches(definitions: Definitions): { path: string; template: string; sets: object }[] {
  return [
    ...definitions.controller_schedules.map(schedule => ({
      path: placeOf('controller_schedules', schedule.name),
      template: schedule.unified_job_template,
      sets: schedule,
    })),
    ...definitions.controller_workflows.flatMap(({ name, nodes }) =>
      nodes.map(node => ({
        path: placeOf('controller_workflows', name, `nodes (${node.identifier})`),
        template: node.unified_job_template ?? '',
        sets: node,
      })),
    ),
  ]
}

function refused(template: JobTemplate, { controller_defaults }: Definitions, sets: object): Omit<Finding, 'path'>[] {
  const switches = { ...controller_defaults.templates, ...template } as Record<string, unknown>
  const values = sets as Record<string, unknown>
  const fields = Object.entries(prompts).flatMap(([field, ask]) =>
    values[field] === undefined || values[field] === '' || switches[ask] === true
      ? []
      : [
          {
            message: `sets \`${field}\`, which \`${template.name}\` does not ask for`,
            suggest: `remove it, or set \`${ask}\` on the template`,
          },
        ],
  )
  const asked = new Set(template.survey_enabled ? template.survey_spec?.spec.map(({ variable }) => variable) : [])
  const variables = Object.keys((values.extra_data ?? {}) as object)
    .filter(variable => !asked.has(variable) && switches.ask_variables_on_launch !== true)
    .map(variable => ({
      message: `sets the variable \`${variable}\`, which \`${template.name}\` does not ask for`,
      suggest: 'ask for it in the survey, or set `ask_variables_on_launch` on the template',
    }))
  return [...fields, ...variables]
}
