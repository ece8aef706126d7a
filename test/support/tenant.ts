import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { grant } from '../../src/generate/access.ts'
import { everyRule } from './access.ts'

const state = process.env.BACKUPS_TEST_LAB_STATE
if (!state) throw new Error('BACKUPS_TEST_LAB_STATE is not set: `npm test -- cluster` raises the lab and sets it')
const cluster = { kubectl: join(state, 'kubectl'), kubeconfig: join(state, 'kubeconfig') }

/** Runs kubectl as the cluster's administrator, with these manifests on standard input, and returns what it prints. */
export async function kubectl(args: readonly string[], manifests: readonly object[] = []): Promise<string> {
  const { stdout } = await execa(cluster.kubectl, [`--kubeconfig=${cluster.kubeconfig}`, ...args], {
    input: manifests.map(manifest => JSON.stringify(manifest)).join('\n---\n'),
    argv0: 'kubectl',
  })
  return stdout
}

/** A namespace for one test, and the environment that AWX's credential for it would set. */
export interface Tenant {
  readonly namespace: string
  readonly environment: Record<string, string>
  /** Runs kubectl in the namespace and parses its output, which must be JSON. */
  read<T>(args: readonly string[]): Promise<T>
  apply(...manifests: object[]): Promise<void>
  /** Ends a pod as the drain of its node does. */
  evict(pod: string): Promise<void>
  remove(): Promise<void>
}

// What an operator grants to AWX's account in production's namespaces, and nothing else; but not by name, because the
// objects of a test have other names.
const allRules: readonly object[] = grant(everyRule).map(({ resourceNames, ...rule }) => rule)

const enforced = { 'pod-security.kubernetes.io/enforce': 'baseline' }

/**
 * Creates a namespace with an account that has the permissions that the plays need.
 *
 * @param options.labels of the namespace
 * @param options.rules other than those that the plays need
 */
export async function makeTenant(
  options: { labels?: Record<string, string>; rules?: readonly object[] } = {},
): Promise<Tenant> {
  const { labels, rules } = { labels: enforced, rules: allRules, ...options }
  const namespace = `test-${randomBytes(4).toString('hex')}`
  const metadata = { name: 'plays', namespace }
  const rbac = 'rbac.authorization.k8s.io'
  await kubectl(
    ['apply', '-f', '-'],
    [
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } },
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
      { apiVersion: `${rbac}/v1`, kind: 'Role', metadata, rules },
      {
        apiVersion: `${rbac}/v1`,
        kind: 'RoleBinding',
        metadata,
        roleRef: { apiGroup: rbac, kind: 'Role', name: 'plays' },
        subjects: [{ kind: 'ServiceAccount', name: 'plays', namespace }],
      },
    ],
  )
  const config = JSON.parse(await kubectl(['config', 'view', '--raw', '--flatten', '--minify', '--output=json']))
  const { server, 'certificate-authority-data': authority } = config.clusters[0].cluster
  const folder = await mkdtemp(join(tmpdir(), 'backups-test-'))
  await writeFile(join(folder, 'ca.crt'), Buffer.from(authority, 'base64'))
  return {
    namespace,
    environment: {
      K8S_AUTH_HOST: server,
      K8S_AUTH_API_KEY: await kubectl(['create', 'token', 'plays', `--namespace=${namespace}`, '--duration=2h']),
      K8S_AUTH_VERIFY_SSL: 'True',
      K8S_AUTH_SSL_CA_CERT: join(folder, 'ca.crt'),
    },
    read: async args => JSON.parse(await kubectl([`--namespace=${namespace}`, '--output=json', ...args])),
    apply: async (...manifests) => {
      await kubectl(['apply', `--namespace=${namespace}`, '-f', '-'], manifests)
    },
    evict: async pod => {
      const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: pod, namespace } }
      await kubectl(['create', '--raw', `/api/v1/namespaces/${namespace}/pods/${pod}/eviction`, '-f', '-'], [eviction])
    },
    remove: async () => {
      await kubectl(['delete', 'namespace', namespace, '--wait=false'])
      await rm(folder, { recursive: true })
    },
  }
}
