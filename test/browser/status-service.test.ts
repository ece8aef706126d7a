import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { launch } from 'puppeteer-core'
import { expect, onTestFinished, test } from 'vitest'
import type { System } from '../../src/kinds/index.ts'
import { promtool } from '../../src/lab/test-tools.ts'
import { otherMetrics, systemMetrics } from '../../src/monitoring/metrics.ts'
import { StatusService } from '../../src/service/service.ts'
import { freshBucket, storeEnvironment } from '../support/bucket.ts'
import { systemNamed } from '../support/page.ts'
import { storeDump } from '../support/receipts.ts'

const HOUR_MS = 3_600_000

test('the service shows the page, and metrics whose names Prometheus accepts', async () => {
  const bucket = await freshBucket()
  const name = 'infra-db-production'
  await storeDump(bucket, { system: name, taken: new Date(Date.now() - 6 * HOUR_MS), body: Buffer.alloc(1000) })
  const env = storeEnvironment()
  const systems = [
    { ...systemNamed(name), bucket: bucket.bucket },
    { ...systemNamed('infra-db-development'), bucket: 'no-such-bucket-of-the-tests' },
  ] as System[]
  const store = { endpoint: env.RCLONE_S3_ENDPOINT ?? '', region: 'us-east-1', provider: 'Ceph' }
  const folder = await mkdtemp(join(tmpdir(), 'backups-service-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const keys = { access_key_id: env.AWS_ACCESS_KEY_ID ?? '', secret_access_key: env.AWS_SECRET_ACCESS_KEY ?? '' }
  const service = new StatusService({ organisation: 'Tests', store, systems }, keys, folder)
  const server = await service.listen(0)
  onTestFinished(() => void server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  expect((await fetch(url)).status).toBe(503)
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
  expect(await service.read()).toMatch(/^2 systems, 1 findings, \d+ requests/)

  const text = await (await fetch(`${url}/metrics`)).text()
  const { stdout, stderr, exitCode } = await execa(promtool, ['check', 'metrics'], { input: text, reject: false })
  expect({ exitCode, stdout, stderr }).toEqual({ exitCode: 0, stdout: '', stderr: '' })
  for (const metric of Object.keys({ ...systemMetrics, ...otherMetrics })) {
    expect(text).toContain(`# HELP fragalysis_backups_${metric} `)
  }
  expect(text).toContain(`fragalysis_backups_newest_copy_bytes{system="${name}",kind="database"} 1000\n`)
  expect(text).toContain('fragalysis_backups_bucket_answers{system="infra-db-development",kind="database"} 0\n')
  expect(text).toMatch(/finding\{system="infra-db-development",finding="no-answer",severity="critical"/)

  const browser = await launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
  onTestFinished(() => browser.close())
  const page = await browser.newPage()
  await page.goto(url)
  expect(await page.title()).toBe('Backups of Tests: 1 critical, 0 warnings')
  expect(await page.$$eval('tbody .badge', all => all.map(({ textContent }) => textContent))).toEqual([
    'good',
    'no answer',
  ])
  // Its styles are its own, and the policy lets them in.
  expect(await page.evaluate("getComputedStyle(document.querySelector('tbody .badge')).borderStyle")).toBe('solid')
  for (const [path, method, status] of [
    ['/other', 'GET', 404],
    ['/', 'POST', 405],
  ] as const) {
    expect((await fetch(`${url}${path}`, { method })).status).toBe(status)
  }
})
