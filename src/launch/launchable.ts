import type { Definitions, JobTemplate, Workflow } from '../awx/definitions.ts'
import { CommandFailure, exitCodes } from '../report/failure.ts'
import { nearest } from '../report/problem.ts'

/** Anything that AWX can launch by its name. */
export type Launchable = JobTemplate | Workflow

export const isWorkflow = (launchable: Launchable): launchable is Workflow => 'nodes' in launchable

/** The job template or workflow of a name; throws a `CommandFailure` with the nearest names if there is none. */
export function findLaunchable(definitions: Definitions, name: string): Launchable {
  const all = [...definitions.controller_templates, ...definitions.controller_workflows]
  const found = all.find(launchable => launchable.name === name)
  if (found) return found
  const names = all.map(launchable => launchable.name)
  const near = nearest(name, names)
  throw new CommandFailure(
    exitCodes.usage,
    `there is no job template or workflow \`${name}\``,
    near.length > 0 ? `did you mean \`${near[0]}\`?` : `use one of: ${names.join('; ')}`,
  )
}

/** The job template of a name; throws a `CommandFailure` if there is none. */
export function findTemplate(definitions: Definitions, name: string): JobTemplate {
  const found = findLaunchable(definitions, name)
  if (!isWorkflow(found)) return found
  throw new CommandFailure(
    exitCodes.usage,
    `\`${name}\` is a workflow`,
    'use one of the job templates that it launches',
  )
}

/**
 * The survey's variables: the answer, else the default; checked as AWX does.
 *
 * @throws CommandFailure for an answer that is missing, not asked for, too long, or none of the choices
 */
export function surveyAnswers(template: Launchable, answers: Readonly<Record<string, string>>): Record<string, string> {
  const questions = isWorkflow(template) ? [] : (template.survey_spec?.spec ?? [])
  const known = questions.map(q => q.variable)
  const unknown = Object.keys(answers).find(variable => !known.includes(variable))
  if (unknown !== undefined) {
    throw new CommandFailure(
      exitCodes.usage,
      `\`${template.name}\` asks for no \`${unknown}\``,
      known.length > 0 ? `it asks for ${known.join(', ')}` : 'it asks for nothing',
    )
  }
  const result: Record<string, string> = {}
  for (const question of questions) {
    const value = answers[question.variable] ?? question.default
    if (question.type === 'multiplechoice' && !question.choices.includes(value)) {
      throw new CommandFailure(
        exitCodes.usage,
        `\`${question.variable}\` may not be \`${value}\``,
        `answer one of ${[...question.choices].join(', ')}`,
      )
    }
    if (question.max !== null && value.length > question.max) {
      throw new CommandFailure(
        exitCodes.usage,
        `\`${question.variable}\` may not be longer than ${question.max} characters`,
        'answer in less; restore the rest in another run',
      )
    }
    if (question.required && value === '') {
      throw new CommandFailure(
        exitCodes.usage,
        `\`${question.variable}\` has no answer`,
        `give one: ${question.question_name}`,
      )
    }
    result[question.variable] = value
  }
  return result
}

/**
 * Survey answers from a command line, `variable=value` each.
 *
 * @throws CommandFailure for a text without a variable
 */
export function readAnswers(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map(text => {
      const at = text.indexOf('=')
      if (at > 0) return [text.slice(0, at), text.slice(at + 1)]
      throw new CommandFailure(
        exitCodes.usage,
        `the answer \`${text}\` is not variable=value`,
        'write --answer variable=value',
      )
    }),
  )
}
