import type { Config } from '../config/index.ts'
import { generatedMark } from '../inventory/files.ts'
import { kindOf } from '../kinds/index.ts'

/** One rule of a Role, as Kubernetes has it, and why it is needed. */
export interface AccessRule {
  readonly why: string
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
  readonly resourceNames?: readonly string[]
}

/** Rules as a Role has them. */
export function grant(rules: readonly AccessRule[]): Omit<AccessRule, 'why'>[] {
  return rules.map(({ why, ...rule }) => rule)
}

/** The part of a host's variables that name what the plays touch. */
interface HostVariables {
  readonly backup_cronjob_name: string
  readonly backup_cronjob_service_account?: string
  readonly backup_cronjob_replaces?: readonly string[]
  readonly backup_cronjob_pod_security: string
  readonly backup_cronjob_s3_secret: { readonly name: string }
  readonly backup_cronjob_steps: readonly { readonly secret_environment: readonly { readonly secret: string }[] }[]
  readonly backup_cronjob_volumes: readonly {
    readonly claim?: { readonly name: string; readonly create: boolean }
    readonly secret?: { readonly name: string }
  }[]
}

/**
 * What AWX's account may do in a cluster: namespace → the rules of its Role there. Secrets are read by name, and no
 * other than those that the config names.
 */
export function accessRules(config: Config, cluster: string): Map<string, AccessRule[]> {
  const namespaces = new Map<string, HostVariables[]>()
  for (const system of config.systems) {
    const namespace = kindOf(system).inCluster(system)?.namespace
    if (namespace === undefined || kindOf(system).cluster(system) !== cluster) continue
    const variables = kindOf(system).hostVariables(system, config) as unknown as HostVariables
    namespaces.set(namespace, [...(namespaces.get(namespace) ?? []), variables])
  }
  const rules = new Map([...namespaces].map(([namespace, variables]) => [namespace, rulesOf(namespace, variables)]))
  const service = config.statusService
  if (service?.cluster === cluster) {
    rules.set(service.namespace, [...(rules.get(service.namespace) ?? []), ...statusRules(service)])
  }
  return new Map([...rules].sort())
}

const readResult = { why: "Read a run's result.", apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] }
const showOutput = { why: "Show a run's output.", apiGroups: [''], resources: ['pods/log'], verbs: ['get'] }

/** The name of all that role `status_service` makes. */
const statusName = 'backup-status'

function statusRules({ storeSecret, prometheus, reports }: NonNullable<Config['statusService']>): AccessRule[] {
  const made = [
    { apiGroups: ['apps'], resources: ['deployments'] },
    { apiGroups: [''], resources: ['configmaps', 'services'] },
    ...(prometheus
      ? [{ apiGroups: ['monitoring.coreos.com'], resources: ['servicemonitors', 'prometheusrules'] }]
      : []),
  ]
  return [
    {
      why: "Check that the Secret with the status service's keys is there.",
      apiGroups: [''],
      resources: ['secrets'],
      verbs: ['get'],
      resourceNames: [storeSecret.name],
    },
    ...(reports
      ? [
          {
            why: 'Write the month in a Job.',
            apiGroups: ['batch'],
            resources: ['jobs'],
            verbs: ['get', 'list', 'create'],
          },
          readResult,
          showOutput,
        ]
      : []),
    ...made.flatMap((of): AccessRule[] => [
      { why: 'Deploy the status service.', ...of, verbs: ['create'] },
      {
        why: 'Change the status service.',
        ...of,
        verbs: ['get', 'patch'],
        resourceNames: [statusName, `${statusName}-dashboard`],
      },
    ]),
  ]
}

