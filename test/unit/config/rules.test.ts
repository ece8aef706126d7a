import { describe, expect, it } from 'vitest'
import production from '../../../backups.config.ts'
import { type Config, checkConfig } from '../../../src/config/index.ts'

// biome-ignore lint/suspicious/noExplicitAny: a config that is about to be broken fits no type
type Breakable = any

/** Production's config with one thing changed. */
function broken(change: (config: Breakable) => void): unknown {
  const config = structuredClone(production) as Config
  change(config)
  return config
}

const found = (value: unknown) =>
  checkConfig(value, 'backups.config.ts').problems.map(
    p => `${p.ruleId} ${p.location.path}: ${p.message} → ${p.suggest}`,
  )

it('finds nothing in the config of production', () => {
  expect(found(production)).toEqual([])
})

describe('a config with one mistake gives one line: place, what is wrong, what to write instead', () => {
  it.each<[string, (config: Breakable) => void, string]>([
    [
      'an unknown key',
      c => {
        c.systems[1].buckett = 'x'
      },
      'shape systems[1] (infra-db-development).buckett: there is no key `buckett` here → did you mean `bucket`?',
    ],
    [
      'an unknown key at the top',
      c => {
        c.cluster = []
      },
      'shape cluster: there is no key `cluster` here → did you mean `clusters`?',
    ],
    [
      'an unknown key in a nested object',
      c => {
        c.systems[1].user.sceret = 'x'
      },
      'shape systems[1] (infra-db-development).user.sceret: there is no key `sceret` here → did you mean `secret`?',
    ],
    [
      'a wrong type',
      c => {
        c.systems[2].keep = '28'
      },
      'shape systems[2] (infra-db-production).keep: "28" is a string, not an integer → write an integer: How many verified copies are kept',
    ],
    [
      'a missing key',
      c => {
        delete c.systems[0].bucket
      },
      'shape systems[0] (rancher-server).bucket: `bucket` is missing → add `bucket`: The bucket, used by this system alone',
    ],
    [
      'an unknown kind',
      c => {
        c.systems[4].kind = 'medai'
      },
      "shape systems[4] (production-stack-media).kind: there is no kind of system \"medai\" → write one of 'rancher', 'database', 'media', 'kit'; did you mean 'media'?",
    ],
    [
      'a bucket used twice',
      c => {
        c.systems[2].bucket = 'im-infra-backup'
      },
      'bucket-used-twice systems[2] (infra-db-production).bucket: `im-infra-backup` is the bucket of `infra-db-development` already → give each system a bucket of its own',
    ],
    [
      'two systems of one name',
      c => {
        c.systems[2].name = 'infra-db-development'
      },
      'name-used-twice systems[2] (infra-db-development).name: another system is called `infra-db-development` already → give each system a name of its own',
    ],
    [
      'a volume used twice',
      c => {
        Object.assign(c.systems[3], { namespace: 'im-infra', volume: c.systems[2].volume })
      },
      'volume-used-twice systems[3] (production-stack-db).volume: `infra-db-production` already writes there → give each system a volume of its own',
    ],
    [
      'a cluster nobody defined',
      c => {
        c.systems[1].cluster = 'developement'
      },
      'cluster-unknown systems[1] (infra-db-development).cluster: there is no cluster `developement` → did you mean `development`?',
    ],
    [
      'a time that no day has',
      c => {
        c.systems[1].schedule.at = '24:07'
      },
      "schedule-never-fires systems[1] (infra-db-development).schedule.at: can never fire: no day has a time \"24:07\" → write 'HH:MM', '00:00' to '23:59'",
    ],
    [
      'a minute that no hour has',
      c => {
        c.systems[3].schedule.minute = 60
      },
      'schedule-never-fires systems[3] (production-stack-db).schedule.minute: can never fire: no hour has a minute 60 → write 0 to 59',
    ],
    [
      'a day that no month has',
      c => {
        c.systems[1].schedule = { every: 'month', on: 32, at: '03:07' }
      },
      'schedule-never-fires systems[1] (infra-db-development).schedule.on: can never fire: no month has a day 32 → write 1 to 28, which every month has',
    ],
    [
      'a weekday that no week has',
      c => {
        c.systems[0].schedule.on = 'fridy'
      },
      'shape systems[0] (rancher-server).schedule.on: "fridy" is not one of its values → did you mean \'friday\'?',
    ],
    [
      'a period that does not exist',
      c => {
        c.systems[0].schedule.every = 'fortnight'
      },
      "shape systems[0] (rancher-server).schedule.every: a schedule has no `every: \"fortnight\"` → write one of 'hour', 'day', 'week', 'month'",
    ],
    [
      'a time zone that does not exist',
      c => {
        c.systems[0].schedule.timezone = 'Europe/Londn'
      },
      "schedule-never-fires systems[0] (rancher-server).schedule.timezone: can never fire: there is no time zone `Europe/Londn` → write an IANA name, such as 'Europe/London'",
    ],
    [
      'a time that the clocks leave out in spring',
      c => {
        c.systems[1].schedule = { every: 'day', at: '01:30', timezone: 'Europe/London' }
      },
      "schedule-skipped systems[1] (infra-db-development).schedule: does not run on 2026-03-29: the clocks of Europe/London leave out that hour → choose an hour that every day has, or the time zone 'Etc/UTC'",
    ],
    [
      'an image that is not pinned',
      c => {
        c.agent.image = 'registry.example/agent:latest'
      },
      'image-not-pinned agent.image: `registry.example/agent:latest` is not pinned → name a version: `image:1.2.3` or `image@sha256:…`, not `latest` or `stable`',
    ],
  ])('%s', (_, change, line) => {
    expect(found(broken(change))).toEqual([line])
  })
})

it.each([null, undefined, 42, 'config', [], {}])('says what is wrong with %j instead of a config', value => {
  expect(checkConfig(value, 'x.ts').problems.length).toBeGreaterThan(0)
})

it('finds every problem at once', () => {
  const value = broken(c => {
    c.systems[1].keep = 0
    c.systems[2].buket = 'x'
    c.systems[3].schedule = 'daily'
  })
  expect(checkConfig(value, 'x.ts').problems.map(p => p.location.path)).toEqual([
    'systems[1] (infra-db-development).keep',
    'systems[2] (infra-db-production).buket',
    'systems[3] (production-stack-db).schedule',
  ])
})
