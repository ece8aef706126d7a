/** The metrics of the status service: the name after `fragalysis_backups_`, and what it says. One series a system. */
export const systemMetrics = {
  bucket_answers: '1 if the bucket of the system answered, 0 if not',
  copies: 'Copies that match their receipts',
  copies_unproven: 'Copies without a receipt',
  newest_copy_timestamp_seconds: 'When the newest good copy was taken',
  next_copy_due_timestamp_seconds: 'Until when the copy after the newest one has to be there',
  newest_copy_bytes: 'Size of the newest good copy',
  run_duration_seconds: 'How long the last run took',
  outage_duration_seconds: 'How long the system was down for its last backup',
  last_drill_timestamp_seconds: 'When the last drill ended',
  last_drill_duration_seconds: 'How long the last drill took until the copy was restored and compared',
  next_run_timestamp_seconds: 'When the next run is scheduled',
} as const

export type SystemMetric = keyof typeof systemMetrics

/** The metrics of the service itself, and that of findings, by the same form of name. */
export const otherMetrics = {
  finding: 'Something is wrong with the copies of a system since this moment, by kind of finding and severity',
  last_refresh_timestamp_seconds: 'When the buckets were last read',
  refresh_duration_seconds: 'How long that took',
  store_requests_total: 'Requests sent to the bucket store',
} as const

/** A metric's full name. */
export function metricName(name: SystemMetric | keyof typeof otherMetrics): string {
  return `fragalysis_backups_${name}`
}
