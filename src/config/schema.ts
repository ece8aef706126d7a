import Type from 'typebox'
import type { System } from '../kinds/index.ts'
import { nameSchema, objectNameSchema } from '../kinds/kind.ts'
import { storeSecretSchema } from '../kinds/store-secret.ts'
import type { WrittenConfig } from './config-types.ts'

/** The S3 providers of rclone 1.60, the oldest that somebody restores with: `rclone help backend s3`. */
const rcloneProviders = [
  ...['AWS', 'Alibaba', 'ArvanCloud', 'Ceph', 'ChinaMobile', 'Cloudflare', 'DigitalOcean', 'Dreamhost', 'HuaweiOBS'],
  ...['IBMCOS', 'IDrive', 'IONOS', 'LyveCloud', 'Minio', 'Netease', 'Qiniu', 'RackCorp', 'Scaleway', 'SeaweedFS'],
  ...['StackPath', 'Storj', 'TencentCOS', 'Wasabi', 'Other'],
]

const url = Type.String({
  pattern: '^https?://[^/?#\\s]+/?$',
  format: 'http-address',
  description: 'Scheme and host, no path',
})

/** What every store has. */
const storeFields = {
  endpoint: url,
  region: Type.String({ description: 'What the store calls its region; Ceph accepts any', format: 'region' }),
  provider: Type.Enum(rcloneProviders, { description: "rclone's name of the S3 provider" }),
}

