import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import fc from 'fast-check'
import tzdata from 'tzdata/timezone-data.json' with { type: 'json' }
import { expect, onTestFinished, test } from 'vitest'
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
  'kubernetes-label-value': {
    holds(value, name) {
      const object = secret(name)
      return { ...object, metadata: { ...object.metadata, labels: { release: value } } }
    },
    takes: ['kube-prometheus-stack', 'A_b.c', '1', 'x'.repeat(63)],
  },
  // Releases before 1.36 take no name that begins with a digit.
  'kubernetes-service': {
    holds: name => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: 'default' },
      spec: { ports: [{ port: 5432 }] },
    }),
    takes: ['database', 'a-1', 'x'.repeat(63)],
    named: true,
    narrower: true,
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

// The program that container runtimes, and so the kubelet, read image references with.
const reader = `package main
import ("bufio"; _ "crypto/sha256"; _ "crypto/sha512"; "encoding/json"; "fmt"; "os"; "github.com/distribution/reference")
func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var text string
		if err := json.Unmarshal(lines.Bytes(), &text); err != nil { panic(err) }
		_, err := reference.ParseNormalizedNamed(text)
		fmt.Println(err == nil)
	}
}
`

test('an image reference that validate takes, container runtimes take, and no other', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'backups-reference-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'main.go'), reader)
  const requires =
    'require (\n\tgithub.com/distribution/reference v0.6.0\n\tgithub.com/opencontainers/go-digest v1.0.0\n)\n'
  await writeFile(join(folder, 'go.mod'), `module reader\n\ngo 1.24\n\n${requires}`)
  const hex = '0123456789abcdef'.repeat(4)
  const right = [
    'a',
    'a:1',
    'r.example:5000/a/b_c:1.2-x',
    '[::1]:5000/a',
    `a:1@sha256:${hex}`,
    `R.example/a@sha512:${hex}${hex}`,
  ]
  const seed = Date.now() % 2 ** 31
  const tried = [...new Set([...right, ...odd, hex, ...fc.sample(nearly(right), { numRuns: 3000, seed })])]
  const input = tried.map(text => JSON.stringify(text)).join('\n')
  const { stdout } = await execa('go', ['run', '-mod=mod', '.'], {
    cwd: folder,
    input,
  })
  const answers = stdout.split('\n').map(line => line === 'true')
  expect(answers).toHaveLength(tried.length)
  const differ = tried.filter((text, index) => formats.image?.accepts(text) !== answers[index])
  expect(differ, `seed ${seed}`).toEqual([])
  expect(answers.filter(Boolean).length).toBeGreaterThan(100)
}, 300_000)
