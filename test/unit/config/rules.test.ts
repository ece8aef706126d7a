import { describe, expect, it } from 'vitest'
import production from '../../../backups.config.ts'
import { type Config, checkConfig } from '../../../src/config/index.ts'
import { kinds } from '../../../src/kinds/index.ts'

// biome-ignore lint/suspicious/noExplicitAny: a config that is about to be broken fits no type
type Breakable = any

/** Production's config with one change. */
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
      `shape systems[4] (production-stack-media).kind: there is no kind of system "medai" → write one of ${Object.keys(
        kinds,
      )
        .map(kind => `'${kind}'`)
        .join(', ')}; did you mean 'media'?`,
    ],
    [
      'a bucket used twice',
      c => {
        c.systems[2].bucket = 'im-infra-backup'
      },
      'bucket-used-twice systems[2] (infra-db-production).bucket: `im-infra-backup` is the bucket of `infra-db-development` already → give each system a bucket of its own',
    ],
    [
      'reports in the bucket of a system',
      c => {
        c.statusService.reports.bucket = 'im-infra-backup'
      },
      'bucket-used-twice statusService.reports.bucket: `im-infra-backup` is the bucket of `infra-db-development` already → give the reports a bucket of their own',
    ],
    [
      'a protection that ends before the next copy',
      c => {
        c.systems[0].protect = { mode: 'lock', days: 7 }
      },
      'protection-too-weak systems[0] (rancher-server).protect.days: the newest copy would be protected for 7 days, and must be for 15 → write at least 15',
    ],
    [
      'locks of media that end before they are renewed',
      c => {
        c.systems[4].protect = { mode: 'lock', days: 13 }
      },
      'system-contradictory systems[4] (production-stack-media).protect.days: the locks of files that stay are renewed each week, and would end after 13 days → write at least 14',
    ],
    [
      'locks by an old image',
      c => {
        Object.assign(c.systems[1], {
          image: 'informaticsmatters/sql-backup:15.0',
          protect: { mode: 'lock', days: 30 },
        })
      },
      "protection-too-weak systems[1] (infra-db-development).protect.mode: `informaticsmatters/sql-backup:15.0` locks nothing, only the agent does → leave out `image`, or write 'versioning'",
    ],
    [
      'a second store nobody defined',
      c => {
        c.systems[1].second = { store: 'offsite', bucket: 'x-second', keep: 7, schedule: { every: 'day', at: '06:00' } }
      },
      'second-store-wrong systems[1] (infra-db-development).second.store: there is no store `offsite` → add it to `otherStores`',
    ],
    [
      'a second store that is the first',
      c => {
        c.otherStores = [{ ...c.store, name: 'offsite', endpoint: 'https://s3.echo.stfc.ac.uk/' }]
      },
      'second-store-wrong otherStores[0].endpoint: `https://s3.echo.stfc.ac.uk/` is the first store: what is lost there is lost here → write the address of another provider, or of another site',
    ],
    [
      'a second bucket used twice',
      c => {
        c.otherStores = [{ ...c.store, name: 'offsite', endpoint: 'https://s3.offsite.example' }]
        const second = { store: 'offsite', bucket: 'x-second', keep: 7, schedule: { every: 'day', at: '06:00' } }
        Object.assign(c.systems[1], { second })
        Object.assign(c.systems[2], { second })
      },
      'second-store-wrong systems[2] (infra-db-production).second.bucket: `x-second` is the second bucket of `infra-db-development` already → give each system a bucket of its own',
    ],
    [
      'more than one second copy of media',
      c => {
        c.otherStores = [{ ...c.store, name: 'offsite', endpoint: 'https://s3.offsite.example' }]
        c.systems[4].second = { store: 'offsite', bucket: 'x-second', keep: 7, schedule: { every: 'day', at: '06:00' } }
      },
      'system-contradictory systems[4] (production-stack-media).second.keep: the second copy of media is one state, and what was deleted or replaced for 30 days: 7 has no effect → write 1',
    ],
    [
      'two systems of one name',
      c => {
        c.systems[2].name = 'infra-db-development'
        delete c.awx
      },
      'name-used-twice systems[2] (infra-db-development).name: another system is called `infra-db-development` already → give each system a name of its own',
    ],
    [
      'a volume used twice',
      c => {
        Object.assign(c.systems[3], {
          namespace: 'im-infra',
          volume: c.systems[2].volume,
          password: c.systems[2].password,
        })
      },
      "place-shared systems[3] (production-stack-db).volume: is the `volume` of `infra-db-production`: one would overwrite the other's data → give each a place of its own",
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
      "shape systems[0] (rancher-server).schedule.timezone: \"Europe/Londn\" is not a time zone of the IANA list, spelled exactly, such as 'Europe/London' or 'Etc/UTC' → write a time zone of the IANA list, spelled exactly, such as 'Europe/London' or 'Etc/UTC'",
    ],
    [
      'a time that the clocks skip in spring',
      c => {
        c.systems[1].schedule = { every: 'day', at: '01:30', timezone: 'Europe/London' }
      },
      "schedule-skipped systems[1] (infra-db-development).schedule: does not run on 2026-03-29: in Europe/London the clocks skip that hour → choose an hour that every day has, or the time zone 'Etc/UTC'",
    ],
    [
      'CronJobs that are all due at once',
      c => {
        const [, , , stack] = c.systems
        for (let number = 0; number < 50; number += 1) {
          const place = { bucket: `bucket-${number}`, volume: { claim: `claim-${number}`, size: '1Gi' }, replaces: [] }
          const schedule =
            number % 2 ? { every: 'day', at: '04:07', timezone: 'Europe/Paris' } : { every: 'day', at: '03:07' }
          c.systems.push({ ...stack, ...place, schedule, name: `stack-${number}` })
        }
      },
      'cronjobs-crowded systems[2] (infra-db-production).schedule: 51 CronJobs of `production` are due at 03:07 UTC → spread them: each minute between 03:07 and the next hour takes some of them',
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

/** The rules and places of a config's problems. */
const ids = (change: (config: Breakable) => void) =>
  checkConfig(broken(change), 'x.ts').problems.map(p => `${p.ruleId} ${p.location.path}`)

const [rancher, database, media, kit] = ['rancher', 'database', 'media', 'kit'].map(kind =>
  production.systems.findIndex(system => system.kind === kind),
) as [number, number, number, number]
const at = (index: number, key: string) => `systems[${index}] (${production.systems[index]?.name}).${key}`

describe('a text that the system which reads it would refuse is refused here', () => {
  it.each<[string, (c: Breakable, value: string) => void, string[]]>([
    [
      at(database, 'schedule.timezone'),
      (c, value) => {
        c.systems[database].schedule.timezone = value
      },
      ['europe/london', 'BST', '+01:00', 'Local', ' UTC', ''],
    ],
    [
      at(database, 'nodePreference'),
      (c, value) => {
        c.systems[database].nodePreference = value
      },
      ['a/b/c', '-a', 'Ex.ample/x', 'a b', `${'x'.repeat(64)}`, '/x'],
    ],
    [
      at(database, 'password.key'),
      (c, value) => {
        c.systems[database].password.key = value
      },
      ['a b', '..', '../x', 'a/b', ''],
    ],
    [
      at(database, 'namespace'),
      (c, value) => {
        c.systems[database].namespace = value
      },
      ['Im-infra', 'a.b', 'a_b', '-a', 'x'.repeat(64)],
    ],
    [
      at(database, 'volume.size'),
      (c, value) => {
        c.systems[database].volume.size = value
      },
      ['0Gi', '10', '-1Gi', '1.5Gi', '10GB'],
    ],
    [
      at(database, 'bucket'),
      (c, value) => {
        c.systems[database].bucket = value
      },
      ['a..b', '192.168.1.1', 'Ab-c', 'ab', '-abc', 'abc-', 'a'.repeat(64), 'a_b'],
    ],
    [
      at(database, 'image'),
      (c, value) => {
        c.systems[database].image = value
      },
      ['Registry/Image:1', 'image:', 'a//b:1', '-x:1', 'image:1 ', 'https://registry.example/image:1'],
    ],
    [
      at(rancher, 'host'),
      (c, value) => {
        c.systems[rancher].host = value
      },
      ['-oProxyCommand=touch', 'user@host', 'a b', 'host:22', '300.1.1.1', ''],
    ],
    [
      'repository.url',
      (c, value) => {
        c.repository.url = value
      },
      ['-u', 'ext::sh -c x', 'not an address', 'https://', '--upload-pack=x'],
    ],
    [
      at(kit, 'recipients[0]'),
      (c, value) => {
        c.systems[kit].recipients[0] = value
      },
      [
        'age16fhey6jtyffph0mcgkvu8qeznhv0tvlyq6axagdzy5rke6hz7f7snmdm57',
        'age1',
        'ssh-ed25519 AAAA',
        'AGE16FHEY6JTYFFPH0MCGKVU8QEZNHV0TVLYQ6AXAGDZY5RKE6HZ7F7SNMDM5',
      ],
    ],
    [
      at(0, 'hostKeys[0]'),
      (c, value) => {
        c.systems[0].hostKeys[0] = value
      },
      [
        'AAAAC3NzaC1lZDI1NTE5AAAAIHrWzw8TAQpQLBTf0R5RCzMRbUZVZ8Wpu1yN3ZVdF8hN',
        'rancher.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHrWzw8TAQpQLBTf0R5RCzMRbUZVZ8Wpu1yN3ZVdF8hN',
        'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHrWzw8TAQpQLBTf0R5RCzMRbUZVZ8Wpu1yN3ZVdF8hN root@rancher',
        'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHrWzw8TAQpQLBTf0R5RCzMRbUZVZ8Wpu1yN3ZVdF8',
        'ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIHrWzw8TAQpQLBTf0R5RCzMRbUZVZ8Wpu1yN3ZVdF8hN',
        'ssh-ed25519 AAAA"; id; "',
        'SHA256:YPBZadJZLHoKWVA0gtEYA2GPLRMKFjvqeYe528iR3tU',
      ],
    ],
    [
      'notifications.webhook',
      (c, value) => {
        c.notifications.webhook = value
      },
      ['hooks.example', 'ftp://x.example', 'https://', 'https://a b.example'],
    ],
  ])('%s', (path, change, values) => {
    for (const value of values)
      expect(
        ids(c => change(c, value)),
        value,
      ).toContain(`shape ${path}`)
  })
})

describe("no system may destroy another's data, nor its own", () => {
  it.each<[string, (c: Breakable) => void, string]>([
    [
      'a database on a claim that another prunes, with or without a size',
      c => {
        c.systems[database + 1].cluster = c.systems[database].cluster
        c.systems[database + 1].volume = { claim: 'pg-bu' }
      },
      at(database + 1, 'volume'),
    ],
    [
      'a replica that is its own source',
      c => {
        c.systems[media].replica = c.systems[media].source
      },
      at(media, 'replica'),
    ],
    [
      "a replica that is a database's volume",
      c => {
        Object.assign(c.systems[media], { replica: { claim: 'database-backup' } })
      },
      at(media, 'replica'),
    ],
    [
      'a replica inside an NFS export that is a source, however it is spelled',
      c => {
        c.systems[media].source = { nfs: { server: 'NFS.example.', path: '/nfs/./kubernetes-media-replica/../' } }
      },
      at(media, 'replica'),
    ],
    [
      'a staging folder inside the data',
      c => {
        c.systems[rancher].stagingDirectory = `${c.systems[rancher].dataDirectory}/staging`
      },
      at(rancher, 'stagingDirectory'),
    ],
    [
      'a staging folder that contains the data',
      c => {
        c.systems[rancher].stagingDirectory = '/var/lib'
      },
      at(rancher, 'stagingDirectory'),
    ],
  ])('%s', (_, change, path) => {
    expect(ids(change)).toEqual([`place-shared ${path}`])
  })

  it('neighbours whose names begin alike are no conflict', () => {
    expect(
      ids(c => {
        c.systems[media].source = { nfs: { server: 'nfs.example', path: '/nfs/kubernetes-media-replica-2' } }
      }),
    ).toEqual([])
  })
})

it.each<[string, (c: Breakable) => void, string]>([
  [
    "replaces its own system's CronJob",
    c => {
      c.systems[database].replaces = [c.systems[database].name]
    },
    `replaces-ours ${at(database, 'replaces[0]')}`,
  ],
  [
    "replaces another system's CronJob",
    c => {
      c.systems[media].replaces = ['production-stack-db']
    },
    `replaces-ours ${at(media, 'replaces[0]')}`,
  ],
  [
    'a server of AWX that is no system',
    c => {
      c.awx.server = 'infra-db-prodution'
    },
    'awx-unknown awx.server',
  ],
  [
    'a server of AWX whose copies are of one database',
    c => {
      c.awx.server = 'production-stack-db'
    },
    'awx-unknown awx.server',
  ],
  [
    "a kit of AWX that does not keep AWX's Secret",
    c => {
      c.awx.kit = 'kit-infra-development'
    },
    'awx-unknown awx.kit',
  ],
  [
    'a database that accepts no connections',
    c => {
      c.systems[database].database = 'template0'
    },
    `system-contradictory ${at(database, 'database')}`,
  ],
  [
    'a window of Rancher that lasts until its next run',
    c => {
      c.systems[rancher].schedule = { every: 'hour', minute: 5 }
    },
    `system-contradictory ${at(rancher, 'windowMinutes')}`,
  ],
  [
    'the API of another cluster with the dot of the DNS root',
    c => {
      c.clusters[0].api = c.clusters[1].api.replace('.example', '.example.')
    },
    'cluster-used-twice clusters[1].api',
  ],
  [
    'a drill image that is not pinned',
    c => {
      c.agent.drillImage = 'registry.example/agent-drill:latest'
    },
    'image-not-pinned agent.drillImage',
  ],
  [
    'an image of another contract',
    c => {
      c.systems[database].image = 'informaticsmatters/volume-replicator:1.0'
    },
    `system-contradictory ${at(database, 'image')}`,
  ],
  [
    'any image for a kit',
    c => {
      c.systems[kit].image = 'informaticsmatters/sql-backup:1.0'
    },
    `system-contradictory ${at(kit, 'image')}`,
  ],
  [
    'a Secret for TLS without its type',
    c => {
      c.systems[kit].secrets = [...c.systems[kit].secrets, { name: 'wildcard', keys: ['tls.crt', 'tls.key'] }]
    },
    `system-contradictory ${at(kit, 'secrets[1].type')}`,
  ],
  [
    'zstd with an image that has none',
    c => {
      Object.assign(c.systems[database], { image: 'informaticsmatters/sql-backup:1.0', compression: 'zstd' })
    },
    `system-contradictory ${at(database, 'compression')}`,
  ],
  [
    'keep without effect',
    c => {
      c.systems[media].keep = 7
    },
    `system-contradictory ${at(media, 'keep')}`,
  ],
  [
    'a stop deadline longer than the window',
    c => {
      Object.assign(c.systems[rancher], { windowMinutes: 10, stopDeadlineSeconds: 3600 })
    },
    `system-contradictory ${at(rancher, 'stopDeadlineSeconds')}`,
  ],
  ...['awx', 'all', 'localhost', 'database', 'cronjobs', 'controller', 'ungrouped'].map(
    (name): [string, (c: Breakable) => void, string] => [
      `a system called ${name}`,
      c => {
        c.systems[kit].name = name
      },
      `name-taken systems[${kit}] (${name}).name`,
    ],
  ),
  [
    'a Secret that a kit lists twice',
    c => {
      const [first] = c.systems[kit].secrets
      c.systems[kit].secrets = [first, structuredClone(first)]
    },
    `system-contradictory ${at(kit, 'secrets[1].name')}`,
  ],
  [
    'a storage class of a claim that must exist',
    c => {
      delete c.systems[database].volume.size
    },
    `system-contradictory ${at(database, 'volume.storageClass')}`,
  ],
  [
    'a status service that is not pinned',
    c => {
      c.statusService.image = 'registry.example/status:latest'
    },
    'image-not-pinned statusService.image',
  ],
  [
    'a Rancher server with the name, and so the credential, of a cluster',
    c => {
      c.systems[rancher].name = 'production'
    },
    `name-taken systems[${rancher}] (production).name`,
  ],
  [
    'one bucket of two stores of one address',
    c => {
      const store = { ...c.store, endpoint: 'https://s3.offsite.example' }
      c.otherStores = [
        { ...store, name: 'one' },
        { ...store, name: 'two', endpoint: 'https://S3.offsite.example.:443/' },
      ]
      const second = { bucket: 'x-second', keep: 7, schedule: { every: 'day', at: '06:00' } }
      c.systems[database].second = { ...second, store: 'one' }
      c.systems[database + 1].second = { ...second, store: 'two' }
    },
    `second-store-wrong ${at(database + 1, 'second.bucket')}`,
  ],
  [
    'two environments that become one group',
    c => {
      c.clusters[0].environment = 'a-b'
      c.clusters[1].environment = 'a_b'
    },
    'name-taken clusters[1].environment',
  ],
  [
    'two clusters of one API',
    c => {
      c.clusters[1].api = c.clusters[0].api.replace('https://d', 'https://D').concat('/')
    },
    'cluster-used-twice clusters[1].api',
  ],
])('refuses %s', (_, change, problem) => {
  expect(ids(change)).toEqual([problem])
})

describe('a secret in the config is refused, and never repeated', () => {
  const password = 'correct-horse-battery'
  it.each<[string, (c: Breakable) => void, string]>([
    [
      'a private age key among the recipients',
      c => c.systems[kit].recipients.push(`AGE-SECRET-KEY-1${'Q'.repeat(58)}`),
      'Q'.repeat(58),
    ],
    [
      "a private age key as a key's name",
      c => {
        c.systems[kit].drillIdentity.key = `AGE-SECRET-KEY-1${'Q'.repeat(58)}`
      },
      'Q'.repeat(58),
    ],
    [
      'a password in an address',
      c => {
        c.repository.url = `https://git:${password}@github.example/x.git`
      },
      password,
    ],
    [
      'a password in an address for ssh',
      c => {
        c.repository.url = `git:${password}@github.example:x.git`
      },
      password,
    ],
    [
      'a password in a connection string',
      c => {
        c.systems[database].service = `host=database password=${password}`
      },
      password,
    ],
    [
      'a webhook that is not written as an address',
      c => {
        c.notifications.mattermost = `hooks.example/${password}`
      },
      password,
    ],
    [
      'a token in an address',
      c => {
        c.notifications.webhook = `https://hooks.example/x?access_token=${password}`
      },
      password,
    ],
    [
      'an access key under an unknown key',
      c => {
        c.store.accessKey = 'AKIAIOSFODNN7EXAMPLE'
      },
      'AKIAIOSFODNN7EXAMPLE',
    ],
    [
      'a secret key in a description',
      c => {
        c.systems[0].description = 'wJalrXUtnFEMI7K7MDENGbPxRfiCYEXAMPLEKEYa'
      },
      'wJalrXUtnFEMI7K7MDENGbPxRfiCYEXAMPLEKEYa',
    ],
    [
      'a secret as the name of a key',
      c => {
        c.store[`AGE-SECRET-KEY-1${'Q'.repeat(58)}`] = true
      },
      'Q'.repeat(58),
    ],
    [
      'a password in place of the name of its Secret',
      c => {
        c.systems[database].password = password
      },
      password,
    ],
    [
      'a password in place of the name of its key',
      c => {
        c.systems[database].password = { secret: 'x', key: `${password} !` }
      },
      password,
    ],
  ])('%s', (_, change, secret) => {
    const { config, problems } = checkConfig(broken(change), 'x.ts')
    expect(config).toBeUndefined()
    expect(problems.length).toBeGreaterThan(0)
    expect(JSON.stringify(problems)).not.toContain(secret)
  })
})

it('a database whose Secrets no kit keeps is a warning, and the config is valid', () => {
  const change = (c: Breakable) => {
    c.systems = c.systems.filter((system: { name: string }) => system.name !== 'kit-production-stack')
    const kit = c.systems.find((system: { name: string }) => system.name === 'kit-infra-production')
    kit.secrets = [{ name: 'im-postgres', keys: ['database_admin_user'] }]
  }
  const { config, problems } = checkConfig(broken(change), 'any')
  expect(config).toBeDefined()
  expect(problems.map(p => `${p.severity} ${p.ruleId} ${p.location.path}: ${p.message}`)).toEqual([
    'warning secret-not-kept systems[2] (infra-db-production): no kit keeps `database_admin_user_password` of `im-postgres` in `im-infra`',
    'warning secret-not-kept systems[3] (production-stack-db): no kit keeps `root_password` of `database` in `production-stack`',
  ])
})

describe("the key of a kit's drills opens that kit alone", () => {
  const kits = production.systems.flatMap((system, index) => (system.kind === 'kit' ? [{ ...system, index }] : []))

  it('each kit of production has one of its own, which is no operator’s', () => {
    const drills = kits.map(({ drillIdentity }) => drillIdentity?.recipient)
    expect(new Set([...drills, undefined]).size).toBe(kits.length + 1)
    expect(kits.flatMap(({ recipients }) => recipients).filter(key => drills.includes(key))).toEqual([])
  })

  const [first, second] = kits
  const change = (edit: (first: Breakable, second: Breakable) => void) => (config: Breakable) =>
    edit(config.systems[first?.index ?? 0], config.systems[second?.index ?? 0])
  it.each<[string, (config: Breakable) => void, string[]]>([
    [
      'one key for the drills of two kits in two clusters',
      change((one, other) => {
        other.drillIdentity.recipient = one.drillIdentity.recipient
      }),
      [`drill-key-shared ${at(second?.index ?? 0, 'drillIdentity.recipient')}: opens \`${first?.name}\` too`],
    ],
    [
      "the drill key of a later kit among an earlier kit's operators",
      change((one, other) => one.recipients.push(other.drillIdentity.recipient)),
      [`drill-key-shared ${at(second?.index ?? 0, 'drillIdentity.recipient')}: is among the \`recipients\` of`],
    ],
    [
      'an operator’s key for the drills',
      change(one => {
        one.drillIdentity.recipient = one.recipients[0]
      }),
      [`drill-key-shared ${at(first?.index ?? 0, 'drillIdentity.recipient')}: is among the \`recipients\` of`],
    ],
    [
      'a drill key whose public part is not named',
      change(one => {
        delete one.drillIdentity.recipient
      }),
      [`shape ${at(first?.index ?? 0, 'drillIdentity.recipient')}: \`recipient\` is missing`],
    ],
  ])('refuses %s', (_, edit, lines) => {
    expect(found(broken(edit))).toEqual(lines.map(line => expect.stringContaining(line)))
  })
})