function rulesOf(namespace: string, hosts: readonly HostVariables[]): AccessRule[] {
  const names = (of: (host: HostVariables) => readonly string[]) => [...new Set(hosts.flatMap(of))].sort()
  const claims = names(host => host.backup_cronjob_volumes.flatMap(({ claim }) => (claim?.create ? [claim.name] : [])))
  const accounts = names(({ backup_cronjob_service_account: account }) => (account === undefined ? [] : [account]))
  const labels = hosts.some(host => host.backup_cronjob_pod_security === 'label')
  return [
    {
      why: 'Check that the namespace has a Pod Security label.',
      apiGroups: [''],
      resources: ['namespaces'],
      verbs: labels ? ['get', 'patch'] : ['get'],
      resourceNames: [namespace],
    },
    {
      why: 'Deploy backups, suspend one during a restore, suspend those that are replaced.',
      apiGroups: ['batch'],
      resources: ['cronjobs'],
      verbs: ['get', 'update', 'patch'],
      resourceNames: names(host => [host.backup_cronjob_name, ...(host.backup_cronjob_replaces ?? [])]),
    },
    {
      why: 'Kubernetes cannot limit these two by name. No `delete`: nothing is ever deleted.',
      apiGroups: ['batch'],
      resources: ['cronjobs'],
      verbs: ['list', 'create'],
    },
    {
      why: 'Run a backup, a restore or a drill: a Job has the time in its name.',
      apiGroups: ['batch'],
      resources: ['jobs'],
      verbs: ['get', 'list', 'create'],
    },
    {
      why: 'Check that the volumes exist, those that a restore is told of, too.',
      apiGroups: [''],
      resources: ['persistentvolumeclaims'],
      verbs: ['get'],
    },
    ...(claims.length > 0
      ? [
          {
            why: 'Create the backup volumes.',
            apiGroups: [''],
            resources: ['persistentvolumeclaims'],
            verbs: ['create'],
          },
          {
            why: 'Grow the backup volumes.',
            apiGroups: [''],
            resources: ['persistentvolumeclaims'],
            verbs: ['patch'],
            resourceNames: claims,
          },
        ]
      : []),
    {
      why: 'Check that the Secrets of a backup have their keys. No `list`, and no other Secret.',
      apiGroups: [''],
      resources: ['secrets'],
      verbs: ['get'],
      resourceNames: names(host => [
        host.backup_cronjob_s3_secret.name,
        ...host.backup_cronjob_steps.flatMap(step => step.secret_environment.map(({ secret }) => secret)),
        ...host.backup_cronjob_volumes.flatMap(({ secret }) => secret?.name ?? []),
      ]),
    },
    {
      why: "Write the store's keys.",
      apiGroups: [''],
      resources: ['secrets'],
      verbs: ['patch'],
      resourceNames: names(host => [host.backup_cronjob_s3_secret.name]),
    },
    {
      why: "Write the store's keys for the first time. Leave it out if you create that Secret yourself.",
      apiGroups: [''],
      resources: ['secrets'],
      verbs: ['create'],
    },
    readResult,
    showOutput,
    ...(accounts.length > 0
      ? [
          {
            why: 'Check that the service account of the pods exists.',
            apiGroups: [''],
            resources: ['serviceaccounts'],
            verbs: ['get'],
            resourceNames: accounts,
          },
        ]
      : []),
    {
      why: 'Scale applications down for a restore, and up again. Without it, a restore that has to do that is refused.',
      apiGroups: ['apps'],
      resources: ['deployments', 'statefulsets'],
      verbs: ['get', 'patch'],
    },
  ]
}

/** The manifests that a cluster's administrator applies, one file a cluster: path → text. */
export function accessManifests(config: Config): Map<string, string> {
  return new Map(
    config.clusters.map(({ name }) => [
      `access/${name}.yaml`,
      `${[
        `${generatedMark}\n# What AWX's account may do in the cluster ${name}; docs/kubernetes-access.md says how to apply it.\n`,
        ...[...accessRules(config, name)].map(([namespace, rules]) => manifest(namespace, rules)),
      ].join('')}`,
    ]),
  )
}

function manifest(namespace: string, rules: readonly AccessRule[]): string {
  const metadata = `metadata: { name: fragalysis-backups, namespace: ${JSON.stringify(namespace)} }`
  return `---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
${metadata}
rules:
${rules.map(rule).join('')}---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
${metadata}
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: Role, name: fragalysis-backups }
subjects:
  - { kind: ServiceAccount, name: awx, namespace: backup-access }
`
}

function rule({ why, ...fields }: AccessRule): string {
  const list = (texts: readonly string[]) => `[${texts.map(text => JSON.stringify(text)).join(', ')}]`
  const [first = '', ...rest] = Object.entries(fields).map(([key, texts]) => `${key}: ${list(texts)}`)
  return [`  # ${why}`, `  - ${first}`, ...rest.map(line => `    ${line}`), ''].join('\n')
}
