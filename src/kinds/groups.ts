/** A valid Ansible group name: no hyphens, no dots. */
export function groupName(...words: string[]): string {
  return words.join('_').replaceAll(/[^A-Za-z0-9_]/g, '_')
}

/** The inventory group of all systems. */
export const backupsGroup = 'backups'

/** The inventory group of all systems that are CronJobs in a cluster. */
export const cronjobsGroup = 'cronjobs'

/** The inventory host of the status service, and its group. */
export const statusHost = 'status-service'
export const statusGroup = 'status_service'
