import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import production from '../../backups.config.ts'
import { type PlaybookResult, runPlaybook } from '../../src/ansible/playbook.ts'
import { checkManifests } from '../../src/kubernetes/schema.ts'

let folder: string
const inventory = join(import.meta.dirname, '../support/hosts.yml')

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'backups-test-'))
})
afterAll(() => rm(folder, { recursive: true }))

function render(limit?: string, extraVars: Record<string, unknown> = {}): Promise<PlaybookResult> {
  return runPlaybook(
    {
      playbook: 'playbooks/render-backups.yml',
      inventory,
      ...(limit && { limit }),
      extraVars: { backup_cronjob_render_directory: folder, ...extraVars },
    },
    { log: () => {} },
  )
}

describe('the manifests of the systems', () => {
  test('are written, and not again when nothing differs', async () => {
    const first = await render()
    expect(first.exitCode, first.output).toBe(0)
    const second = await render()
    // One of them writes for all.
    expect([first.recap['example-db']?.changed, second.recap['example-db']?.changed]).toEqual([1, 0])
  })

  test('are what they were', async () => {
    const text = await readFile(join(folder, 'manifests.yaml'), 'utf8')
    await expect(text).toMatchFileSnapshot('rendered/manifests.yaml')
  })

  test('of production are rendered, and those of the kits hold the config', async () => {
    const made = await mkdtemp(join(folder, 'production-'))
    const { exitCode, output } = await runPlaybook(
      {
        playbook: 'playbooks/render-backups.yml',
        inventory: join(import.meta.dirname, '../../inventories/production/hosts.yml'),
        extraVars: { backup_cronjob_render_directory: made },
      },
      { log: () => {} },
    )
    expect(exitCode, output).toBe(0)
    const text = await readFile(join(made, 'manifests.yaml'), 'utf8')
    const kept = [...text.matchAll(/name: "BACKUP_KIT_CONFIG"\n\s+value: "(.+)"/g)].map(([, value = '']) =>
      JSON.parse(gunzipSync(Buffer.from(value, 'base64')).toString()),
    )
    expect(kept).toEqual(production.systems.filter(({ kind }) => kind === 'kit').map(() => production))
  })

  test.each(['1.27', '1.33', '1.37'])('are what the API of Kubernetes %s takes', async kubernetes => {
    expect(await checkManifests([join(folder, 'manifests.yaml')], { kubernetes })).toEqual([])
  })
})

describe('role backup_cronjob refuses', () => {
  const step = { name: 'dump', environment: {}, secret_environment: [], mounts: [] }
  const steps = (part: object) => ({ backup_cronjob_steps: [{ ...step, ...part }] })

  test.each([
    ['a limit that is no number', { backup_cronjob_active_deadline_seconds: 'soon' }, /soon.*int/s],
    [
      'a pull policy that there is not',
      { backup_cronjob_image_pull_policy: 'Sometimes' },
      /IfNotPresent, Always, Never/,
    ],
    ['a step without mounts', { backup_cronjob_steps: [{ ...step, mounts: undefined }] }, /missing.*mounts/],
    ['a key of a step that there is not', steps({ image: 'other' }), /image/],
    ['a user without a group', { backup_cronjob_run_as: { user: 70, capabilities: [] } }, /missing.*group/],
    [
      'a secret as a plain value',
      steps({ environment: { PGADMINPASS: 'x' } }),
      /Put PGADMINPASS\s+into secret_environment/,
    ],
    ['a number without quotes', steps({ environment: { BACKUP_COUNT: 24 } }), /BACKUP_COUNT\s+into\s+quotes/],
    [
      'a mount of a volume that there is not',
      steps({ mounts: [{ volume: 'other', path: '/x', read_only: true }] }),
      /no volume of this name.*backup\./s,
    ],
    [
      'a claim to be made that has no size',
      { backup_cronjob_volumes: [{ name: 'backup', claim: { name: 'pg-bu', create: true } }] },
      /needs\s+its size/,
    ],
    [
      'a volume that is nothing',
      { backup_cronjob_volumes: [{ name: 'backup' }] },
      /needs\s+one of claim, nfs and secret/,
    ],
  ])('%s', async (_, extraVars, message) => {
    const { exitCode, output } = await render('example-db', extraVars)
    expect({ exitCode, output }).toEqual({ exitCode: 2, output: expect.stringMatching(message) })
  })
})
