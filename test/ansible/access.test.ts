import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { runPlaybook } from '../../src/ansible/playbook.ts'

const inventory = join(import.meta.dirname, '../support/hosts.yml')
const run = (playbook: string, environment: Record<string, string>) =>
  runPlaybook({ playbook, inventory, limit: 'example-db', environment }, { log: () => {} })

afterEach(() => vi.unstubAllEnvs())

describe.each(['playbooks/deploy-backups.yml', 'playbooks/run-backup.yml'])('%s names what is missing', playbook => {
  test('of the credential', async () => {
    const { exitCode, output } = await run(playbook, { K8S_AUTH_HOST: 'https://127.0.0.1:1' })
    expect({ exitCode, output }).toEqual({ exitCode: 2, output: expect.stringMatching(/K8S_AUTH_API_KEY not set/) })
  })

  test('if the shell has a credential for another cluster', async () => {
    vi.stubEnv('K8S_AUTH_HOST', 'https://127.0.0.1:1')
    vi.stubEnv('K8S_AUTH_API_KEY', 'of-another-cluster')
    const { exitCode, output } = await run(playbook, {})
    expect({ exitCode, output }).toEqual({
      exitCode: 2,
      output: expect.stringMatching(/K8S_AUTH_HOST and K8S_AUTH_API_KEY\s+not set/),
    })
  })

  test('when no cluster answers, and changes nothing', async () => {
    const credential = { K8S_AUTH_HOST: 'https://127.0.0.1:1', K8S_AUTH_API_KEY: 'secret-token' }
    const { exitCode, output, recap } = await run(playbook, credential)
    expect({ exitCode, output }).toEqual({
      exitCode: 2,
      output: expect.stringMatching(/The cluster cannot be reached at https:\/\/127\.0\.0\.1:1/),
    })
    expect(recap['example-db']?.changed).toBe(0)
    expect(output).not.toContain('secret-token')
  })
})
