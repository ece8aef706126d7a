import { readFile } from 'node:fs/promises'
import { memoryFolder } from '../status/memory.ts'
import { type StatusConfig, StatusService } from './service.ts'

// The program of the status image: all settings are in the environment, as `roles/status_service` sets them.
const { STATUS_CONFIG, STATUS_PORT = '8080', AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = process.env
const log = (line: string) => process.stderr.write(`${new Date().toISOString()} ${line}\n`)

if (!STATUS_CONFIG || !AWS_ACCESS_KEY_ID || !AWS_SECRET_ACCESS_KEY) {
  log('set STATUS_CONFIG to the file with the config as JSON, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY')
  process.exit(2)
}
const config = JSON.parse(await readFile(STATUS_CONFIG, 'utf8')) as StatusConfig
const keys = { access_key_id: AWS_ACCESS_KEY_ID, secret_access_key: AWS_SECRET_ACCESS_KEY }
if (process.argv[2] === 'report') {
  const { reportMonth } = await import('./report.ts')
  process.exit(await reportMonth(config, keys, process.env, log))
}
const service = new StatusService(config, keys, memoryFolder(process.env))
const stop = new AbortController()
for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stop.abort())
const server = await service.listen(Number(STATUS_PORT))
log(`serving /, /metrics and /healthz at port ${STATUS_PORT}`)
await service.keepReading(log, stop.signal)
server.closeAllConnections()
server.close()
