import { repeated } from '../../config/rules/rule.ts'
import { type AwxRule, type Finding, placeOf } from './rule.ts'

export const surveyRefused: AwxRule = {
  id: 'awx-survey-refused',
  description:
    'AWX refuses a survey without questions, with a variable asked twice, with choices missing, or whose default is none of its choices.',
  check: ({ controller_templates }) =>
    controller_templates.flatMap(({ name, survey_enabled, survey_spec }): Finding[] => {
      if (!survey_enabled) return []
      const path = placeOf('controller_templates', name, 'survey_spec')
      const questions = survey_spec?.spec ?? []
      if (questions.length === 0) {
        return [{ path, message: 'has no question', suggest: 'ask something, or set `survey_enabled: false`' }]
      }
      return [
        ...repeated(
          questions,
          ({ variable }) => variable,
          ({ variable }) => ({
            path,
            message: `asks for \`${variable}\` twice`,
            suggest: 'remove one of the questions',
          }),
        ),
        ...questions
          .filter(question => question.type === 'multiplechoice')
          .flatMap(({ variable, choices, default: answer }): Finding[] => {
            const at = `${path} (${variable})`
            if (choices.length === 0) return [{ path: at, message: 'has no choices', suggest: 'list them' }]
            if (answer === '' || choices.includes(answer)) return []
            return [
              {
                path: `${at}.default`,
                message: `\`${answer}\` is none of its choices`,
                suggest: `write one of ${[...choices].join(', ')}`,
              },
            ]
          }),
      ]
    }),
}
