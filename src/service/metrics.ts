import { Counter, Gauge, Registry } from 'prom-client'
import { metricName, otherMetrics, type SystemMetric, systemMetrics } from '../monitoring/metrics.ts'
import type { Row } from '../status/row.ts'
import type { Status } from '../status/status.ts'
import { findingPage } from '../store/assess.ts'

/** The metrics of the last status that was read. */
export class Metrics {
  readonly #registry = new Registry()
  readonly #systems = new Map<SystemMetric, Gauge>()
  readonly #finding: Gauge
  readonly #refreshed: Gauge
  readonly #seconds: Gauge
  readonly #requests: Counter

  constructor() {
    const registers = [this.#registry]
    const other = (name: keyof typeof otherMetrics, labelNames: string[] = []) => ({
      name: metricName(name),
      help: otherMetrics[name],
      labelNames,
      registers,
    })
    for (const [name, help] of Object.entries(systemMetrics) as [SystemMetric, string][]) {
      this.#systems.set(name, new Gauge({ name: metricName(name), help, labelNames: ['system', 'kind'], registers }))
    }
    this.#finding = new Gauge(other('finding', ['system', 'finding', 'severity', 'page']))
    this.#refreshed = new Gauge(other('last_refresh_timestamp_seconds'))
    this.#seconds = new Gauge(other('refresh_duration_seconds'))
    this.#requests = new Counter(other('store_requests_total'))
  }

  /** @param seconds how long reading it took */
  show({ at, rows, findings, requests }: Status, seconds: number): void {
    for (const [name, gauge] of this.#systems) {
      gauge.reset()
      for (const row of rows) {
        const value = values[name](row)
        if (value !== undefined) gauge.set({ system: row.system, kind: row.kind }, value)
      }
    }
    this.#finding.reset()
    for (const { system, id, severity, since = at } of findings) {
      const labels = { system, finding: id, severity, page: findingPage(id) }
      this.#finding.set(labels, since.getTime() / 1000)
    }
    this.#refreshed.set(at.getTime() / 1000)
    this.#seconds.set(seconds)
    this.#requests.inc(requests)
  }

  /** In Prometheus' text format. */
  text(): Promise<string> {
    return this.#registry.metrics()
  }

  get contentType(): string {
    return this.#registry.contentType
  }
}

const inSeconds = (at: Date | undefined) => at && at.getTime() / 1000

/** What a row says of each metric; undefined, and no series, if it is not known. */
const values: Readonly<Record<SystemMetric, (row: Row) => number | undefined>> = {
  bucket_answers: ({ state }) => (state === 'no answer' ? 0 : 1),
  copies: ({ copies }) => copies?.good,
  copies_unproven: ({ copies }) => copies?.unproven,
  newest_copy_timestamp_seconds: ({ newest }) => inSeconds(newest?.taken),
  next_copy_due_timestamp_seconds: ({ newest }) => inSeconds(newest?.dueBy),
  newest_copy_bytes: ({ newest }) => newest?.bytes,
  run_duration_seconds: ({ runSeconds }) => runSeconds,
  outage_duration_seconds: ({ outageSeconds }) => outageSeconds,
  last_drill_timestamp_seconds: ({ drill }) => inSeconds(drill?.end),
  last_drill_duration_seconds: ({ drill }) => drill?.seconds,
  next_run_timestamp_seconds: ({ nextRun }) => inSeconds(nextRun),
}
