import { type PlaybookResult, runPlaybook } from '../ansible/playbook.ts'
import type { Definitions, JobTemplate, Workflow } from '../awx/definitions.ts'
import { nearest } from '../config/problem.ts'
import { exitCodes, Failure } from '../report/failure.ts'
import { type CredentialInputs, withInjection } from './credentials.ts'

/** How a launch differs from the template's defaults. */
export interface LaunchOptions {
  /** Answers to the survey, by variable. */
  readonly answers: Readonly<Record<string, string>>
  readonly inventory: string
  readonly credentials: CredentialInputs
  /** Added to the play's environment. */
  readonly environment?: Readonly<Record<string, string>>
  readonly check?: boolean
  /** Takes the play's output, a line at a time. */
  readonly log: (line: string) => void
  /** Ends the job, as AWX's cancel does. */
  readonly signal: AbortSignal
}

/** What AWX can launch by its name. */
export type Launchable = JobTemplate | Workflow

export const isWorkflow = (launchable: Launchable): launchable is Workflow => 'nodes' in launchable

/** The job template or workflow of a name; a `Failure` with the nearest names where there is none. */
export function findLaunchable(definitions: Definitions, name: string): Launchable {
  const all = [...definitions.controller_templates, ...definitions.controller_workflows]
  const found = all.find(launchable => launchable.name === name)
  if (found) return found
  const names = all.map(launchable => launchable.name)
  const near = nearest(name, names)
  throw new Failure(
    exitCodes.broken,
    `there is no job template or workflow \`${name}\``,
    near.length > 0 ? `did you mean \`${near[0]}\`?` : `take one of: ${names.join('; ')}`,
  )
}

/** The job template of a name; a `Failure` where there is none. */
export function findTemplate(definitions: Definitions, name: string): JobTemplate {
  const found = findLaunchable(definitions, name)
  if (!isWorkflow(found)) return found
  throw new Failure(exitCodes.broken, `\`${name}\` is a workflow`, 'name one of the job templates that it launches')
}

/** Runs a job template's very definition with ansible-playbook, without AWX; ended when it takes longer than the template's timeout. */
export async function launchLocal(
  definitions: Definitions,
  template: JobTemplate,
  options: LaunchOptions,
): Promise<PlaybookResult> {
  const extraVars = { ...template.extra_vars, ...answersTo(template, options.answers) }
  const wanted = definitions.controller_credentials.filter(c => template.credentials.includes(c.name))
  return withInjection(wanted, definitions.controller_credential_types, options.credentials, async injection => {
    return await runPlaybook(
      {
        playbook: template.playbook,
        inventory: options.inventory,
        limit: template.limit,
        extraVars,
        environment: { ...injection.environment, ...options.environment },
        ...(options.check && { check: true }),
        ...(injection.privateKeyFile !== undefined && { privateKeyFile: injection.privateKeyFile }),
        ...(injection.user !== undefined && { remoteUser: injection.user }),
      },
      { log: options.log, signal: AbortSignal.any([AbortSignal.timeout(template.timeout * 1000), options.signal]) },
    )
  })
}

/**
 * The survey's variables: what was answered, else the default; as AWX checks them.
 *
 * @throws Failure for an answer that is missing, not asked for,, too long, or none of the choices
 */
export function answersTo(template: Launchable, answers: Readonly<Record<string, string>>): Record<string, string> {
  const questions = isWorkflow(template) ? [] : (template.survey_spec?.spec ?? [])
  const known = questions.map(q => q.variable)
  const unknown = Object.keys(answers).find(variable => !known.includes(variable))
  if (unknown !== undefined) {
    throw new Failure(
      exitCodes.broken,
      `\`${template.name}\` asks for no \`${unknown}\``,
      known.length > 0 ? `it asks for ${known.join(', ')}` : 'it asks for nothing',
    )
  }
  const result: Record<string, string> = {}
  for (const question of questions) {
    const value = answers[question.variable] ?? question.default
    if (question.type === 'multiplechoice' && !question.choices.includes(value)) {
      throw new Failure(
        exitCodes.broken,
        `\`${question.variable}\` may not be \`${value}\``,
        `answer one of ${[...question.choices].join(', ')}`,
      )
    }
    if (question.max !== null && value.length > question.max) {
      throw new Failure(
        exitCodes.broken,
        `\`${question.variable}\` may not be longer than ${question.max} characters`,
        'answer in less; restore the rest in another run',
      )
    }
    if (question.required && value === '') {
      throw new Failure(
        exitCodes.broken,
        `\`${question.variable}\` has no answer`,
        `give one: ${question.question_name}`,
      )
    }
    result[question.variable] = value
  }
  return result
}
