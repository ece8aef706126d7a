import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import production from '../../backups.config.ts'
import { runPlaybook } from '../../src/ansible/playbook.ts'
import type { Config } from '../../src/config/index.ts'
import { writeFolder } from '../../src/generate/folder.ts'
import { inventoryOf } from '../../src/generate/inventories.ts'
import { inventoryFiles } from '../../src/inventory/files.ts'
import { statusHost } from '../../src/kinds/groups.ts'
import type { System } from '../../src/kinds/index.ts'
import { labImages } from '../../src/lab/site.ts'
import { promtool } from '../../src/lab/test-tools.ts'
import { freshBucket, storeEnvironment } from '../support/bucket.ts'
import { systemNamed } from '../support/page.ts'
import { storeDump } from '../support/receipts.ts'
import { kubectl, makeTenant, type Tenant } from '../support/tenant.ts'

let tenant: Tenant
const env = storeEnvironment()
const group = 'monitoring.coreos.com'

/** What kube-prometheus defines, without its schemas. */
const definitions = ['ServiceMonitor', 'PrometheusRule'].map(kind => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${kind.toLowerCase()}s.${group}` },
  spec: {
    group,
    scope: 'Namespaced',
    names: { kind, plural: `${kind.toLowerCase()}s`, singular: kind.toLowerCase() },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: { spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
          },
        },
      },
    ],
  },
}))

beforeAll(async () => {
  tenant = await makeTenant()
  await kubectl(['apply', '-f', '-'], definitions)
  for (const { metadata } of definitions) await kubectl(['wait', '--for=condition=Established', `crd/${metadata.name}`])
})
afterAll(async () => {
  await tenant.remove()
  for (const { metadata } of definitions) await kubectl(['delete', 'crd', metadata.name])
})

test('deploy-backups deploys the service, which Prometheus can scrape and a person can open', async () => {
  const [bucket, reports] = [await freshBucket(), await freshBucket()]
  const system = { ...systemNamed('infra-db-production'), bucket: bucket.bucket } as System
  await storeDump(bucket, { system: system.name, taken: new Date(Date.now() - 3_600_000), body: Buffer.alloc(1000) })
  const config = {
    ...production,
    store: { ...production.store, endpoint: env.RCLONE_S3_ENDPOINT ?? '' },
    systems: [system],
    statusService: {
      ...production.statusService,
      namespace: tenant.namespace,
      image: labImages.status,
      reports: { ...production.statusService?.reports, bucket: reports.bucket },
    },
  } as Config
  const folder = await mkdtemp(join(tmpdir(), 'backups-status-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await writeFolder(folder, inventoryFiles(inventoryOf(config)))
  const deploy = () =>
    runPlaybook(
      {
        playbook: 'playbooks/deploy-backups.yml',
        inventory: join(folder, 'hosts.yml'),
        limit: statusHost,
        environment: tenant.environment,
      },
      { log: () => {} },
    )

  const refused = await deploy()
  expect(refused.exitCode, refused.output).toBe(2)
  expect(refused.output.replaceAll(/\s+/g, ' ')).toContain('no Secret backup-status with the keys access_key_id and')
  expect(refused.recap[statusHost]?.changed).toBe(0)

  await tenant.apply({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'backup-status' },
    stringData: { access_key_id: env.AWS_ACCESS_KEY_ID, secret_access_key: env.AWS_SECRET_ACCESS_KEY },
  })
  const play = await deploy()
  expect(play.exitCode, play.output).toBe(0)
  expect(play.recap[statusHost]?.changed).toBe(1)
  const again = await deploy()
  expect({ exitCode: again.exitCode, changed: again.recap[statusHost]?.changed }, again.output).toEqual({
    exitCode: 0,
    changed: 0,
  })

  const get = (path: string) =>
    kubectl(['get', '--raw', `/api/v1/namespaces/${tenant.namespace}/services/backup-status:http/proxy${path}`])
  const metrics = await get('/metrics')
  expect(metrics).toContain(`fragalysis_backups_copies{system="${system.name}",kind="database"} 1`)
  // `kubectl` leaves out the last line break.
  const checked = await execa(promtool, ['check', 'metrics'], { input: `${metrics}\n`, reject: false, all: true })
  expect(checked.exitCode, checked.all).toBe(0)
  expect(await get('/')).toContain('<title>Backups of Fragalysis: ')
  expect(await get('/healthz')).toBe('ok')

  const { spec } = await tenant.read<{ spec: { groups: { rules: { annotations: Record<string, string> }[] }[] } }>([
    'get',
    `prometheusrules.${group}`,
    'backup-status',
  ])
  // Prometheus' templates are still theirs.
  expect(spec.groups[0]?.rules[0]?.annotations.description).toContain('{{ $value | humanizeDuration }}')
  const { items } = await tenant.read<{
    items: { spec: { containers: object[]; automountServiceAccountToken: boolean } }[]
  }>(['get', 'pods'])
  expect(items[0]?.spec).toMatchObject({
    automountServiceAccountToken: false,
    containers: [{ securityContext: { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false } }],
  })

  // AWX's monthly job, with the same image and config.
  const month = new Date().toISOString().slice(0, 7)
  await tenant.apply({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'backup-reports' },
    stringData: { access_key_id: env.AWS_ACCESS_KEY_ID, secret_access_key: env.AWS_SECRET_ACCESS_KEY },
  })
  const written = await runPlaybook(
    {
      playbook: 'playbooks/report-month.yml',
      inventory: join(folder, 'hosts.yml'),
      limit: statusHost,
      extraVars: { status_service_month: month },
      environment: tenant.environment,
    },
    { log: () => {} },
  )
  expect(written.exitCode, written.output).toBe(0)
  expect((await reports.objects()).map(({ key }) => key)).toEqual([
    `${month}/backups-${month}.html`,
    `${month}/backups-${month}.json`,
  ])
})
