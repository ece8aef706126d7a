import { type AwxRule, placeOf } from './rule.ts'

export const surveyShadows: AwxRule = {
  id: 'awx-survey-shadows',
  description: "A survey's default overrides the template's own variable of that name in silence.",
  check: ({ controller_templates }) =>
    controller_templates.flatMap(({ name, survey_spec, extra_vars }) =>
      (survey_spec?.spec ?? [])
        .filter(({ variable }) => variable in extra_vars)
        .map(({ variable }) => ({
          path: placeOf('controller_templates', name, `extra_vars.${variable}`),
          message: `is never used: the survey asks for \`${variable}\`, and its default wins`,
          suggest: 'remove it from `extra_vars`, or the question from the survey',
        })),
    ),
}
