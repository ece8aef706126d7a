import { definitions } from '../awx/definitions.ts'
import type { Config } from '../config/index.ts'
import { kindOf, type System } from '../kinds/index.ts'
import type { TemplateUse } from '../kinds/kind.ts'
import { type CredentialInputs, readCredentials } from '../launch/credentials.ts'
import { launchLocal } from '../launch/launch-local.ts'
import { findTemplate } from '../launch/launchable.ts'
import { CommandFailure, exitCodes } from '../report/failure.ts'
import { inParallel } from '../store/parallel.ts'
import { labDrillKey } from './kit-key.ts'
import type { Lab } from './lab.ts'

/** How many systems are worked on at once, as AWX runs jobs of different templates: most of the time goes into waiting for pods. */
export const AT_ONCE = 3

/** Launches a job template by its name with answers to its survey; returns how long it took, in seconds. @throws CommandFailure if it fails */
export type Launch = (name: string, answers?: Readonly<Record<string, string>>) => Promise<number>

/** Launches on the lab what AWX would launch: its definitions, with the credentials it would inject. */
export async function launcher(lab: Lab, log: (line: string) => void, signal: AbortSignal): Promise<Launch> {
  const all = definitions(lab.config)
  const credentials = { ...(await readCredentials(lab.credentials)), ...privateKeys(lab.config) }
  return async (name, answers = {}) => {
    const started = performance.now()
    log(`job template "${name}"`)
    const lines: string[] = []
    const { exitCode } = await launchLocal(all, findTemplate(all, name), {
      answers,
      inventory: lab.inventory,
      credentials,
      signal,
      log: line => {
        lines.push(line)
        const task = /^(?:TASK \[(.*?)\]|(fatal.*))/.exec(line)
        if (task) log(`${name}: ${task[1] ?? task[2]}`)
      },
    })
    if (exitCode === 0) return (performance.now() - started) / 1000
    throw new CommandFailure(
      exitCodes.findings,
      `the job "${name}" failed (ansible-playbook: ${exitCode})\n${lines.slice(-40).join('\n')}`,
      'see its last lines above',
    )
  }
}

/** The private keys with which AWX's jobs open encrypted copies, if a credential, not a Secret, holds them. */
function privateKeys({ systems }: Config): CredentialInputs {
  return Object.fromEntries(
    systems.flatMap(system =>
      kindOf(system)
        .templates(system)
        .flatMap(({ credentials }) => credentials.filter(({ type }) => type === 'Private age key'))
        .map(({ name }) => [name, { identity: labDrillKey(system.name).identity }]),
    ),
  )
}

/** Deploys the CronJobs, volumes and Secrets of every cluster. */
export async function deployAll(lab: Lab, launch: Launch): Promise<void> {
  await inParallel(lab.plan.tenants, AT_ONCE, async ({ name }) => {
    await launch(`Deploy backups: ${name}`)
  })
}

/** Runs the systems' backups now; the seconds that each took, by its name. */
export async function backUpAll(systems: readonly System[], launch: Launch): Promise<Map<string, number>> {
  const seconds = new Map<string, number>()
  await inParallel(systems, AT_ONCE, async system => {
    seconds.set(system.name, await backUp(system, launch))
  })
  return seconds
}

/** Runs a system's backup now; the seconds it took. */
async function backUp(system: System, launch: Launch): Promise<number> {
  const { name, survey } = templateOf(system, () => true)
  // The lab runs at any hour; Rancher's window is a question of the survey.
  const window = survey.filter(question => question.variable.endsWith('_ignore_window'))
  return await launch(name, Object.fromEntries(window.map(question => [question.variable, 'yes'])))
}

/** The first of a system's job templates that is of some use; the first of all is its backup. */
export function templateOf(system: System, useful: (template: TemplateUse) => boolean): TemplateUse {
  const template = kindOf(system).templates(system).find(useful)
  if (!template) throw new Error(`${system.name} has no such job template`)
  return template
}
