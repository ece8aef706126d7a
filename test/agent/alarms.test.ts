import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import production from '../../backups.config.ts'
import { heartbeat } from '../../src/agent/run/heartbeat.ts'
import type { Config } from '../../src/config/index.ts'
import { checksOf } from '../../src/heartbeats/checks.ts'
import { makeChecks } from '../../src/heartbeats/healthchecks.ts'
import type { System } from '../../src/kinds/index.ts'
import { StatusService } from '../../src/service/service.ts'
import { freshBucket, storeEnvironment } from '../support/bucket.ts'
import { startHealthchecks } from '../support/healthchecks.ts'
import { startNotifiedAwx } from '../support/notified.ts'
import { systemNamed } from '../support/page.ts'
import { startPrometheus } from '../support/prometheus.ts'
import { storeDump } from '../support/receipts.ts'

// Three alarms that do not depend on each other: each is shown to fire while the other two do not exist.

const DAY_MS = 86_400_000
const name = 'infra-db-production'
// Nothing listens there.
const gone = 'http://127.0.0.1:65533'

test('the cluster and the receiver of heartbeats are gone: AWX tells', { timeout: 120_000 }, async () => {
  const awx = await startNotifiedAwx(production)
  onTestFinished(() => awx.end())
  await heartbeat(`${gone}/ping/x`, 'start')
  // The job is really played, against a cluster that does not answer.
  await awx.run(`Verify: ${name}`, { K8S_AUTH_HOST: 'https://127.0.0.1:9', K8S_AUTH_API_KEY: 'x' })
  const messages = awx.messages()
  expect(messages).toHaveLength(1)
  expect(messages[0]).toMatchObject({ system: name, status: 'failed' })
  expect(messages[0]?.text).toMatch(
    new RegExp(
      `^${name}: 'Verify: ${name}' has failed\\. Since \\d{4}-\\S+ .*copies that were there before are not affected.*To do: read the last lines of http\\S+/jobs/playbook/\\d+`,
    ),
  )
})

test('AWX and the cluster are gone: the receiver of heartbeats tells', async () => {
  const config: Config = { ...production, heartbeats: { api: gone, secret: 'backup-heartbeats' } }
  const outside = await startHealthchecks('key')
  const made = await makeChecks(outside.api, 'key', checksOf(config))
  const url = made.find(({ check }) => check.name === name)?.url
  await heartbeat(url, 'start')
  await heartbeat(url, 'success')
  expect(outside.down(new Date())).toEqual([])

  // Nobody runs anything any more.
  const [down, ...others] = outside.down(new Date(Date.now() + 3 * DAY_MS))
  expect(others).toEqual([])
  expect(down?.text).toMatch(
    new RegExp(
      `^${name} is DOWN since \\d{4}-\\S+ \\(success signal did not arrive on time\\)\\. Last ping: \\d{4}-\\S+ The production cluster.* If it is late or has failed: .*npm run status`,
    ),
  )
  // A run that fails tells at once, with the end of its log.
  await heartbeat(url, 'fail', 'the bucket refuses the upload')
  expect(outside.down(new Date())[0]?.text).toMatch(/received a failure signal.*the bucket refuses the upload/)
})

test('AWX and the receiver of heartbeats are gone: Prometheus tells', { timeout: 60_000 }, async () => {
  const bucket = await freshBucket()
  const taken = new Date(Date.now() - 3 * DAY_MS)
  await storeDump(bucket, { system: name, taken, body: Buffer.alloc(1000) })
  const systems = [{ ...systemNamed(name), bucket: bucket.bucket }] as System[]
  const env = storeEnvironment()
  const folder = await mkdtemp(join(tmpdir(), 'backups-alarms-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const service = new StatusService(
    {
      organisation: 'Tests',
      store: { endpoint: env.RCLONE_S3_ENDPOINT ?? '', region: 'us-east-1', provider: 'Ceph' },
      systems,
    },
    { access_key_id: env.AWS_ACCESS_KEY_ID ?? '', secret_access_key: env.AWS_SECRET_ACCESS_KEY ?? '' },
    folder,
  )
  const server = await service.listen(0)
  onTestFinished(() => void server.close())
  await service.read()
  await heartbeat(`${gone}/ping/x`, 'fail')

  const alerts = await startPrometheus(systems, (server.address() as AddressInfo).port)
  await vi.waitFor(() => expect(alerts.map(({ labels }) => labels.alertname)).toContain('BackupOverdue'), {
    timeout: 45_000,
    interval: 250,
  })
  const alert = alerts.find(({ labels }) => labels.alertname === 'BackupOverdue')
  expect(alert).toMatchObject({ labels: { system: name, severity: 'critical' } })
  expect(Date.parse(alert?.startsAt ?? '')).toBeGreaterThan(Date.now() - 60_000)
  expect(alert?.annotations).toMatchObject({
    summary: `The newest good copy of ${name} is too old`,
    description: expect.stringMatching(/^It is 3d 0h .*old; its schedule allows 1 d 13 h\. To do: \S/),
    page: 'docs/FINDINGS.md#overdue',
  })
})
