import type { Question, TemplateUse } from '../kinds/kind.ts'
import { rrule } from '../schedule/index.ts'
import { controllerCredentialType } from './credential-types.ts'
import { marked } from './mark.ts'
import type { Schedule } from './vocabulary.ts'

const answer = (variable: string, name: string, description: string): Question => ({
  question_name: name,
  question_description: description,
  variable,
  type: 'text',
  required: true,
  default: '',
  choices: [],
})

/** Its success is the message, so it is launched only when there is one. Takes seconds. */
export const wellAgain: TemplateUse = {
  name: 'Well again',
  description:
    'Its notification says that a system is well again after an error. Launched by "Tell what is well again", not by people',
  playbook: 'playbooks/well-again.yml',
  limit: 'awx',
  credentials: [],
  survey: [
    answer('well_again_system', 'System', 'The system, or the group of systems, that is well again'),
    answer('well_again_since', 'Since when?', 'Since when it is well, and since when it was not'),
    answer('well_again_bad', 'How bad was it?', 'Which jobs failed, and how often'),
  ],
  timeout: 600,
  scheduled: false,
}

/**
 * AWX cannot notify only of a success that follows a failure. This job looks at the last jobs of every template, and
 * launches `wellAgain` for each system whose jobs failed and succeed again.
 */
export const tellWellAgain: TemplateUse = {
  name: 'Tell what is well again',
  description: 'Look for systems whose jobs failed and succeed again, and launch "Well again" for each',
  playbook: 'playbooks/tell-well-again.yml',
  limit: 'awx',
  credentials: [{ name: 'AWX', type: controllerCredentialType }],
  survey: [],
  timeout: 900,
  scheduled: true,
}

/** Both job templates of what is told after an error has gone. */
export const wellAgainUses: readonly TemplateUse[] = [tellWellAgain, wellAgain]

/** Every hour, as AWX needs it. */
export function wellAgainSchedule(organization: string): Schedule {
  return {
    name: tellWellAgain.name,
    description: marked(tellWellAgain.description),
    unified_job_template: tellWellAgain.name,
    organization,
    rrule: rrule({ every: 'hour', minute: 20 }),
    enabled: true,
    extra_data: {},
  }
}
