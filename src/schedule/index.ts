export { cron } from './cron.ts'
export { occurrences } from './occurrences.ts'
export { rrule } from './rrule.ts'
export * from './schedule.ts'
