import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as listener } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { dump } from 'js-yaml'
import { onTestFinished } from 'vitest'
import type { System } from '../../src/kinds/index.ts'
import { prometheus } from '../../src/lab/test-tools.ts'
import { ruleGroups } from '../../src/monitoring/rules.ts'

/** An alert as Prometheus posts it to Alertmanager, which sends it on. */
export interface Alert {
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly startsAt: string
}

/** A free port of loopback. */
async function freePort(): Promise<number> {
  const server = listener()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', () => resolve()))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

/**
 * Prometheus with the rules of these systems, which asks the status service every second.
 *
 * @returns the alerts that have arrived at what stands for Alertmanager
 */
export async function startPrometheus(systems: System[], service: number): Promise<readonly Alert[]> {
  const alerts: Alert[] = []
  const receiver = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    if (request.url === '/api/v2/alerts') alerts.push(...(JSON.parse(text) as Alert[]))
    response.end()
  })
  await new Promise<void>(resolve => receiver.listen(0, '127.0.0.1', () => resolve()))
  const folder = await mkdtemp(join(tmpdir(), 'backups-prometheus-'))
  const own = await freePort()
  await writeFile(join(folder, 'rules.yml'), dump({ groups: ruleGroups({ systems }) }))
  await writeFile(
    join(folder, 'prometheus.yml'),
    dump({
      global: { scrape_interval: '1s', evaluation_interval: '1s' },
      rule_files: ['rules.yml'],
      alerting: {
        alertmanagers: [{ static_configs: [{ targets: [`127.0.0.1:${(receiver.address() as AddressInfo).port}`] }] }],
      },
      scrape_configs: [{ job_name: 'status', static_configs: [{ targets: [`127.0.0.1:${service}`] }] }],
    }),
  )
  const running = execa(
    prometheus,
    ['--config.file=prometheus.yml', '--storage.tsdb.path=data', `--web.listen-address=127.0.0.1:${own}`],
    { cwd: folder, reject: false, stdio: 'ignore' },
  )
  onTestFinished(async () => {
    running.kill()
    await running
    receiver.closeAllConnections()
    receiver.close()
    await rm(folder, { recursive: true })
  })
  return alerts
}
