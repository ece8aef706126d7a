import { defineConfig } from './src/config/index.ts'

// What the recovery kits have in common: the Secrets of one namespace each, for a pod reads no others.
const kit = {
  kind: 'kit' as const,
  schedule: { every: 'day' as const, at: '03:37' },
  keep: 28,
  // Examples: the operators' own public keys (`age-keygen`), each of which opens every kit alone; the private ones lie
  // outside of the installation.
  recipients: [
    'age16fhey6jtyffph0mcgkvu8qeznhv0tvlyq6axagdzy5rke6hz7f7snmdm56',
    'age13hhfw6gj8ww3pqndmf9e5d5r2z04uj65u3alj5ng9rqgt7e2x97qmeyp79',
  ],
}

// The drills open a kit with a key of its own, whose private part is in this Secret beside the Secrets that the kit keeps:
// who can read it could read those as well, and opens no other kit with it.
const drillIdentity = (recipient: string) => ({ secret: 'recovery-kit-drill', key: 'identity', recipient })

const infraKit = {
  ...kit,
  namespace: 'im-infra',
  storeSecret: { name: 'im-s3', accessKeyId: 'access_key_id', secretAccessKey: 'secret_access_key' },
  secrets: [{ name: 'im-postgres', keys: ['database_admin_user', 'database_admin_user_password'] }],
  nodePreference: 'informaticsmatters.com/purpose-application',
}

