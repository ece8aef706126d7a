import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadAll } from 'js-yaml'
import { expect, onTestFinished, test, vi } from 'vitest'
import production from '../../backups.config.ts'
import { runPlaybook } from '../../src/ansible/playbook.ts'
import { projectRoot } from '../../src/ansible/venv.ts'
import { accessRules, grant } from '../../src/generate/access.ts'
import { kubectl, makeTenant, type Tenant } from '../support/tenant.ts'

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })

const level = 'pod-security.kubernetes.io/enforce'
const storeKeys = { AWS_ACCESS_KEY_ID: 'the-id', AWS_SECRET_ACCESS_KEY: 'the-very-secret-key' }

async function tenantWith(options: Parameters<typeof makeTenant>[0]): Promise<Tenant> {
  const tenant = await makeTenant(options)
  onTestFinished(() => tenant.remove())
  return tenant
}

/** Deploys the example database in a tenant's namespace, with all that it needs there. */
async function deploy(tenant: Tenant, podSecurity: string) {
  const metadata = { name: 'im-postgres' }
  await tenant.apply(
    { apiVersion: 'v1', kind: 'Secret', metadata, stringData: { database_admin_user_password: 'x' } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'backups' } },
  )
  const play = await runPlaybook(
    {
      playbook: 'playbooks/deploy-backups.yml',
      inventory: join(import.meta.dirname, '../support/hosts.yml'),
      limit: 'example-db',
      environment: { ...tenant.environment, ...storeKeys },
      extraVars: { backup_cronjob_namespace: tenant.namespace, backup_cronjob_pod_security: podSecurity },
    },
    { log: () => {} },
  )
  return { ...play, changed: play.recap['example-db']?.changed, output: play.output.replaceAll(/\s+/g, ' ') }
}

const labelOf = async ({ namespace }: Tenant) =>
  JSON.parse(await kubectl(['get', 'namespace', namespace, '--output=json'])).metadata.labels[level]

/** What the API server says to a pod in a namespace; empty if it takes it. */
async function refusal(namespace: string, spec: object): Promise<string> {
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'pod', namespace }, spec }
  return await kubectl(['create', '--dry-run=server', '-f', '-'], [pod]).then(
    () => '',
    (error: { stderr: string }) => error.stderr,
  )
}

const rootOfTheNode = {
  hostPID: true,
  containers: [
    {
      name: 'root',
      image: 'any:1',
      securityContext: { privileged: true },
      volumeMounts: [{ name: 'node', mountPath: '/node' }],
    },
  ],
  volumes: [{ name: 'node', hostPath: { path: '/' } }],
}

test('a namespace without a Pod Security level, where a pod can be the root of its node, is refused', async () => {
  const tenant = await tenantWith({ labels: {} })
  expect(await refusal(tenant.namespace, rootOfTheNode)).toBe('')
  const play = await deploy(tenant, 'require')
  expect(play, play.output).toMatchObject({ exitCode: 2, changed: 0 })
  expect(play.output).toContain(`The namespace ${tenant.namespace} has no label ${level}`)
  expect(play.output).toContain(`Label it with ${level}=baseline, or let this play do it`)
})

test('a level that refuses nothing is none', async () => {
  const tenant = await tenantWith({ labels: { [level]: 'privileged' } })
  const play = await deploy(tenant, 'label')
  expect(play, play.output).toMatchObject({ exitCode: 2, changed: 0 })
  expect(play.output).toContain(`enforces the Pod Security level privileged`)
})

test('with `label` it is labelled once, and then refuses such a pod', async () => {
  const tenant = await tenantWith({ labels: {} })
  const first = await deploy(tenant, 'label')
  expect(first.exitCode, first.output).toBe(0)
  expect(await labelOf(tenant)).toBe('baseline')
  expect(await refusal(tenant.namespace, rootOfTheNode)).toContain('violates PodSecurity "baseline:latest"')
  expect(await deploy(tenant, 'label')).toMatchObject({ exitCode: 0, changed: 0 })
})

test("production's Role reads the Secrets that it names, and no other, and cannot label", async () => {
  for (const { name } of production.clusters) {
    for (const [namespace, rules] of accessRules(production, name)) {
      const tenant = await tenantWith({ rules: grant(rules) })
      const can = async (...args: string[]) =>
        (await kubectl([
          'auth',
          'can-i',
          ...args,
          `--namespace=${tenant.namespace}`,
          `--as=system:serviceaccount:${tenant.namespace}:plays`,
        ]).catch((error: { stdout: string }) => error.stdout)) === 'yes'
      const named = rules.find(({ resources, verbs }) => resources.includes('secrets') && verbs.includes('get'))
      expect(named?.resourceNames?.length).toBeGreaterThan(0)
      for (const secret of named?.resourceNames ?? []) expect(await can('get', `secret/${secret}`)).toBe(true)
      expect(await can('get', 'secret/recovery-kit-drill'), namespace).toBe(false)
      expect(await can('list', 'secrets')).toBe(false)
      expect(await can('patch', 'cronjob/of-others')).toBe(false)
      expect(await can('patch', `namespace/${tenant.namespace}`)).toBe(false)
      expect(await can('create', 'pods')).toBe(false)
    }
  }
})

test('every pod passes the level `restricted`, but those of media, which pass `baseline`', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'backups-test-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const play = await runPlaybook(
    {
      playbook: 'playbooks/render-backups.yml',
      inventory: join(projectRoot, 'inventories/production'),
      limit: 'backups',
      extraVars: { backup_cronjob_render_directory: folder },
    },
    { log: () => {} },
  )
  expect(play.exitCode, play.output).toBe(0)
  const manifests = loadAll(await readFile(join(folder, 'manifests.yaml'), 'utf8')) as {
    kind: string
    metadata: { name: string }
    spec: { jobTemplate: { spec: { template: { spec: object } } } }
  }[]
  const cronjobs = manifests.filter(({ kind }) => kind === 'CronJob')
  expect(cronjobs.map(({ metadata }) => metadata.name).sort()).toEqual(
    production.systems
      .filter(({ kind }) => kind !== 'rancher')
      .map(({ name }) => name)
      .sort(),
  )
  const restricted = await tenantWith({ labels: { [level]: 'restricted' } })
  const baseline = await tenantWith({ labels: { [level]: 'baseline' } })
  const refused: string[] = []
  for (const { metadata, spec } of cronjobs) {
    const pod = { ...spec.jobTemplate.spec.template.spec, serviceAccountName: 'default' }
    expect(await refusal(baseline.namespace, pod), metadata.name).toBe('')
    if ((await refusal(restricted.namespace, pod)) !== '') refused.push(metadata.name)
  }
  expect(refused).toEqual(['production-stack-media'])
})
