import type { Config } from '../config/index.ts'
import type { DatabaseSystem, MediaSystem, System } from '../kinds/index.ts'
import { kindOf } from '../kinds/index.ts'
import type { Volume } from '../kinds/kind.ts'
import { type LabSite, labStorageClass, labVolumeSize } from './config.ts'
import { labKitKey } from './kit-key.ts'

/** What the lab must hold so that a config's systems have something to back up and somewhere to put it. */
export interface LabPlan {
  /** PostgreSQL servers, one for each database system (several may share a server). */
  readonly servers: readonly {
    readonly system: string
    readonly namespace: string
    readonly service: string
    readonly secret: { readonly name: string; readonly user_key: string; readonly password_key: string }
    readonly admin_user: string
    readonly database: string
    readonly owner: string
    readonly profile: 'infrastructure' | 'stack'
    readonly awx: boolean
    readonly image: string
  }[]
  readonly media: readonly {
    readonly system: string
    readonly namespace: string
    readonly claim: string
    readonly replica: string
    readonly files: number
  }[]
  /** Volumes of the node, each bound to its claim ahead of time. */
  readonly volumes: readonly {
    readonly namespace: string
    readonly claim: string
    readonly size: string
    readonly storage_class: string
  }[]
  /** What the kits keep beside the servers' own Secrets, and the key that their drills open them with. */
  readonly secrets: readonly {
    readonly namespace: string
    readonly name: string
    readonly data: Readonly<Record<string, string>>
  }[]
  /** One for each Kubernetes credential: what its token may reach. */
  readonly tenants: readonly {
    readonly name: string
    readonly credential: string
    readonly namespaces: readonly string[]
  }[]
  /** One user of the store for each store credential, with the buckets it owns. */
  readonly stores: readonly {
    readonly credential: string
    readonly user: string
    readonly buckets: readonly string[]
  }[]
}

/** What the lab must hold for a config that `labConfig` made, with so many files in each media tree. */
export function labPlan(config: Config, files: number, { images }: LabSite): LabPlan {
  const databases = config.systems.filter((s): s is DatabaseSystem => s.kind === 'database')
  const media = config.systems.filter((s): s is MediaSystem => s.kind === 'media')
  return {
    servers: distinct(
      databases.map(system => server(system, images.base)),
      s => `${s.namespace}/${s.service}/${s.database}`,
    ),
    media: distinct(
      media.map(system => ({
        system: system.name,
        namespace: system.namespace,
        claim: claimOf(system.source),
        replica: claimOf(system.replica),
        files,
      })),
      m => `${m.namespace}/${m.claim}`,
    ),
    volumes: distinct(
      config.systems.flatMap(volumesOf).map(([namespace, volume]) => ({
        namespace,
        claim: claimOf(volume),
        size: labVolumeSize,
        storage_class: labStorageClass,
      })),
      v => `${v.namespace}/${v.claim}`,
    ),
    secrets: secrets(config.systems),
    tenants: config.clusters.map(({ name }) => ({
      name,
      credential: `Kubernetes: ${name}`,
      namespaces: [
        ...new Set(config.systems.flatMap(s => ('cluster' in s && s.cluster === name ? [s.namespace] : []))),
      ].sort(),
    })),
    stores: stores(config),
  }
}

function server(system: DatabaseSystem, image: string): LabPlan['servers'][number] {
  const { user, password, database } = system
  return {
    system: system.name,
    namespace: system.namespace,
    service: system.service,
    secret: { name: password.secret, user_key: typeof user === 'string' ? '' : user.key, password_key: password.key },
    admin_user: typeof user === 'string' ? user : 'postgres',
    database: database ?? '',
    owner: database === undefined ? '' : 'fragalysis',
    profile: database === undefined ? 'infrastructure' : 'stack',
    // AWX lives in the production cluster, on its infrastructure database.
    awx: database === undefined && system.cluster === 'production',
    image,
  }
}

/** The claims a system needs, each with its namespace. */
function volumesOf(system: System): [string, Volume][] {
  switch (system.kind) {
    case 'rancher':
    case 'kit':
      return []
    case 'database':
      return [[system.namespace, system.volume]]
    case 'media':
      return [
        [system.namespace, system.source],
        [system.namespace, system.replica],
      ]
  }
}

function secrets(systems: readonly System[]): LabPlan['secrets'] {
  const ofServers = new Set(
    systems.flatMap(system => (system.kind === 'database' ? [`${system.namespace}/${system.password.secret}`] : [])),
  )
  return systems.flatMap(system => {
    if (system.kind !== 'kit') return []
    const { namespace, drillIdentity } = system
    const kept = system.secrets
      .filter(({ name }) => !ofServers.has(`${namespace}/${name}`))
      .map(({ name, keys }) => ({
        namespace,
        name,
        data: Object.fromEntries(keys.map(key => [key, `the lab's ${key} of ${namespace}/${name}`])),
      }))
    const drill = drillIdentity && {
      namespace,
      name: drillIdentity.secret,
      data: { [drillIdentity.key]: labKitKey.identity },
    }
    return drill ? [...kept, drill] : kept
  })
}

function stores(config: Config): LabPlan['stores'] {
  const owner = (system: System) => kindOf(system).cluster(system) ?? system.name
  const owners = [...new Set(config.systems.map(owner))]
  return owners.map(name => ({
    credential: `Store: ${name}`,
    user: `backups-${name}`,
    buckets: config.systems.filter(system => owner(system) === name).map(system => system.bucket),
  }))
}

function claimOf(volume: Volume): string {
  if ('claim' in volume) return volume.claim
  throw new Error('the lab has no NFS: labConfig puts a claim in its place')
}

function distinct<T>(items: readonly T[], key: (item: T) => string): T[] {
  return [...new Map(items.map(item => [key(item), item])).values()]
}
