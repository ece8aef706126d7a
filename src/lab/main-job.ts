import type { Lab } from './lab.ts'
import { backUpAll, deployAll, launcher } from './launch.ts'
import { type ProofRow, prove } from './prove.ts'

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
  const launch = await launcher(lab, log, signal)
  await deployAll(lab, launch)
  const seconds = await backUpAll(lab.config.systems, launch)
  const rows = await prove(lab.config.systems, lab, log)
  return rows.map(row => ({ ...row, backupSeconds: seconds.get(row.system) ?? 0 }))
}
