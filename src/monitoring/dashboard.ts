import { metricName, type SystemMetric } from './metrics.ts'

const datasource = { type: 'prometheus', uid: '$datasource' }

interface Target {
  readonly refId: string
  readonly expr: string
  readonly legendFormat: string
}

/** The Grafana dashboard, as its JSON model. It does not depend on the config: the systems are a variable. */
export function dashboard(): object {
  const of = (metric: SystemMetric) => `${metricName(metric)}{system=~"$system"}`
  const panels = [
    table('Findings, worst first', `time() - ${metricName('finding')}{system=~"$system"}`),
    chart('Age of the newest copy', 's', `time() - ${of('newest_copy_timestamp_seconds')}`),
    chart('Time until the next copy is due', 's', `${of('next_copy_due_timestamp_seconds')} - time()`),
    chart('Size of the newest copy', 'bytes', of('newest_copy_bytes')),
    chart('Duration of the run', 's', of('run_duration_seconds')),
    chart('Outage during the backup', 's', of('outage_duration_seconds')),
    chart('Time to recover, in drills', 's', of('last_drill_duration_seconds')),
    chart('Age of the last drill', 's', `time() - ${of('last_drill_timestamp_seconds')}`),
    chart('Copies', 'none', of('copies')),
  ]
  return {
    uid: 'fragalysis-backups',
    title: 'Fragalysis backups',
    schemaVersion: 39,
    version: 1,
    editable: false,
    timezone: 'utc',
    time: { from: 'now-30d', to: 'now' },
    refresh: '5m',
    tags: ['backups'],
    templating: {
      list: [
        { name: 'datasource', type: 'datasource', query: 'prometheus', label: 'Data source' },
        {
          name: 'system',
          type: 'query',
          label: 'System',
          datasource,
          query: `label_values(${metricName('bucket_answers')}, system)`,
          includeAll: true,
          multi: true,
          current: { text: 'All', value: '$__all' },
          refresh: 2,
        },
      ],
    },
    panels: panels.map((panel, index) => ({
      ...panel,
      id: index + 1,
      gridPos: index === 0 ? { x: 0, y: 0, w: 24, h: 7 } : place(index - 1),
    })),
  }
}

function place(index: number) {
  return { x: (index % 2) * 12, y: 7 + Math.floor(index / 2) * 8, w: 12, h: 8 }
}

function target(expr: string): Target {
  return { refId: 'A', expr, legendFormat: '{{system}}' }
}

function chart(title: string, unit: string, expr: string): object {
  return {
    type: 'timeseries',
    title,
    datasource,
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    options: { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi' } },
    targets: [target(expr)],
  }
}

function table(title: string, expr: string): object {
  const hide = ['Time', '__name__', 'instance', 'job', 'pod', 'container', 'endpoint', 'namespace', 'service']
  return {
    type: 'table',
    title,
    datasource,
    fieldConfig: {
      defaults: {},
      overrides: [{ matcher: { id: 'byName', options: 'Value' }, properties: [{ id: 'unit', value: 's' }] }],
    },
    transformations: [
      {
        id: 'organize',
        options: {
          excludeByName: Object.fromEntries(hide.map(name => [name, true])),
          renameByName: { Value: 'for' },
        },
      },
    ],
    targets: [{ ...target(expr), format: 'table', instant: true }],
  }
}
