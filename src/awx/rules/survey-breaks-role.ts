import type { RoleOption } from '../project.ts'
import type { SurveyQuestion } from '../vocabulary.ts'
import { type AwxRule, type Finding, orNearest, placeOf } from './rule.ts'

export const surveyBreaksRole: AwxRule = {
  id: 'awx-survey-breaks-role',
  description:
    "A survey offers an answer that the role's `argument_specs` refuses, or asks for a variable that no role has: the job fails after the launch, or ignores the answer.",
  check: ({ controller_templates }, { options }) => {
    const known = [...options.keys()]
    return controller_templates.flatMap(({ name, survey_spec }) =>
      (survey_spec?.spec ?? []).flatMap((question): Finding[] => {
        const path = `${placeOf('controller_templates', name, 'survey_spec')} (${question.variable})`
        const option = options.get(question.variable)
        if (!option) {
          return [
            {
              path,
              message: `no role has an option \`${question.variable}\`: its answer would be ignored`,
              suggest: orNearest(question.variable, known, "declare it in the role's meta/argument_specs.yml"),
            },
          ]
        }
        return refused(question, option).map(choice => ({
          path,
          message: `the role refuses the answer \`${choice}\`, which the survey offers`,
          suggest: option.choices
            ? `offer only ${option.choices.join(', ')}`
            : `offer only what is ${option.type ?? 'str'}`,
        }))
      }),
    )
  },
}

/** The answers of a question that the role would refuse. */
function refused({ choices, default: answer, type }: SurveyQuestion, option: RoleOption): string[] {
  const answers = type === 'multiplechoice' ? [...choices] : answer === '' ? [] : [answer]
  if (option.choices) return answers.filter(choice => !option.choices?.some(allowed => same(allowed, choice)))
  if (option.type === 'int') return answers.filter(choice => !/^-?\d+$/.test(choice))
  if (option.type === 'bool') return answers.filter(choice => !/^(yes|no|true|false|on|off|1|0)$/i.test(choice))
  return []
}

/** YAML reads `yes` as true; the survey sends the word. */
function same(allowed: unknown, choice: string): boolean {
  if (typeof allowed === 'boolean') return /^(yes|true)$/i.test(choice) === allowed
  return String(allowed) === choice
}
