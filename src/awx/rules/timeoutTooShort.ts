import { type AwxRule, type Finding, placeOf } from './rule.ts'

export const timeoutTooShort: AwxRule = {
  id: 'awx-timeout-too-short',
  description:
    'AWX ends a job at its timeout by a signal, and what the play would have done in the end is not done: it must be longer than the work may take. No timeout at all lets a job hang for ever.',
  check: ({ controller_templates }, { inventory }) =>
    controller_templates.flatMap(({ name, timeout, playbook, limit }): Finding[] => {
      const path = placeOf('controller_templates', name, 'timeout')
      if (timeout <= 0) return [{ path, message: 'the job may hang for ever', suggest: 'write seconds, more than 0' }]
      const needed = longestWork(playbook, inventory.hosts[limit] ?? {})
      if (timeout > needed) return []
      return [
        {
          path,
          message: `${timeout} s end the job before its work, which may take ${needed} s`,
          suggest: `write more than ${needed}`,
        },
      ]
    }),
}

/** How long the work of a host may take, in seconds, by what its own variables allow. */
function longestWork(playbook: string, host: Readonly<Record<string, unknown>>): number {
  const seconds = (name: string) => Number(host[name] ?? 0)
  switch (playbook) {
    case 'playbooks/run-backup.yml':
      return seconds('backup_cronjob_active_deadline_seconds')
    case 'playbooks/backup-rancher.yml':
      return seconds('rancher_backup_stop_deadline_seconds') + seconds('rancher_backup_healthy_timeout_seconds')
    default:
      return 0
  }
}