// Hosts and addresses that end in `.example` are examples: put the installation's own in their place.
export default defineConfig({
  organisation: 'Fragalysis',
  repository: { url: 'https://github.example/xchem/fragalysis-backups.git', branch: 'main' },
  executionEnvironment: 'quay.io/ansible/awx-ee:24.6.1',
  agent: {
    image: 'registry.example/fragalysis-backups/agent:0.1.0',
    drillImage: 'registry.example/fragalysis-backups/agent:0.1.0-drill',
    postgres: [15, 17, 18],
  },
  store: { endpoint: 'https://s3.echo.stfc.ac.uk', region: 'us-east-1', provider: 'Ceph' },
  clusters: [
    { name: 'development', environment: 'development', api: 'https://development.kubernetes.example:6443' },
    { name: 'production', environment: 'production', api: 'https://production.kubernetes.example:6443' },
  ],
  notifications: { webhook: 'https://hooks.example/fragalysis-backups' },
  // Examples: a user of the store who may read every bucket, and the release of kube-prometheus-stack.
  statusService: {
    cluster: 'production',
    namespace: 'im-infra',
    image: 'registry.example/fragalysis-backups/status:0.1.0',
    storeSecret: { name: 'backup-status', accessKeyId: 'access_key_id', secretAccessKey: 'secret_access_key' },
    prometheus: { release: 'kube-prometheus-stack' },
    reports: {
      bucket: 'im-backup-reports',
      storeSecret: { name: 'backup-reports', accessKeyId: 'access_key_id', secretAccessKey: 'secret_access_key' },
    },
  },
  awx: { server: 'infra-db-production', kit: 'kit-awx', secret: 'awx-postgres-configuration' },
  systems: [
    {
      kind: 'rancher',
      name: 'rancher-server',
      description: 'The Rancher server, which gives access to every cluster',
      schedule: { every: 'week', on: 'friday', at: '18:00', timezone: 'Europe/London' },
      // A quarter of a year: a fault in Rancher's own data may be noticed only when somebody next changes a cluster,
      // and an archive is small beside the media.
      keep: 13,
      bucket: 'nw-rancher',
      host: 'rancher.example',
      // An example: put the host's own in its place.
      hostKeys: ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHrWzw8TAQpQLBTf0R5RCzMRbUZVZ8Wpu1yN3ZVdF8hN'],
      container: 'rancher-server',
      dataDirectory: '/var/lib/rancher',
      stagingDirectory: '/var/lib/rancher-backup',
      healthUrl: 'https://127.0.0.1/ping',
      windowMinutes: 120,
      stopDeadlineSeconds: 120,
      healthyTimeoutSeconds: 600,
    },
    {
      kind: 'database',
      name: 'infra-db-development',
      description: "The development cluster's infrastructure databases: Keycloak's logins",
      schedule: { every: 'day', at: '03:07' },
      keep: 28,
      bucket: 'im-infra-backup',
      cluster: 'development',
      namespace: 'im-infra',
      service: 'database',
      user: { secret: 'im-postgres', key: 'database_admin_user' },
      password: { secret: 'im-postgres', key: 'database_admin_user_password' },
      storeSecret: { name: 'im-s3', accessKeyId: 'access_key_id', secretAccessKey: 'secret_access_key' },
      volume: { claim: 'pg-bu', size: '100Gi', storageClass: 'longhorn' },
      nodePreference: 'informaticsmatters.com/purpose-application',
      replaces: ['postgres-backup-hourly'],
    },
    {
      kind: 'database',
      name: 'infra-db-production',
      description: "The production cluster's infrastructure databases: Keycloak's logins and AWX itself",
      schedule: { every: 'day', at: '03:07' },
      keep: 28,
      bucket: 'im-infra-production-backup',
      cluster: 'production',
      namespace: 'im-infra',
      service: 'database',
      user: { secret: 'im-postgres', key: 'database_admin_user' },
      password: { secret: 'im-postgres', key: 'database_admin_user_password' },
      storeSecret: { name: 'im-s3', accessKeyId: 'access_key_id', secretAccessKey: 'secret_access_key' },
      volume: { claim: 'pg-bu', size: '100Gi', storageClass: 'longhorn' },
      nodePreference: 'informaticsmatters.com/purpose-application',
      replaces: ['postgres-backup-hourly'],
    },
    {
      kind: 'database',
      name: 'production-stack-db',
      description: "The production stack's Django database",
      schedule: { every: 'hour', minute: 51 },
      keep: 24,
      bucket: 'nw-xch-prod-v2-production-stack-backup',
      cluster: 'production',
      namespace: 'production-stack',
      service: 'database',
      database: 'frag',
      user: 'admin',
      password: { secret: 'database', key: 'root_password' },
      volume: { claim: 'database-backup', size: '200Gi', storageClass: 'longhorn' },
      nodePreference: 'purpose',
      replaces: ['postgres-backup-hourly'],
    },
    {
      kind: 'media',
      name: 'production-stack-media',
      description: "The production stack's media: 135,000 files, 240 GiB",
      schedule: { every: 'day', at: '04:04' },
      // The latest copy.
      keep: 1,
      bucket: 'fragalysis-stack-production-media',
      cluster: 'production',
      namespace: 'production-stack',
      source: { claim: 'media' },
      // The NFS server's address is an example.
      replica: { nfs: { server: 'nfs.example', path: '/nfs/kubernetes-media-replica' } },
      nodePreference: 'purpose',
      replaces: ['media-replicator'],
    },
    {
      ...infraKit,
      name: 'kit-infra-development',
      description: "The Secrets of the development cluster's infrastructure database, and the config",
      bucket: 'im-recovery-kit-development',
      cluster: 'development',
      drillIdentity: drillIdentity('age1yf2nte6jvdz5l8rf5xk4wy33ax5nqweslz5w69t3nmhjphra9uuqhjqtvc'),
    },
    {
      ...infraKit,
      name: 'kit-infra-production',
      description: "The Secrets of the production cluster's infrastructure database, and the config",
      bucket: 'im-recovery-kit-production',
      cluster: 'production',
      drillIdentity: drillIdentity('age1saqsjrjm6x2a40uk4cjyqcqpcgzadq4h46gvg9tq46gdw4kddqssxfmfn7'),
    },
    {
      ...kit,
      name: 'kit-awx',
      description: 'The Secrets of AWX, without which its restored database cannot be read, and the config',
      bucket: 'im-recovery-kit-awx',
      cluster: 'production',
      drillIdentity: drillIdentity('age1469yn3c7zlezmd7347h6uyqzcfzqwh9r6lax9c222stxvp9r9vsq0tw0sg'),
      // Namespace and names are examples: AWX's operator calls them <name>-secret-key and <name>-postgres-configuration.
      namespace: 'awx',
      secrets: [
        { name: 'awx-secret-key', keys: ['secret_key'] },
        {
          name: 'awx-postgres-configuration',
          keys: ['host', 'port', 'database', 'username', 'password', 'sslmode', 'type'],
        },
      ],
    },
    {
      ...kit,
      name: 'kit-production-stack',
      description: "The Secrets of the production stack's database, and the config",
      bucket: 'nw-xch-prod-v2-recovery-kit',
      cluster: 'production',
      drillIdentity: drillIdentity('age1uu747xfkjqztta2zna3ksz06unx39uu22k7rfu24pr20eeyfk35st7z04d'),
      namespace: 'production-stack',
      secrets: [{ name: 'database', keys: ['root_password'] }],
      nodePreference: 'purpose',
    },
  ],
})
