import { type PlaybookResult, runPlaybook } from '../ansible/playbook.ts'
import type { Definitions, JobTemplate } from '../awx/definitions.ts'
import { type CredentialInputs, withInjection } from './credentials.ts'
import { surveyAnswers } from './launchable.ts'

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

/** Runs a job template with ansible-playbook, without AWX, for at most the template's timeout. */
export async function launchLocal(
  definitions: Definitions,
  template: JobTemplate,
  options: LaunchOptions,
): Promise<PlaybookResult> {
  const extraVars = { ...template.extra_vars, ...surveyAnswers(template, options.answers) }
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
