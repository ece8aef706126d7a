import { expect, test } from 'vitest'
import { runPlaybook } from '../../src/ansible/playbook.ts'

/** A restore as AWX would start it, without any credential: it ends at the latest where it needs the cluster or host. */
async function restore(system: string, answers: Record<string, string>): Promise<string> {
  const playbook = system === 'rancher-server' ? 'playbooks/restore-rancher.yml' : 'playbooks/restore-system.yml'
  const { exitCode, output } = await runPlaybook({ playbook, limit: system, extraVars: answers }, { log: () => {} })
  expect(exitCode).not.toBe(0)
  return output.replaceAll(/\s+/g, ' ')
}

const refusal = /names no copy; nothing was changed\. Answer "Which copy\?"/

test.each(['yesterday', '2026-13-01', '2026-01-31T24:00:00Z', '2026-01-31 03:07'])(
  'the time %s of a copy is refused before anything starts, for a database and for Rancher',
  async copy => {
    expect(await restore('infra-db-production', { backup_system_copy: copy })).toMatch(refusal)
    expect(await restore('rancher-server', { rancher_backup_restore_copy: copy })).toMatch(refusal)
  },
)

test.each(['latest', 'NONE', '2026-01-31', '2026-01-31T03:07', '2026-01-31T03:07:00.5Z'])(
  'the answer %s is not refused as a time',
  async copy => {
    expect(await restore('infra-db-production', { backup_system_copy: copy })).not.toMatch(/names no copy/)
  },
)
