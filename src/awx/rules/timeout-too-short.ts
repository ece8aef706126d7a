import type { Project } from '../project.ts'
import { type AwxRule, type Finding, placeOf } from './rule.ts'

export const timeoutTooShort: AwxRule = {
  id: 'awx-timeout-too-short',
  description:
    "AWX ends a job at its timeout by a signal, and the play's last tasks do not run: the timeout must be longer than the work may take.",
  check: ({ controller_templates }, project) =>
    controller_templates.flatMap(({ name, timeout, playbook, limit }): Finding[] => {
      const path = placeOf('controller_templates', name, 'timeout')
      const needed = longestWork(playbook, limit, project)
      if (timeout > needed) return []
      return [
        {
          path,
          message: `the job ends after ${timeout} s, before its work, which may take ${needed} s`,
          suggest: `give the role a limit below ${timeout} s, or the template a longer timeout`,
        },
      ]
    }),
}

// What limits the work of each playbook, in seconds: variables of its host, or else the defaults of its roles' options.
const limits = new Map([
  ['playbooks/run-backup.yml', ['backup_cronjob_active_deadline_seconds']],
  ['playbooks/backup-rancher.yml', ['rancher_backup_stop_deadline_seconds', 'rancher_backup_healthy_timeout_seconds']],
  ['playbooks/restore-rancher.yml', ['rancher_backup_stop_deadline_seconds', 'rancher_backup_healthy_timeout_seconds']],
  ['playbooks/drill-rancher.yml', ['rancher_backup_healthy_timeout_seconds']],
  ['playbooks/restore-system.yml', ['backup_system_restore_seconds']],
  ['playbooks/drill-system.yml', ['backup_system_drill_seconds']],
  ['playbooks/verify-backups.yml', ['backup_system_verify_seconds']],
])

function longestWork(playbook: string, limit: string, { inventory, options }: Project): number {
  const host = inventory.hosts[limit] ?? {}
  const seconds = (limits.get(playbook) ?? []).map(name => Number(host[name] ?? options.get(name)?.default ?? 0))
  return seconds.reduce((sum, each) => sum + each, 0)
}
