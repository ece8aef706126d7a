import { readCredentials } from '../awx/credentials.ts'
import { definitions } from '../awx/definitions.ts'
import { findTemplate, launchLocal } from '../awx/launchLocal.ts'
import { exitCodes, Failure } from '../report/failure.ts'
import { kindOf, type System } from '../systems/index.ts'
import type { Lab } from './lab.ts'
import { type ProofRow, prove } from './proof/index.ts'

/** What the lab says of each system in the end. */
export interface MainJobRow extends ProofRow {
  /** How long the backup took, from the launch of its job to its end. */
  readonly backupSeconds: number
}

/**
 * The main job, on the lab: deploys every cluster's backups, runs each backup once, and restores and compares every
 * copy. Each step is a launch of the job template that AWX would launch, with the credentials it would inject.
 */
export async function mainJob(lab: Lab, log: (line: string) => void, signal: AbortSignal): Promise<MainJobRow[]> {
  const all = definitions(lab.config, 'lab')
  const credentials = await readCredentials(lab.credentials)
  const launch = async (name: string, answers: Record<string, string> = {}): Promise<number> => {
    const started = performance.now()
    log(`job template "${name}"`)
    const lines: string[] = []
    const { exitCode } = await launchLocal(all, findTemplate(all, name), {
      answers,
      inventory: lab.inventory,
      credentials,
      environment: lab.sshEnvironment,
      signal,
      log: line => {
        lines.push(line)
        if (/^(TASK|fatal)/.test(line)) log(`  ${line.replace(/ \*+$/, '')}`)
      },
    })
    if (exitCode !== 0) {
      throw new Failure(
        exitCodes.findings,
        `the job "${name}" failed (ansible-playbook: ${exitCode})\n${lines.slice(-40).join('\n')}`,
        'see its last lines above',
      )
    }
    return (performance.now() - started) / 1000
  }
  for (const { name } of lab.plan.tenants) if (name) await launch(`Deploy backups: ${name}`)
  const seconds = new Map<System, number>()
  for (const system of lab.config.systems) {
    const template = kindOf(system).templates(system)[0]
    if (!template) throw new Error(`${system.name} has no job template`)
    // The lab runs at any hour; Rancher's window is a question of the survey.
    const answers = Object.fromEntries(
      template.survey.filter(q => q.variable.endsWith('_ignore_window')).map(q => [q.variable, 'yes']),
    )
    seconds.set(system, await launch(template.name, answers))
  }
  const rows = await prove(lab.config.systems, lab, log)
  return rows.map((row, index) => ({ ...row, backupSeconds: seconds.get(lab.config.systems[index] as System) ?? 0 }))
}
