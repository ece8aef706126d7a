import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import { Client } from 'pg'
import { expect, onTestFinished } from 'vitest'
import { folder, type startAgent } from '../../support/agent.ts'
import { majors, newestPsql, pgDumpInstead, programsOf, realPgDump } from '../../support/postgres.ts'
import { HELD, isUpload, refusingProxy } from '../../support/store-proxy.ts'
import { type AgentFault, every, fails, survives } from './faults.ts'
import type { Injected, Subject } from './subject.ts'
import type { Database, Media } from './subjects.ts'

const ofDump = 'The dump'
const ofSource = 'The source'
const ofVolume = 'The backup volume'
const ofRun = 'The run'

const onlyDumps = {
  media: 'media are no dump',
  kit: 'a kit is no dump',
  rancher: "Rancher's archive is no dump; the faults of its copy are among those of its host",
}
const onlyTrees = {
  database: 'a dump reads a server, not a folder',
  kit: 'Kubernetes mounts the Secrets, or the pod does not start',
  rancher: "the faults of Rancher's data are among those of its host",
}
const onlyVolumes = {
  media: 'media go from their source straight to the bucket',
  kit: 'a kit goes straight to the bucket',
  rancher: 'the staging folder of the Docker host is among the faults of that host',
}

/** pg_dump is one that does this after 300,000 bytes of its dump. */
const dumpThat = (end: string, says: RegExp) => async (): Promise<Injected> => ({
  ...fails,
  env: { BACKUP_POSTGRES_PROGRAMS: await pgDumpInstead(`${realPgDump} "$@" | head -c 300000\n${end}`) },
  exit: 4,
  says,
})

/** pg_dump waits until this is released. */
async function locked({ server }: Database): Promise<{ waits(): Promise<void>; release(): Promise<void> }> {
  const { PGADMINPASS: PGPASSWORD = '', ...connection } = server.env
  const holder = execa(newestPsql, ['-Xq', '-d', 'frag'], {
    env: { ...connection, PGPASSWORD },
    input: 'begin; lock table t in access exclusive mode; select pg_sleep(120);',
    reject: false,
  })
  // The server does not notice that a client that sleeps is gone.
  const end = `select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'`
  const release = async () => {
    await server.sql('postgres', end).catch(() => undefined)
    holder.kill()
    await holder
  }
  onTestFinished(release)
  const waiting = `select count(*) from pg_stat_activity where application_name = 'pg_dump' and wait_event_type = 'Lock'`
  const waits = () => expect.poll(() => server.sql('postgres', waiting), { timeout: 30_000 }).toBe('1')
  return { waits, release }
}

const database = (inject: (subject: Database) => Promise<Injected>) => ({
  database: (subject: Subject) => inject(subject as Database),
})
const media = (inject: (subject: Media) => Promise<Injected>) => ({
  media: (subject: Subject) => inject(subject as Media),
})

async function mountOver(path: string, ...options: string[]): Promise<() => Promise<void>> {
  await execa('mount', [...options, path])
  let mounted = true
  const unmount = async () => {
    if (mounted) await execa('umount', ['--lazy', path])
    mounted = false
  }
  onTestFinished(unmount)
  return unmount
}

/** Ends the run by a signal while the store takes its first upload. */
const signalled = (signal: 'SIGKILL' | 'SIGTERM', then: Injected) => async (subject: Subject) => {
  const reached = Promise.withResolvers<void>()
  const proxy = await refusingProxy(subject.env.RCLONE_S3_ENDPOINT ?? '', request => {
    if (!isUpload(request)) return undefined
    reached.resolve()
    return HELD
  })
  const during = async (run: ReturnType<typeof startAgent>) => {
    await reached.promise
    run.kill(signal)
  }
  return { ...then, env: { RCLONE_S3_ENDPOINT: proxy.url }, during }
}

