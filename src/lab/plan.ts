import type { Config } from '../config/index.ts'
import { accessRules, grant } from '../generate/access.ts'
import { kindOf, type System } from '../kinds/index.ts'
import { asSecond, secondStoreCredential } from '../kinds/second.ts'
import { labKindOf } from './kinds/index.ts'
import { type LabSecret, type LabSize, labStorageClass, labVolumeSize, type Needs } from './kinds/kind.ts'
import { labDrillKey } from './kit-key.ts'

/** What the lab must hold so that a config's systems have something to back up and somewhere to put it. */
export interface LabPlan {
  /** The lists of `playbooks/lab.yml` from which the kinds' content is made, by name. */
  readonly content: Readonly<Record<string, readonly object[]>>
  /** Volumes of the node, each bound to its claim ahead of time. */
  readonly volumes: readonly {
    readonly namespace: string
    readonly claim: string
    readonly size: string
    readonly storage_class: string
  }[]
  /** Secrets that no server's role creates. */
  readonly secrets: readonly LabSecret[]
  /** One for each Kubernetes credential: what its token may reach. */
  readonly tenants: readonly {
    readonly name: string
    readonly credential: string
    readonly namespaces: readonly string[]
    /** What it may do in each, as production's administrators grant it. */
    readonly rules: Readonly<Record<string, readonly object[]>>
  }[]
  /** One user of the store for each store credential, with the buckets that it owns. */
  readonly stores: readonly {
    readonly credential: string
    readonly user: string
    readonly buckets: readonly string[]
  }[]
  /** The users of the second store in the same way, and the Secrets with their keys; empty without a second store. */
  readonly secondStores: LabPlan['stores']
  readonly secondSecrets: readonly {
    readonly namespace: string
    readonly name: string
    readonly credential: string
  }[]
  /** The Machine credentials, all of which open the lab's one Docker host. */
  readonly hosts: readonly string[]
}

/** What the lab must hold for a config that `labConfig` made. */
export function labPlan(config: Config, size: LabSize): LabPlan {
  const { systems } = config
  const needs = systems.map(system => labKindOf(system).needs(system, size))
  return {
    content: contentOf(needs.flatMap(({ content = [] }) => content)),
    volumes: distinct(
      [...systems.flatMap(claims), ...needs.flatMap(need => (need.claims ?? []).map(volumeFor))],
      ({ namespace, claim }) => `${namespace}/${claim}`,
    ),
    secrets: secretsOf([
      ...needs.flatMap(({ secrets = [] }) => secrets),
      ...needs.flatMap(({ drillKeys = [] }) => drillKeys).map(drillSecret),
    ]),
    tenants: config.clusters.map(({ name }) => ({
      name,
      credential: `Kubernetes: ${name}`,
      namespaces: [...new Set(systems.flatMap(system => namespacesIn(system, name)))].sort(),
      rules: Object.fromEntries([...accessRules(config, name)].map(([namespace, rules]) => [namespace, grant(rules)])),
    })),
    stores: stores(systems),
    ...secondStores(config),
    hosts: [
      ...new Set(
        systems
          .flatMap(system => kindOf(system).templates(system))
          .flatMap(({ credentials }) => credentials.filter(({ type }) => type === 'Machine').map(({ name }) => name)),
      ),
    ],
  }
}

type Content = { readonly list: string; readonly key: string; readonly item: object }

function contentOf(all: readonly Content[]): Record<string, object[]> {
  const lists: Record<string, object[]> = {}
  for (const { list, item } of distinct(all, ({ list, key }) => `${list} ${key}`)) {
    lists[list] = [...(lists[list] ?? []), item]
  }
  return lists
}

const volumeFor = ({ namespace, claim }: { namespace: string; claim: string }) => ({
  namespace,
  claim,
  size: labVolumeSize,
  storage_class: labStorageClass,
})

/** The claims that a system needs. */
function claims(system: System): LabPlan['volumes'] {
  return kindOf(system)
    .places(system)
    .flatMap(({ at }) => {
      if (!('claim' in at)) return []
      return [volumeFor(at)]
    })
}

function secretsOf(all: readonly LabSecret[]): readonly LabSecret[] {
  const name = (secret: LabSecret) => `${secret.namespace}/${secret.name}`
  const madeElsewhere = new Set(all.filter(({ data }) => data === undefined).map(name))
  const made = new Map<string, LabSecret>()
  // A kit may keep the Secret with a drill's key, which must be the right one.
  for (const secret of all) {
    if (madeElsewhere.has(name(secret))) continue
    const before = made.get(name(secret))
    made.set(name(secret), { ...before, ...secret, data: { ...before?.data, ...secret.data } })
  }
  return [...made.values()]
}

function drillSecret({ namespace, secret, key, system }: NonNullable<Needs['drillKeys']>[number]): LabSecret {
  return { namespace, name: secret, data: { [key]: Buffer.from(labDrillKey(system).identity).toString('base64') } }
}

function namespacesIn(system: System, cluster: string): string[] {
  const place = kindOf(system).cluster(system) === cluster ? kindOf(system).inCluster(system) : undefined
  return place ? [place.namespace] : []
}

function stores(systems: readonly System[]): LabPlan['stores'] {
  const owner = (system: System) => kindOf(system).cluster(system) ?? system.name
  return [...new Set(systems.map(owner))].map(name => ({
    credential: `Store: ${name}`,
    user: `backups-${name}`,
    buckets: systems.filter(system => owner(system) === name).map(system => system.bucket),
  }))
}

function secondStores(config: Config): Pick<LabPlan, 'secondStores' | 'secondSecrets'> {
  const copies = config.systems.flatMap(system => asSecond(system) ?? [])
  const owner = (system: System) => kindOf(system).cluster(system) ?? system.name
  const secrets = copies.flatMap(system => {
    const place = kindOf(system).inCluster(system)
    if (!place) return []
    const credential = secondStoreCredential(owner(system))
    return [{ namespace: place.namespace, name: place.storeSecret, credential }]
  })
  return {
    secondStores: [...new Set(copies.map(owner))].map(name => ({
      credential: secondStoreCredential(name),
      user: `second-${name}`,
      buckets: copies.filter(system => owner(system) === name).map(system => system.bucket),
    })),
    secondSecrets: distinct(secrets, ({ namespace, name }) => `${namespace}/${name}`),
  }
}

function distinct<T>(items: readonly T[], key: (item: T) => string): T[] {
  return [...new Map(items.map(item => [key(item), item])).values()]
}
