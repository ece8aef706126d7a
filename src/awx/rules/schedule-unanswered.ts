import { type AwxRule, type Finding, placeOf } from './rule.ts'

export const scheduleUnanswered: AwxRule = {
  id: 'awx-question-unanswered',
  description:
    'A schedule or a workflow node must answer every required question of its template, also one that has a default: AWX refuses it otherwise.',
  check({ controller_templates, controller_schedules, controller_workflows }) {
    const required = new Map(
      controller_templates.map(({ name, survey_enabled, survey_spec }) => [
        name,
        survey_enabled ? (survey_spec?.spec ?? []).filter(question => question.required) : [],
      ]),
    )
    const unanswered = (path: string, template: string, answers: Readonly<Record<string, unknown>>): Finding[] =>
      (required.get(template) ?? [])
        .filter(({ variable }) => answers[variable] === undefined || answers[variable] === '')
        .map(({ variable, question_name }) => ({
          path: `${path}.extra_data`,
          message: `does not answer \`${variable}\` (${question_name}), which \`${template}\` must know`,
          suggest: `add \`${variable}\` to \`extra_data\``,
        }))
    return [
      ...controller_schedules.flatMap(({ name, unified_job_template, extra_data }) =>
        unanswered(placeOf('controller_schedules', name), unified_job_template, extra_data),
      ),
      ...controller_workflows.flatMap(({ name, nodes }) =>
        nodes.flatMap(node =>
          unanswered(
            placeOf('controller_workflows', name, `nodes (${node.identifier})`),
            node.unified_job_template ?? '',
            node.extra_data ?? {},
          ),
        ),
      ),
    ]
  },
}