/** Everything of the config but the systems, whose schemas are their kinds'. */
export const configSchema = Type.Object(
  {
    organisation: Type.String({ description: 'The organisation on AWX', format: 'line', maxLength: 512 }),
    repository: Type.Object(
      {
        url: Type.String({ description: 'Where AWX fetches the playbooks', format: 'repository' }),
        branch: Type.String({ description: 'The branch, tag or commit that AWX runs', format: 'revision' }),
      },
      { additionalProperties: false, description: 'The git repository that holds this project' },
    ),
    executionEnvironment: Type.String({
      description: 'The image that AWX runs the playbooks in, pinned',
      format: 'image',
    }),
    agent: Type.Object(
      {
        image: Type.String({ description: "The agent's image, pinned", format: 'image' }),
        drillImage: Type.String({
          description: 'The image that tests the restore of databases, pinned: the agent with PostgreSQL servers',
          format: 'image',
        }),
        postgres: Type.Optional(
          Type.Array(Type.Integer({ minimum: 10, maximum: 99 }), {
            description:
              'The major versions that the PostgreSQL servers may have; an image is tested with each before it is deployed. Left out: every version in the image',
            minItems: 1,
            uniqueItems: true,
          }),
        ),
      },
      { additionalProperties: false, description: 'The images that back up, restore and drill' },
    ),
    store: Type.Object(storeFields, {
      additionalProperties: false,
      description: 'The S3 store that holds every bucket',
    }),
    otherStores: Type.Optional(
      Type.Array(
        Type.Object(
          {
            name: nameSchema,
            ...storeFields,
          },
          { additionalProperties: false },
        ),
        {
          description:
            'Stores of another provider or another site, for second copies (`second` of a system). Left out: no second copies',
        },
      ),
    ),
    clusters: Type.Array(
      Type.Object(
        {
          name: nameSchema,
          environment: Type.String({ description: 'Whose data it holds: an inventory group', minLength: 1 }),
          api: Type.String({
            pattern: '^https://[^?]+$',
            format: 'http-address',
            description: "The Kubernetes API's address, without a query",
          }),
          podSecurity: Type.Optional(
            Type.Enum(['require', 'label'], {
              description:
                'What `deploy-backups` does with a namespace that enforces no Pod Security level: `require` refuses it, `label` makes it enforce `baseline`. Default: `require`',
            }),
          ),
        },
        { additionalProperties: false },
      ),
      { description: 'The Kubernetes clusters that systems run in' },
    ),
    notifications: Type.Object(
      {
        webhook: Type.Optional(
          Type.String({
            format: 'http-address',
            description: 'An address that AWX posts failed jobs to, as JSON. Left out: none',
          }),
        ),
        mattermost: Type.Optional(
          Type.String({
            format: 'http-address',
            description: 'The incoming webhook of a Mattermost channel. Left out: none',
          }),
        ),
        slack: Type.Optional(
          Type.Object(
            {
              channels: Type.Array(Type.String({ minLength: 1 }), {
                description: 'Names of channels, such as `#backups`',
                minItems: 1,
              }),
            },
            {
              additionalProperties: false,
              description:
                'Channels of Slack; the token of the app is not in the config, see `configure`. Left out: none',
            },
          ),
        ),
        email: Type.Optional(
          Type.Object(
            {
              host: Type.String({ format: 'host', description: 'The mail server' }),
              port: Type.Integer({
                description: 'The port of the mail server, 1 to 65535',
                minimum: 1,
                maximum: 65_535,
              }),
              encryption: Type.Enum(['tls', 'starttls', 'none'], {
                description: 'How the connection to it is encrypted',
              }),
              username: Type.Optional(
                Type.String({
                  minLength: 1,
                  description:
                    'The user of the mail server; its password is not in the config, see `configure`. Left out: no login',
                }),
              ),
              sender: Type.String({ description: 'The address that it comes from', format: 'mail-address' }),
              recipients: Type.Array(Type.String({ format: 'mail-address' }), {
                description: 'The addresses that it goes to',
                minItems: 1,
              }),
            },
            { additionalProperties: false, description: 'Mail to these people. Left out: none' },
          ),
        ),
        also: Type.Optional(
          Type.Array(Type.Enum(['started', 'succeeded']), {
            description: 'What else AWX posts: every job that starts or succeeds. Default: nothing',
          }),
        ),
      },
      { additionalProperties: false, description: 'Who is told of failed jobs; at least one way' },
    ),
    heartbeats: Type.Optional(
      Type.Object(
        {
          api: Type.String({
            pattern: '^https?://[^\\s]+$',
            description: "Healthchecks' management API, such as `https://healthchecks.example/api/v3/`",
            format: 'http-address',
          }),
          secret: Type.String({
            ...objectNameSchema,
            description: 'The Secret of each namespace with the addresses, by system; `npm run heartbeats` writes it',
          }),
        },
        {
          additionalProperties: false,
          description: "The dead-man's switch that every run in a cluster reports to. Left out: none",
        },
      ),
    ),
    statusService: Type.Optional(
      Type.Object(
        {
          cluster: Type.String({ description: 'One of `clusters`', minLength: 1 }),
          namespace: Type.String({ description: 'The namespace it runs in', format: 'kubernetes-namespace' }),
          image: Type.String({ description: 'The image of the status service, pinned', format: 'image' }),
          storeSecret: storeSecretSchema(
            'The Secret of that namespace with the keys of a user of the store who may read every bucket, and write none; `deploy-backups` does not make it',
          ),
          prometheus: Type.Optional(
            Type.Object(
              {
                release: Type.String({
                  description: 'The value of the label `release`, by which kube-prometheus finds what it reads',
                  format: 'kubernetes-label-value',
                }),
              },
              {
                additionalProperties: false,
                description:
                  'Make a ServiceMonitor, a PrometheusRule and a Grafana dashboard, too. Left out: none of them',
              },
            ),
          ),
          reports: Type.Optional(
            Type.Object(
              {
                bucket: Type.String({ description: 'A private bucket, of no system', format: 'bucket' }),
                storeSecret: storeSecretSchema(
                  'The Secret of that namespace with the keys of a user of the store who may write that bucket; `deploy-backups` does not make it',
                ),
              },
              {
                additionalProperties: false,
                description:
                  'Where AWX writes what the receipts prove of each month, as HTML and JSON, for an auditor to fetch. Left out: nowhere',
              },
            ),
          ),
        },
        {
          additionalProperties: false,
          description:
            'A service in a cluster that shows the status of all systems, for people and for Prometheus. Left out: none',
        },
      ),
    ),
    awx: Type.Optional(
      Type.Object(
        {
          server: Type.String({ description: "The database system that holds AWX's own database", minLength: 1 }),
          kit: Type.String({ description: "The kit that holds AWX's Secrets", minLength: 1 }),
          secret: Type.String({
            ...objectNameSchema,
            description: "The Secret in that kit with AWX's connection, under the keys that AWX's operator uses",
          }),
        },
        {
          additionalProperties: false,
          description: 'How AWX itself is restored; the runbook says so. Left out: the runbook says nothing of AWX',
        },
      ),
    ),
    systems: Type.Array(Type.Any(), { description: 'The systems that are backed up', minItems: 1 }),
  },
  { additionalProperties: false },
)

/** A config, checked. */
export type Config = Omit<Type.Static<typeof configSchema>, 'systems'> & { systems: System[] }

/** Gives `backups.config.ts` its types, in which each field is explained; does nothing else. */
export function defineConfig<Cluster extends string, Store extends string>(
  config: WrittenConfig<Cluster, Store>,
): Config {
  return config
}