export const sourceFaults: readonly AgentFault[] = [
  {
    fault: { name: 'pg_dump is killed', group: ofDump, without: onlyDumps, most: 'database' },
    cells: { database: dumpThat('kill -9 $$', /pg_dump was killed by signal 9/) },
  },
  {
    fault: {
      name: 'pg_dump ends with an exit code and no message',
      group: ofDump,
      without: onlyDumps,
      most: 'database',
    },
    cells: { database: dumpThat('exit 7', /pg_dump ended with 7, without a word/) },
  },
  {
    fault: { name: 'pg_dump exits with 0 in mid-dump', group: ofDump, without: onlyDumps, most: 'database' },
    cells: { database: dumpThat('exit 0', /exited with 0, but its dump is incomplete/) },
  },
  {
    fault: { name: 'pg_dump warns on stderr, and is right', group: ofDump, without: onlyDumps, most: 'database' },
    cells: database(async () => ({
      ...survives,
      env: { BACKUP_POSTGRES_PROGRAMS: await pgDumpInstead(`echo 'warning: noise' >&2\nexec ${realPgDump} "$@"`) },
      says: /warning: noise/,
    })),
  },
  {
    fault: { name: 'the compressor is killed', group: ofDump, without: onlyDumps, most: 'database' },
    cells: database(async () => {
      const place = await folder()
      await writeFile(join(place, 'igzip'), '#!/bin/bash\nhead -c 1000\nkill -9 $$\n', { mode: 0o755 })
      return { ...fails, env: { PATH: `${place}:${process.env.PATH}` }, exit: 4, says: /igzip was killed by signal 9/ }
    }),
  },
  {
    fault: { name: 'the server is away', group: ofSource, without: onlyDumps, most: 'database' },
    cells: database(async () => ({ ...fails, env: { PGPORT: '1' }, exit: 3, says: /Connection refused|ECONNREFUSED/ })),
  },
  {
    fault: { name: 'the server crashes in mid-dump', group: ofSource, without: onlyDumps, most: 'database' },
    cells: database(async subject => {
      const { waits, release } = await locked(subject)
      return {
        ...fails,
        during: async () => {
          await waits()
          await subject.server.crash()
          await release()
        },
        end: () => subject.server.start(),
        exit: 4,
        says: /server closed the connection unexpectedly|terminating connection/,
      }
    }),
  },
  {
    fault: { name: 'the password is wrong', group: ofSource, without: onlyDumps, most: 'database' },
    cells: database(async () => ({
      ...fails,
      env: { PGADMINPASS: 'wrong' },
      exit: 3,
      says: /password authentication failed/,
    })),
  },
  {
    fault: { name: 'the client is older than the server', group: ofSource, without: onlyDumps, most: 'database' },
    cells: database(async () => ({
      ...fails,
      env: { BACKUP_POSTGRES_PROGRAMS: await programsOf(majors[0] ?? 0) },
      exit: 5,
      says: /the server is PostgreSQL .* has only .*: use an image with pg_dump/,
    })),
  },
  {
    fault: { name: 'the server has no connection left', group: ofSource, without: onlyDumps, most: 'database' },
    cells: database(async ({ server }) => {
      const { PGHOST = '', PGUSER = '', PGADMINPASS = '' } = server.env
      const held: Client[] = []
      for (;;) {
        const client = new Client({ host: PGHOST, user: PGUSER, password: PGADMINPASS, database: 'frag' })
        client.on('error', () => undefined)
        const connected = await client.connect().then(
          () => true,
          () => false,
        )
        if (!connected) break
        held.push(client)
      }
      const end = () => Promise.all(held.splice(0).map(client => client.end()))
      onTestFinished(async () => void (await end()))
      return { ...fails, end, exit: 3, says: /too many clients/ }
    }),
  },
  {
    fault: { name: 'a table is locked for ever', group: ofSource, without: onlyDumps, most: 'database' },
    cells: database(async subject => {
      const { release } = await locked(subject)
      return {
        ...fails,
        env: { BACKUP_LOCK_WAIT_S: '2' },
        end: release,
        exit: 4,
        says: /a table stayed locked for 2 s .*Exclusive locks are held by/,
      }
    }),
  },
  {
    fault: {
      name: 'the source is empty: its volume is not mounted',
      group: ofSource,
      without: onlyTrees,
      most: 'media',
    },
    cells: media(async ({ source }) => ({
      ...fails,
      end: await mountOver(source, '-t', 'tmpfs', 'tmpfs'),
      exit: 7,
      says: /has no files. Nothing was copied or deleted/,
    })),
  },
  {
    fault: { name: 'the source is missing', group: ofSource, without: onlyTrees, most: 'media' },
    cells: media(async () => ({ ...fails, env: { BACKUP_VOLUME_B: '/nowhere' }, exit: 7, says: /\/nowhere/ })),
  },
  {
    fault: { name: 'another volume is mounted as the source', group: ofSource, without: onlyTrees, most: 'media' },
    cells: media(async () => ({
      ...fails,
      env: { BACKUP_SENTINEL: 'the-real-one' },
      exit: 7,
      says: /the-real-one/,
    })),
  },
  {
    fault: { name: 'half of the source is gone', group: ofSource, without: onlyTrees, most: 'media' },
    cells: media(async ({ source }) => {
      for (const name of (await readdir(source)).slice(0, 2)) await rm(join(source, name), { recursive: true })
      return { ...fails, exit: 7, says: /FAILURE \(7\)/ }
    }),
  },
  {
    fault: {
      name: 'the source changes while it is read',
      group: ofSource,
      without: { kit: onlyTrees.kit, rancher: onlyTrees.rancher },
      most: 'media',
    },
    cells: {
      ...media(async subject => ({ ...survives, ...changing(subject), says: /SUCCESS/ })),
      ...database(async subject => ({ ...survives, ...changing(subject), says: /SUCCESS/ })),
    },
  },
  {
    fault: {
      name: 'a key of a Secret is missing',
      group: ofSource,
      without: {
        database: 'Kubernetes does not start the pod; deploying checks the keys before that',
        media: 'media are read without a Secret',
        rancher: "Rancher's data are read without a Secret",
      },
      most: 'kit',
    },
    cells: { kit: async () => ({ ...fails, env: { KIT_0: '' }, exit: 2, says: /the key secret_key of the Secret/ }) },
  },
  {
    fault: { name: 'the volume is full', group: ofVolume, without: onlyVolumes, most: 'database' },
    cells: database(async ({ volume }) => ({
      ...fails,
      end: await mountOver(volume, '-t', 'tmpfs', '-o', 'size=600k', 'tmpfs'),
      exit: 9,
      says: /free space on the volume/,
    })),
  },
  {
    fault: { name: 'the volume is read-only', group: ofVolume, without: onlyVolumes, most: 'database' },
    cells: database(async ({ volume }) => ({
      ...fails,
      end: await mountOver(volume, '-t', 'tmpfs', '-o', 'ro', 'tmpfs'),
      exit: 9,
      says: /cannot be used \(EROFS: .*mount it writable/,
    })),
  },
  {
    fault: { name: 'the volume is gone in mid-dump', group: ofVolume, without: onlyVolumes, most: 'database' },
    cells: database(async subject => {
      const unmount = await mountOver(subject.volume, '-t', 'tmpfs', 'tmpfs')
      const { waits, release } = await locked(subject)
      return {
        ...fails,
        during: async () => {
          await waits()
          await unmount()
          await release()
        },
        exit: 9,
        says: /vanished while it was written: check that the volume is still mounted/,
      }
    }),
  },
  {
    fault: {
      name: 'another run of the system is active',
      group: ofRun,
      without: {
        kit: 'each run writes a kit of its own, in seconds',
        rancher: 'shown on its host: refused before anything is stopped (test/host/rancher/backup.test.ts)',
      },
      most: 'database',
    },
    cells: {
      ...database(async ({ volume }) => ({ ...fails, ...(await heldBy(join(volume, 'hourly/.lock'))), exit: 8, says })),
      ...media(async ({ source }) => ({ ...fails, ...(await heldBy(source)), exit: 8, says })),
    },
  },
  {
    fault: {
      name: 'the run is killed in mid-upload',
      group: ofRun,
      without: { rancher: 'among the faults of its host' },
      most: 'media',
    },
    cells: every(signalled('SIGKILL', { exit: undefined, alarm: 'silence', says: /^/ })),
  },
  {
    fault: {
      name: 'the pod is told to stop in mid-upload',
      group: ofRun,
      without: { rancher: 'among the faults of its host' },
      most: 'database',
    },
    cells: every(signalled('SIGTERM', { ...fails, exit: 15, says: /stopped by SIGTERM/ })),
  },
  {
    fault: {
      name: "the dead-man's switch is away",
      group: ofRun,
      without: { rancher: 'its runs send heartbeats by the same code' },
      most: 'kit',
    },
    cells: every(async () => ({
      exit: 0,
      alarm: 'job',
      env: { BACKUP_HEARTBEAT_URL: 'http://127.0.0.1:1/check' },
      says: /the heartbeat "start" could not be delivered/,
    })),
  },
]

const says = /another run of .* is active/

async function heldBy(place: string): Promise<Pick<Injected, 'end'>> {
  const holder = execa('flock', [place, '--command', 'echo held; exec sleep 60'], {
    reject: false,
    forceKillAfterDelay: 1000,
  })
  await new Promise(resolve => holder.stdout.once('data', resolve))
  const end = async () => {
    await execa('pkill', ['--parent', String(holder.pid)], { reject: false })
    await holder
  }
  onTestFinished(end)
  return { end }
}

/** The source is changed again and again until the run has ended. */
function changing(subject: Subject): Pick<Injected, 'during' | 'changing'> {
  const during = async (run: ReturnType<typeof startAgent>) => {
    let ended = false
    const end = run.then(() => {
      ended = true
    })
    while (!ended) {
      await subject.change()
      await sleep(20)
    }
    await end
  }
  return { during, changing: true }
}
