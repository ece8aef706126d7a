import { type Schedule, timeOf, weekdays } from './schedule.ts'

/** The schedule as the five fields of a Kubernetes CronJob's `schedule`; its zone goes into `timeZone`. */
export function cron(schedule: Schedule): string {
  switch (schedule.every) {
    case 'hour':
      return `${schedule.minute} * * * *`
    case 'day': {
      const { hour, minute } = timeOf(schedule)
      return `${minute} ${hour} * * *`
    }
    case 'week': {
      const { hour, minute } = timeOf(schedule)
      return `${minute} ${hour} * * ${(weekdays.indexOf(schedule.on) + 1) % 7}`
    }
    case 'month': {
      const { hour, minute } = timeOf(schedule)
      return `${minute} ${hour} ${schedule.on} * *`
    }
  }
}
