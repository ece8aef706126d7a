import { type Schedule, timeOfDay } from '../../schedule/index.ts'
import { type Finding, placeOf, type Rule } from './rule.ts'

export const scheduleNeverFires: Rule = {
  id: 'schedule-never-fires',
  description: 'A schedule with a time or day that does not exist never comes due: the backup never runs.',
  check: config =>
    config.systems.flatMap((system, index) =>
      wrongIn(system.schedule).map(({ key, ...finding }) => ({
        ...finding,
        path: placeOf(config, index, `schedule.${key}`),
      })),
    ),
}

function wrongIn(schedule: Schedule): (Omit<Finding, 'path'> & { key: string })[] {
  const found: (Omit<Finding, 'path'> & { key: string })[] = []
  if (schedule.every === 'hour') {
    if (schedule.minute < 0 || schedule.minute > 59) {
      found.push({
        key: 'minute',
        message: `can never fire: no hour has a minute ${schedule.minute}`,
        suggest: 'write 0 to 59',
      })
    }
    return found
  }
  if (!timeOfDay(schedule.at)) {
    found.push({
      key: 'at',
      message: `can never fire: no day has a time "${schedule.at}"`,
      suggest: "write 'HH:MM', '00:00' to '23:59'",
    })
  }
  if (schedule.every === 'month') {
    if (schedule.on < 1 || schedule.on > 31) {
      found.push({
        key: 'on',
        message: `can never fire: no month has a day ${schedule.on}`,
        suggest: 'write 1 to 28, which every month has',
      })
    } else if (schedule.on > 28) {
      found.push({
        key: 'on',
        severity: 'warning',
        message: `not every month has a day ${schedule.on}: those months have no backup`,
        suggest: 'write 1 to 28, which every month has',
      })
    }
  }
  return found
}
