import { join } from 'node:path'
import { execa } from 'execa'
import fc from 'fast-check'
import tzdata from 'tzdata/timezone-data.json' with { type: 'json' }
import { expect, test } from 'vitest'
import { formats } from '../../src/config/formats.ts'

const state = process.env.BACKUPS_TEST_LAB_STATE
if (!state) throw new Error('BACKUPS_TEST_LAB_STATE is not set: `npm test -- cluster` raises the lab and sets it')

/** The names of those objects that the API server would create. Nothing is created. */
async function accepted(items: readonly object[]): Promise<Set<string>> {
  const { stdout, stderr } = await execa(
    join(state as string, 'kubectl'),
    [
      `--kubeconfig=${join(state as string, 'kubeconfig')}`,
      ...['create', '--dry-run=server', '--validate=false', '--output=name', '--filename=-'],
    ],
    { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }), argv0: 'kubectl', reject: false },
  )
  const names = stdout.split('\n').flatMap(line => line.split('/').slice(1))
  // If it could not be asked, it refused nothing.
  expect(names, stderr.slice(0, 2000)).toContain('asked')
  return new Set(names)
}

const cronjob = (name: string, spec: object, pod: object = {}) => ({
  apiVersion: 'batch/v1',
  kind: 'CronJob',
  metadata: { name, namespace: 'default' },
  spec: {
    schedule: '7 3 * * *',
    jobTemplate: {
      spec: {
        template: { spec: { restartPolicy: 'Never', containers: [{ name: 'agent', image: 'agent' }], ...pod } },
      },
    },
    ...spec,
  },
})
const secret = (name: string, data = {}) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace: 'default' },
  data,
})

/** A format, the object that holds a value of it, and values that it takes. `named`: the value is the object's name. */
interface Case {
  readonly holds: (value: string, name: string) => object
  readonly takes: readonly string[]
  readonly named?: boolean
  /** Ours refuses some values that Kubernetes would take. */
  readonly narrower?: boolean
}

const cases: Record<string, Case> = {
  'kubernetes-name': { holds: value => secret(value), takes: ['im-s3', 'a.b-c.d', 'x'.repeat(63)], named: true },
  'kubernetes-namespace': {
    holds: name => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }),
    takes: ['im-infra', 'x', 'x'.repeat(63)],
    named: true,
  },
  'kubernetes-secret-key': {
    holds: (key, name) => secret(name, { [key]: '' }),
    takes: ['root_password', '.dockerconfigjson', 'a..b', 'x'.repeat(253)],
  },
  'kubernetes-label': {
    holds(key, name) {
      const preference = { matchExpressions: [{ key, operator: 'Exists' }] }
      const terms = { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, preference }] }
      return cronjob(name, {}, { affinity: { nodeAffinity: terms } })
    },
    takes: ['purpose', 'informaticsmatters.com/purpose-application', 'A_b.c', 'x'.repeat(63)],
  },
  'kubernetes-size': {
    holds: (storage, name) => ({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name, namespace: 'default' },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } } },
    }),
    takes: ['100Gi', '1Mi', '2Ti'],
    narrower: true,
  },
  // Kubernetes asks the operating system's zone files, which have more names than IANA's list.
  timezone: {
    holds: (timeZone, name) => cronjob(name, { timeZone }),
    takes: ['Europe/London', 'Etc/UTC', 'America/Argentina/Buenos_Aires'],
    narrower: true,
  },
}

// What people write, and what parsers stumble over.
const odd = [
  ...['.', '..', '...', '-', '_', 'A', 'a.', '.a', '-a', 'a-', 'a..b', 'a/b', '/a', 'a/', 'a/b/c', 'ü', 'a b', ' a'],
  ...['a\n', 'a:b', '__proto__', '{{ a }}', 'x'.repeat(64), 'x'.repeat(254), `${'x'.repeat(64)}/a`, 'example.com/'],
  ...['0Gi', '-1Gi', '1.5Gi', '1G', '1gi', '1 Gi', 'Gi', '9999999999999Ti', '1e3', '0x10'],
  ...['europe/london', 'BST', '+01:00', 'Local', 'UTC+1', 'Europe/Londn', '../UTC', 'Europe/London ', 'utc'],
]
const characters = fc.constantFrom(...'aZ09.-_/:+ ~%{}\\\n\u0000\u00fcİ')

/** A value that is right, with a few characters put in, taken out or replaced. */
const nearly = (right: readonly string[]) =>
  fc
    .tuple(fc.constantFrom(...right), fc.array(fc.tuple(fc.nat(), fc.nat(2), characters), { maxLength: 3 }))
    .map(([value, edits]) =>
      edits.reduce((text, [place, cut, character]) => {
        const at = place % (text.length + 1)
        return text.slice(0, at) + (cut === 2 ? '' : character) + text.slice(at + (cut === 0 ? 0 : 1))
      }, value),
    )

test.each(Object.entries(cases))('a %s that validate takes, the API server takes, and no other', async (name, one) => {
  const seed = Date.now() % 2 ** 31
  const tried = [...new Set([...one.takes, ...odd, ...fc.sample(nearly(one.takes), { numRuns: 300, seed })])]
    // What kubectl itself refuses, and ends at: an object without a name.
    .filter(value => value !== '')
  const objects = tried.map((value, index) => one.holds(value, `odd-${index}`))
  const taken = await accepted([...objects, secret('asked')])
  const judged = tried.map((value, index) => ({
    value,
    ours: formats[name]?.accepts(value) ?? false,
    kubernetes: taken.has(one.named ? value : `odd-${index}`),
  }))
  const differ = judged.filter(({ ours, kubernetes }) => (one.narrower ? ours && !kubernetes : ours !== kubernetes))
  expect(differ, `seed ${seed}`).toEqual([])
  // Both say yes and no often enough for that to mean something.
  expect(judged.filter(({ ours }) => ours).length).toBeGreaterThanOrEqual(one.takes.length)
  expect(judged.filter(({ kubernetes }) => !kubernetes).length).toBeGreaterThan(30)
})

test('every time zone that validate takes, the API server takes', async () => {
  // Not the former names: the lab's programs have only the zone files of Debian, which leaves them out, while those of a
  // release of Kubernetes hold Go's own.
  const zones = Object.entries(tzdata.zones).flatMap(([zone, rules]) =>
    typeof rules !== 'string' && zone.includes('/') ? [zone] : [],
  )
  expect(zones.filter(zone => !formats.timezone?.accepts(zone))).toEqual([])
  expect(zones.length).toBeGreaterThan(300)
  const taken = await accepted([
    ...zones.map((timeZone, index) => cronjob(`zone-${index}`, { timeZone })),
    secret('asked'),
  ])
  expect(zones.filter((_, index) => !taken.has(`zone-${index}`))).toEqual([])
})
