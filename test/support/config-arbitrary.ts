import { bech32 } from '@scure/base'
import fc from 'fast-check'
import { formats as configFormats } from '../../src/config/formats.ts'
import { type Config, checkConfig } from '../../src/config/index.ts'
import { configSchema } from '../../src/config/schema.ts'
import { kinds } from '../../src/kinds/index.ts'

/** The keywords of JSON Schema that the config's schema uses. */
interface Schema {
  readonly type?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly minItems?: number
  readonly uniqueItems?: boolean
  readonly anyOf?: readonly Schema[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly pattern?: string
  readonly format?: string
  readonly minimum?: number
  readonly maximum?: number
}

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/)
const hostName = label.map(name => `${name}.example`)

// Words with a special meaning to some parser on the way: Jinja, YAML 1.1, shells, markup.
const words = fc.oneof(
  fc.constantFrom('{{ 1 }}', '{% raw %}', '#jinja2:', 'yes', '0755', '12:30:45', "it's", 'a: b', '- x', '$(id)', '`x`'),
  fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' }).filter(text => text.trim() !== ''),
)
const path = fc.array(label, { minLength: 1, maxLength: 3 }).map(names => `/${names.join('/')}`)

const formats: Readonly<Record<string, fc.Arbitrary<string>>> = {
  line: words.filter(text => configFormats.line?.accepts(text) ?? false),
  path,
  'data-path': path.map(folder => `/data${folder}`),
  'kubernetes-name': fc.oneof(label, hostName),
  'kubernetes-namespace': label,
  'kubernetes-secret-key': fc.stringMatching(/^[a-zA-Z0-9][-._a-zA-Z0-9]{0,20}$/),
  'kubernetes-label': fc.tuple(hostName, label).map(([prefix, name]) => `${prefix}/${name}`),
  'kubernetes-size': fc
    .tuple(fc.integer({ min: 1, max: 9999 }), fc.constantFrom('Mi', 'Gi', 'Ti'))
    .map(([n, unit]) => `${n}${unit}`),
  bucket: fc.stringMatching(/^[a-z0-9][a-z0-9-]{2,30}[a-z0-9]$/),
  image: fc
    .tuple(hostName, label, fc.integer({ min: 0, max: 99 }))
    .map(([host, name, version]) => `${host}/${name}:${version}.0`),
  timezone: fc.constantFrom('Europe/London', 'Etc/UTC', 'America/St_Johns', 'Australia/Lord_Howe', 'Asia/Kolkata'),
  host: fc.oneof(hostName, fc.ipV4()),
  'ssh-host-key': fc.uint8Array({ minLength: 32, maxLength: 32 }).map(key => {
    const type = Buffer.from('\0\0\0\x0bssh-ed25519\0\0\0\x20')
    return `ssh-ed25519 ${Buffer.concat([type, key]).toString('base64')}`
  }),
  'http-address': hostName.map(host => `https://${host}`),
  repository: hostName.map(host => `https://${host}/backups.git`),
  revision: fc.oneof(
    label,
    label.map(name => `release/${name}`),
  ),
  region: label,
  'mail-address': fc.tuple(label, hostName).map(([name, host]) => `${name}@${host}`),
  'kubernetes-service': label.map(name => `s${name}`),
  'kubernetes-label-value': label,
  'postgres-name': fc.stringMatching(/^[a-zA-Z"' {}%:$\\ü-][a-zA-Z0-9"' {}%:$\\ü-]{0,20}$/),
  'age-recipient': fc
    .uint8Array({ minLength: 32, maxLength: 32 })
    .map(bytes => bech32.encode('age', bech32.toWords(bytes), false)),
}

/** Any value that a schema allows. */
function anyValue(schema: Schema): fc.Arbitrary<unknown> {
  // The systems, with the schemas of their kinds.
  if (Object.keys(schema).every(key => key === 'description')) return fc.constant(null)
  if (schema.const !== undefined) return fc.constant(schema.const)
  if (schema.enum) return fc.constantFrom(...schema.enum)
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map(anyValue))
  switch (schema.type) {
    case 'object': {
      const fields = Object.entries(schema.properties ?? {}).map(([key, value]) => [key, anyValue(value)] as const)
      return fc.record(Object.fromEntries(fields), { requiredKeys: [...(schema.required ?? [])] })
    }
    case 'array':
      return (schema.uniqueItems ? fc.uniqueArray : fc.array)(anyValue(schema.items ?? {}), {
        minLength: schema.minItems ?? 0,
        maxLength: 3,
      })
    case 'integer':
      return fc.integer({ min: schema.minimum ?? 0, max: Math.min(schema.maximum ?? 1000, 10_000) })
    case 'boolean':
      return fc.boolean()
    case 'string':
      if (schema.format !== undefined) return formats[schema.format] ?? fc.constant(`no format ${schema.format}`)
      return schema.pattern === undefined ? words : fc.stringMatching(new RegExp(schema.pattern))
    default:
      throw new Error(`the schema has a value that this does not make: ${JSON.stringify(schema)}`)
  }
}

// biome-ignore lint/suspicious/noExplicitAny: a config that has only the shape of one
type Shaped = any

/**
 * Any valid config: every field as its schema allows, with systems of all kinds, and the values that rules constrain
 * across fields (names, places and times that must be unique) made valid.
 */
export const anyConfig: fc.Arbitrary<Config> = fc
  .record({
    base: anyValue(configSchema as unknown as Schema),
    systems: fc.array(fc.oneof(...Object.values(kinds).map(({ schema }) => anyValue(schema as Schema))), {
      minLength: 1,
      maxLength: 6,
    }),
    time: fc.record({ hour: fc.integer({ min: 4, max: 23 }), minute: fc.integer({ min: 0, max: 59 }) }),
    choice: fc.nat(),
  })
  .map(({ base, systems, time, choice }): Config => {
    const config: Shaped = structuredClone(base)
    config.organisation = String(config.organisation)
    config.store.endpoint = 'https://store.example'
    config.clusters = [...config.clusters, { environment: 'x' }].map((cluster: Shaped, index) => ({
      ...cluster,
      name: `cluster-${index}`,
      environment: `environment ${index}`,
      api: `https://cluster-${index}.example:6443`,
    }))
    const { webhook, mattermost, slack, email } = config.notifications
    if (!(webhook || mattermost || slack || email)) config.notifications.webhook = 'https://hooks.example'
    if (config.statusService) config.statusService.cluster = config.clusters[choice % config.clusters.length].name
    if (config.otherStores) {
      config.otherStores = config.otherStores.map((store: Shaped, index: number) => ({
        ...store,
        name: `store-${index}`,
        endpoint: `https://store-${index}.example`,
      }))
    }
    const [otherStore] = config.otherStores ?? []
    config.systems = systems.map((system: Shaped, index) => {
      const own: Shaped = { ...structuredClone(system), name: `system-${index}`, bucket: `bucket-${index}` }
      delete own.image
      delete own.restorableFor
      delete own.loseAtMost
      delete own.replaces
      if (otherStore && own.second) {
        const keep = own.kind === 'media' ? 1 : own.second.keep
        const schedule = { every: 'day', at: '05:00' }
        own.second = { ...own.second, store: otherStore.name, bucket: `second-${index}`, keep, schedule }
      } else delete own.second
      // Long enough for any schedule.
      if (own.protect) own.protect.days = 200
      if ('cluster' in own) own.cluster = config.clusters[(choice + index) % config.clusters.length].name
      for (const key of ['volume', 'source', 'replica']) {
        if (!(key in own)) continue
        own[key] =
          'nfs' in own[key]
            ? { nfs: { server: 'nfs.example', path: `/${key}/${index}` } }
            : { ...own[key], claim: `${key}-${index}` }
        // A claim that must exist already has its class.
        if (own[key].size === undefined) delete own[key].storageClass
      }
      if ('dataDirectory' in own) {
        Object.assign(own, { dataDirectory: `/data/${index}`, stagingDirectory: `/staging/${index}` })
        own.windowMinutes = Math.min(own.windowMinutes, own.schedule.every === 'hour' ? 59 : 1439)
        own.stopDeadlineSeconds = Math.min(own.stopDeadlineSeconds, own.windowMinutes * 60)
      }
      if (own.kind === 'media') own.keep = 1
      if (own.kind === 'kit') {
        own.secrets = [...new Map(own.secrets.map((secret: Shaped) => [secret.name, secret])).values()]
      }
      // In sequence: AWX's schedules must not overlap with the backup that stops Rancher.
      if ('at' in own.schedule)
        own.schedule.at = `${String(time.hour).padStart(2, '0')}:${String(time.minute).padStart(2, '0')}`
      if ('minute' in own.schedule) own.schedule.minute = time.minute
      if (own.schedule.every === 'month') own.schedule.on = 1 + (choice % 28)
      return own
    })
    // Not filtered: a rule that this violates must make the test fail.
    const error = checkConfig(config, 'any').problems.find(({ severity }) => severity === 'error')
    if (error) throw new Error(`this makes a config that is not valid: ${JSON.stringify(error)}`)
    return config as Config
  })
