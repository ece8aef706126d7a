// Made from the schemas in src/config/schema.ts and src/kinds/ by `npm run generate`. Changes here are lost.

/** The value that `defineConfig` takes. `Cluster`, `Store`: the names in `clusters` and `otherStores`. */
export interface WrittenConfig<Cluster extends string, Store extends string> {
  /** The organisation on AWX */
  organisation: string
  /** The git repository that holds this project */
  repository: {
    /** Where AWX fetches the playbooks */
    url: string
    /** The branch, tag or commit that AWX runs */
    branch: string
  }
  /** The image that AWX runs the playbooks in, pinned */
  executionEnvironment: string
  /** The images that back up, restore and drill */
  agent: {
    /** The agent's image, pinned */
    image: string
    /** The image that tests the restore of databases, pinned: the agent with PostgreSQL servers */
    drillImage: string
    /** The major versions that the PostgreSQL servers may have; an image is tested with each before it is deployed. Left out: every version in the image */
    postgres?: number[]
  }
  /** The S3 store that holds every bucket */
  store: {
    /** Scheme and host, no path */
    endpoint: string
    /** What the store calls its region; Ceph accepts any */
    region: string
    /** rclone's name of the S3 provider */
    provider: "AWS" | "Alibaba" | "ArvanCloud" | "Ceph" | "ChinaMobile" | "Cloudflare" | "DigitalOcean" | "Dreamhost" | "HuaweiOBS" | "IBMCOS" | "IDrive" | "IONOS" | "LyveCloud" | "Minio" | "Netease" | "Qiniu" | "RackCorp" | "Scaleway" | "SeaweedFS" | "StackPath" | "Storj" | "TencentCOS" | "Wasabi" | "Other"
  }
  /** Stores of another provider or another site, for second copies (`second` of a system). Left out: no second copies */
  otherStores?: ({
    /** Lower-case letters, digits and hyphens; at most 40 characters */
    name: Store
    /** Scheme and host, no path */
    endpoint: string
    /** What the store calls its region; Ceph accepts any */
    region: string
    /** rclone's name of the S3 provider */
    provider: "AWS" | "Alibaba" | "ArvanCloud" | "Ceph" | "ChinaMobile" | "Cloudflare" | "DigitalOcean" | "Dreamhost" | "HuaweiOBS" | "IBMCOS" | "IDrive" | "IONOS" | "LyveCloud" | "Minio" | "Netease" | "Qiniu" | "RackCorp" | "Scaleway" | "SeaweedFS" | "StackPath" | "Storj" | "TencentCOS" | "Wasabi" | "Other"
  })[]
  /** The Kubernetes clusters that systems run in */
  clusters: ({
    /** Lower-case letters, digits and hyphens; at most 40 characters */
    name: Cluster
    /** Whose data it holds: an inventory group */
    environment: string
    /** The Kubernetes API's address, without a query */
    api: string
    /** What `deploy-backups` does with a namespace that enforces no Pod Security level: `require` refuses it, `label` makes it enforce `baseline`. Default: `require` */
    podSecurity?: "require" | "label"
  })[]
  /** Who is told of failed jobs; at least one way */
  notifications: {
    /** An address that AWX posts failed jobs to, as JSON. Left out: none */
    webhook?: string
    /** The incoming webhook of a Mattermost channel. Left out: none */
    mattermost?: string
    /** Channels of Slack; the token of the app is not in the config, see `configure`. Left out: none */
    slack?: {
      /** Names of channels, such as `#backups` */
      channels: string[]
    }
    /** Mail to these people. Left out: none */
    email?: {
      /** The mail server */
      host: string
      /** The port of the mail server, 1 to 65535 */
      port: number
      /** How the connection to it is encrypted */
      encryption: "tls" | "starttls" | "none"
      /** The user of the mail server; its password is not in the config, see `configure`. Left out: no login */
      username?: string
      /** The address that it comes from */
      sender: string
      /** The addresses that it goes to */
      recipients: string[]
    }
    /** What else AWX posts: every job that starts or succeeds. Default: nothing */
    also?: ("started" | "succeeded")[]
  }
  /** The dead-man's switch that every run in a cluster reports to. Left out: none */
  heartbeats?: {
    /** Healthchecks' management API, such as `https://healthchecks.example/api/v3/` */
    api: string
    /** The Secret of each namespace with the addresses, by system; `npm run heartbeats` writes it */
    secret: string
  }
  /** A service in a cluster that shows the status of all systems, for people and for Prometheus. Left out: none */
  statusService?: {
    /** One of `clusters` */
    cluster: NoInfer<Cluster>
    /** The namespace it runs in */
    namespace: string
    /** The image of the status service, pinned */
    image: string
    /** The Secret of that namespace with the keys of a user of the store who may read every bucket, and write none; `deploy-backups` does not make it */
    storeSecret: {
      /** The Secret's name */
      name: string
      /** The key's name in the Secret */
      accessKeyId: string
      /** The key's name in the Secret */
      secretAccessKey: string
    }
    /** Make a ServiceMonitor, a PrometheusRule and a Grafana dashboard, too. Left out: none of them */
    prometheus?: {
      /** The value of the label `release`, by which kube-prometheus finds what it reads */
      release: string
    }
    /** Where AWX writes what the receipts prove of each month, as HTML and JSON, for an auditor to fetch. Left out: nowhere */
    reports?: {
      /** A private bucket, of no system */
      bucket: string
      /** The Secret of that namespace with the keys of a user of the store who may write that bucket; `deploy-backups` does not make it */
      storeSecret: {
        /** The Secret's name */
        name: string
        /** The key's name in the Secret */
        accessKeyId: string
        /** The key's name in the Secret */
        secretAccessKey: string
      }
    }
  }
  /** How AWX itself is restored; the runbook says so. Left out: the runbook says nothing of AWX */
  awx?: {
    /** The database system that holds AWX's own database */
    server: string
    /** The kit that holds AWX's Secrets */
    kit: string
    /** The Secret in that kit with AWX's connection, under the keys that AWX's operator uses */
    secret: string
  }
  /** The systems that are backed up */
  systems: (RancherSystem<Store> | DatabaseSystem<Cluster, Store> | MediaSystem<Cluster, Store> | KitSystem<Cluster, Store>)[]
}

/** A system of kind `rancher`. */
export interface RancherSystem<Store extends string> {
  /** The Rancher server: an archive of its data */
  kind: "rancher"
  /** Lower-case letters, digits and hyphens; at most 40 characters */
  name: string
  /** What it is, for people: shown on AWX and in reports */
  description: string
  /** When it runs: `{ every, minute | at, on, timezone }` */
  schedule: {
    /** Every hour */
    every: "hour"
    /** The minute of the hour, 0 to 59 */
    minute: number
    /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
    timezone?: string
  } | {
    /** Every day */
    every: "day"
    /** The time of day, `HH:MM`, 00:00 to 23:59 */
    at: string
    /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
    timezone?: string
  } | {
    /** Every week */
    every: "week"
    /** The weekday */
    on: "monday" | "tuesday" | "wednesday" | "thursday" | "friday" | "saturday" | "sunday"
    /** The time of day, `HH:MM`, 00:00 to 23:59 */
    at: string
    /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
    timezone?: string
  } | {
    /** Every month */
    every: "month"
    /** The day of the month, 1 to 31 */
    on: number
    /** The time of day, `HH:MM`, 00:00 to 23:59 */
    at: string
    /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
    timezone?: string
  }
  /** How many verified copies are kept */
  keep: number
  /** The bucket, used by this system alone */
  bucket: string
  /** How far back a restore must always be able to go, such as `28 days` or `2 years`; `validate` refuses it if `schedule` and `keep` cannot keep it. Left out: no promise */
  restorableFor?: string
  /** How much of the newest data a failure may lose, such as `1 h 10 min`; `validate` refuses it if `schedule` cannot keep it. Left out: no promise */
  loseAtMost?: string
  /** How the copies are kept from somebody who has the agent's key. The bucket must be set up for it: see docs/buckets.md. Left out: they are not */
  protect?: {
    /** `versioning`: the bucket keeps what is deleted or replaced, and the agent's key may not delete versions. `lock`: in addition the store lets nobody delete what was written in the last `days` */
    mode: "lock" | "versioning"
    /** For how many days a deleted or replaced copy can be brought back, 1 to 3650 */
    days: number
  }
  /** A second copy in another store, filled from the first by a job that AWX schedules. Left out: none */
  second?: {
    /** One of `otherStores` */
    store: NoInfer<Store>
    /** Its bucket there, used by this system alone */
    bucket: string
    /** How many verified copies are kept there */
    keep: number
    /** When it runs: `{ every, minute | at, on, timezone }` */
    schedule: {
      /** Every hour */
      every: "hour"
      /** The minute of the hour, 0 to 59 */
      minute: number
      /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
      timezone?: string
    } | {
      /** Every day */
      every: "day"
      /** The time of day, `HH:MM`, 00:00 to 23:59 */
      at: string
      /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
      timezone?: string
    } | {
      /** Every week */
      every: "week"
      /** The weekday */
      on: "monday" | "tuesday" | "wednesday" | "thursday" | "friday" | "saturday" | "sunday"
      /** The time of day, `HH:MM`, 00:00 to 23:59 */
      at: string
      /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
      timezone?: string
    } | {
      /** Every month */
      every: "month"
      /** The day of the month, 1 to 31 */
      on: number
      /** The time of day, `HH:MM`, 00:00 to 23:59 */
      at: string
      /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
      timezone?: string
    }
    /** In a cluster: the Secret of the namespace with the second store's keys. Default: `backup-second-store` with `access_key_id`, `secret_access_key` */
    storeSecret?: {
      /** The Secret's name */
      name: string
      /** The key's name in the Secret */
      accessKeyId: string
      /** The key's name in the Secret */
      secretAccessKey: string
    }
    /** How the copies are kept from somebody who has the agent's key. The bucket must be set up for it: see docs/buckets.md. Left out: they are not */
    protect?: {
      /** `versioning`: the bucket keeps what is deleted or replaced, and the agent's key may not delete versions. `lock`: in addition the store lets nobody delete what was written in the last `days` */
      mode: "lock" | "versioning"
      /** For how many days a deleted or replaced copy can be brought back, 1 to 3650 */
      days: number
    }
  }
  /** The Docker host's address for ssh */
  host: string
  /** The host's public ssh keys (`cat /etc/ssh/ssh_host_*_key.pub` on the host, without the comments): a play connects to no host that has another */
  hostKeys: string[]
  /** The Rancher server's container */
  container: string
  /** What the container mounts at /var/lib/rancher */
  dataDirectory: string
  /** Where the copy is made; needs room for twice the data */
  stagingDirectory: string
  /** Answers 200 when Rancher is up */
  healthUrl: string
  /** How late after its time a scheduled run may still stop Rancher, minutes */
  windowMinutes: number
  /** After this time the guard starts Rancher again, whatever the state of the backup, seconds */
  stopDeadlineSeconds: number
  /** How long Rancher may take from its start until it is healthy, seconds */
  healthyTimeoutSeconds: number
  /** Copies are encrypted before they leave the host, with age. The private key that drills and restores use is in the credential `Key: <system>`. Left out: they are not */
  encrypt?: {
    /** The operators' public keys (`age-keygen`): each of them alone opens the copies. The private keys are kept outside the installation */
    recipients: string[]
    /** The public key of the private key that drills and restores use. Copies are encrypted to it as well */
    drillRecipient: string
  }
  /** Whether every backup and every drill reports to a dead-man's switch; the addresses are in the credentials `Heartbeat: <system>` and `Heartbeat: drill of <system>`. Default: `false` */
  heartbeat?: boolean
}

/** A system of kind `database`. */
export interface DatabaseSystem<Cluster extends string, Store extends string> {
  /** A PostgreSQL server or database: a dump */
  kind: "database"
  /** Lower-case letters, digits and hyphens; at most 40 characters */
  name: string
  /** What it is, for people: shown on AWX and in reports */
  description: string
  /** When it runs: `{ every, minute | at, on, timezone }` */
  schedule: {
    /** Every hour */
    every: "hour"
    /** The minute of the hour, 0 to 59 */
    minute: number
    /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
    timezone?: string
  } | {
    /** Every day */
    every: "day"
    /** The time of day, `HH:MM`, 00:00 to 23:59 */
    at: string
    /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
    timezone?: string
  } | {
    /** Every week */
    every: "week"
    /** The weekday */
    on: "monday" | "tuesday" | "wednesday" | "thursday" | "friday" | "saturday" | "sunday"
    /** The time of day, `HH:MM`, 00:00 to 23:59 */
    at: string
    /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
    timezone?: string
  } | {
    /** Every month */
    every: "month"
    /** The day of the month, 1 to 31 */
    on: number
    /** The time of day, `HH:MM`, 00:00 to 23:59 */
    at: string
    /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
    timezone?: string
  }
  /** How many verified copies are kept */
  keep: number
  /** The bucket, used by this system alone */
  bucket: string
  /** How far back a restore must always be able to go, such as `28 days` or `2 years`; `validate` refuses it if `schedule` and `keep` cannot keep it. Left out: no promise */
  restorableFor?: string
  /** How much of the newest data a failure may lose, such as `1 h 10 min`; `validate` refuses it if `schedule` cannot keep it. Left out: no promise */
  loseAtMost?: string
  /** How the copies are kept from somebody who has the agent's key. The bucket must be set up for it: see docs/buckets.md. Left out: they are not */
  protect?: {
    /** `versioning`: the bucket keeps what is deleted or replaced, and the agent's key may not delete versions. `lock`: in addition the store lets nobody delete what was written in the last `days` */
    mode: "lock" | "versioning"
    /** For how many days a deleted or replaced copy can be brought back, 1 to 3650 */
    days: number
  }
  /** A second copy in another store, filled from the first by a job that AWX schedules. Left out: none */
  second?: {
    /** One of `otherStores` */
    store: NoInfer<Store>
    /** Its bucket there, used by this system alone */
    bucket: string
    /** How many verified copies are kept there */
    keep: number
    /** When it runs: `{ every, minute | at, on, timezone }` */
    schedule: {
      /** Every hour */
      every: "hour"
      /** The minute of the hour, 0 to 59 */
      minute: number
      /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
      timezone?: string
    } | {
      /** Every day */
      every: "day"
      /** The time of day, `HH:MM`, 00:00 to 23:59 */
      at: string
      /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
      timezone?: string
    } | {
      /** Every week */
      every: "week"
      /** The weekday */
      on: "monday" | "tuesday" | "wednesday" | "thursday" | "friday" | "saturday" | "sunday"
      /** The time of day, `HH:MM`, 00:00 to 23:59 */
      at: string
      /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
      timezone?: string
    } | {
      /** Every month */
      every: "month"
      /** The day of the month, 1 to 31 */
      on: number
      /** The time of day, `HH:MM`, 00:00 to 23:59 */
      at: string
      /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
      timezone?: string
    }
    /** In a cluster: the Secret of the namespace with the second store's keys. Default: `backup-second-store` with `access_key_id`, `secret_access_key` */
    storeSecret?: {
      /** The Secret's name */
      name: string
      /** The key's name in the Secret */
      accessKeyId: string
      /** The key's name in the Secret */
      secretAccessKey: string
    }
    /** How the copies are kept from somebody who has the agent's key. The bucket must be set up for it: see docs/buckets.md. Left out: they are not */
    protect?: {
      /** `versioning`: the bucket keeps what is deleted or replaced, and the agent's key may not delete versions. `lock`: in addition the store lets nobody delete what was written in the last `days` */
      mode: "lock" | "versioning"
      /** For how many days a deleted or replaced copy can be brought back, 1 to 3650 */
      days: number
    }
  }
  /** One of `clusters` */
  cluster: NoInfer<Cluster>
  /** The namespace it runs in */
  namespace: string
  /** The image that does the work. Default: `agent.image`. One of the old images (`informaticsmatters/sql-backup`, `informaticsmatters/volume-replicator`) does it too, with the same environment */
  image?: string
  /** The service account of the pods. Default: `default`, without a token */
  serviceAccount?: string
  /** The key of a node label: the pod prefers nodes that have it. Left out: any node */
  nodePreference?: string
  /** The Secret with the store's keys. Default: `backup-store` with `access_key_id`, `secret_access_key` */
  storeSecret?: {
    /** The Secret's name */
    name: string
    /** The key's name in the Secret */
    accessKeyId: string
    /** The key's name in the Secret */
    secretAccessKey: string
  }
  /** Old CronJobs, which `deploy-backups` suspends. Default: none */
  replaces?: string[]
  /** The PostgreSQL server's Service in the namespace */
  service: string
  /** The server's admin user: a name, or a key of a Secret */
  user: string | {
    /** The name of the Secret, in the namespace of the system */
    secret: string
    /** The name of the key in it, not the key's value */
    key: string
  }
  /** The key of a Secret with the admin user's password */
  password: {
    /** The name of the Secret, in the namespace of the system */
    secret: string
    /** The name of the key in it, not the key's value */
    key: string
  }
  /** One database (`pg_dump`). Left out: the whole server (`pg_dumpall`) */
  database?: string
  /** The volume that the dumps are written to */
  volume: {
    /** A PersistentVolumeClaim of the namespace */
    claim: string
    /** The size of the claim that `deploy-backups` makes, in Mi, Gi or Ti. Left out: the claim must exist */
    size?: string
    /** The storage class of that claim. Default: the cluster's */
    storageClass?: string
    nfs?: never
  } | {
    /** An NFS export, in place of a claim */
    nfs: {
      /** The NFS server: a host name or an IP address */
      server: string
      /** The exported folder, an absolute path */
      path: string
    }
    claim?: never
    size?: never
    storageClass?: never
  }
  /** How the dumps are compressed. Default: `gzip` */
  compression?: "gzip" | "zstd"
  /** Copies are encrypted before they leave the pod, with age. Left out: they are not */
  encrypt?: {
    /** The operators' public keys (`age-keygen`): each of them alone opens the copies. The private keys are kept outside the installation */
    recipients: string[]
    /** Where the private key of drills and restores is: a Secret of the namespace. Each system has a key of its own */
    drillIdentity: {
      /** The name of the Secret, in the namespace of the system */
      secret: string
      /** The name of the key in it, not the key's value */
      key: string
      /** The public key of the private key that drills and restores use. Copies are encrypted to it as well */
      recipient: string
    }
  }
}

/** A system of kind `media`. */
export interface MediaSystem<Cluster extends string, Store extends string> {
  /** A tree of files: its latest state, and what was deleted lately */
  kind: "media"
  /** Lower-case letters, digits and hyphens; at most 40 characters */
  name: string
  /** What it is, for people: shown on AWX and in reports */
  description: string
  /** When it runs: `{ every, minute | at, on, timezone }` */
  schedule: {
    /** Every hour */
    every: "hour"
    /** The minute of the hour, 0 to 59 */
    minute: number
    /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
    timezone?: string
  } | {
    /** Every day */
    every: "day"
    /** The time of day, `HH:MM`, 00:00 to 23:59 */
    at: string
    /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
    timezone?: string
  } | {
    /** Every week */
    every: "week"
    /** The weekday */
    on: "monday" | "tuesday" | "wednesday" | "thursday" | "friday" | "saturday" | "sunday"
    /** The time of day, `HH:MM`, 00:00 to 23:59 */
    at: string
    /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
    timezone?: string
  } | {
    /** Every month */
    every: "month"
    /** The day of the month, 1 to 31 */
    on: number
    /** The time of day, `HH:MM`, 00:00 to 23:59 */
    at: string
    /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
    timezone?: string
  }
  /** How many verified copies are kept */
  keep: number
  /** The bucket, used by this system alone */
  bucket: string
  /** How far back a restore must always be able to go, such as `28 days` or `2 years`; `validate` refuses it if `schedule` and `keep` cannot keep it. Left out: no promise */
  restorableFor?: string
  /** How much of the newest data a failure may lose, such as `1 h 10 min`; `validate` refuses it if `schedule` cannot keep it. Left out: no promise */
  loseAtMost?: string
  /** How the copies are kept from somebody who has the agent's key. The bucket must be set up for it: see docs/buckets.md. Left out: they are not */
  protect?: {
    /** `versioning`: the bucket keeps what is deleted or replaced, and the agent's key may not delete versions. `lock`: in addition the store lets nobody delete what was written in the last `days` */
    mode: "lock" | "versioning"
    /** For how many days a deleted or replaced copy can be brought back, 1 to 3650 */
    days: number
  }
  /** A second copy in another store, filled from the first by a job that AWX schedules. Left out: none */
  second?: {
    /** One of `otherStores` */
    store: NoInfer<Store>
    /** Its bucket there, used by this system alone */
    bucket: string
    /** How many verified copies are kept there */
    keep: number
    /** When it runs: `{ every, minute | at, on, timezone }` */
    schedule: {
      /** Every hour */
      every: "hour"
      /** The minute of the hour, 0 to 59 */
      minute: number
      /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
      timezone?: string
    } | {
      /** Every day */
      every: "day"
      /** The time of day, `HH:MM`, 00:00 to 23:59 */
      at: string
      /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
      timezone?: string
    } | {
      /** Every week */
      every: "week"
      /** The weekday */
      on: "monday" | "tuesday" | "wednesday" | "thursday" | "friday" | "saturday" | "sunday"
      /** The time of day, `HH:MM`, 00:00 to 23:59 */
      at: string
      /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
      timezone?: string
    } | {
      /** Every month */
      every: "month"
      /** The day of the month, 1 to 31 */
      on: number
      /** The time of day, `HH:MM`, 00:00 to 23:59 */
      at: string
      /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
      timezone?: string
    }
    /** In a cluster: the Secret of the namespace with the second store's keys. Default: `backup-second-store` with `access_key_id`, `secret_access_key` */
    storeSecret?: {
      /** The Secret's name */
      name: string
      /** The key's name in the Secret */
      accessKeyId: string
      /** The key's name in the Secret */
      secretAccessKey: string
    }
    /** How the copies are kept from somebody who has the agent's key. The bucket must be set up for it: see docs/buckets.md. Left out: they are not */
    protect?: {
      /** `versioning`: the bucket keeps what is deleted or replaced, and the agent's key may not delete versions. `lock`: in addition the store lets nobody delete what was written in the last `days` */
      mode: "lock" | "versioning"
      /** For how many days a deleted or replaced copy can be brought back, 1 to 3650 */
      days: number
    }
  }
  /** One of `clusters` */
  cluster: NoInfer<Cluster>
  /** The namespace it runs in */
  namespace: string
  /** The image that does the work. Default: `agent.image`. One of the old images (`informaticsmatters/sql-backup`, `informaticsmatters/volume-replicator`) does it too, with the same environment */
  image?: string
  /** The service account of the pods. Default: `default`, without a token */
  serviceAccount?: string
  /** The key of a node label: the pod prefers nodes that have it. Left out: any node */
  nodePreference?: string
  /** The Secret with the store's keys. Default: `backup-store` with `access_key_id`, `secret_access_key` */
  storeSecret?: {
    /** The Secret's name */
    name: string
    /** The key's name in the Secret */
    accessKeyId: string
    /** The key's name in the Secret */
    secretAccessKey: string
  }
  /** Old CronJobs, which `deploy-backups` suspends. Default: none */
  replaces?: string[]
  /** The volume with the files */
  source: {
    /** A PersistentVolumeClaim of the namespace */
    claim: string
    /** The size of the claim that `deploy-backups` makes, in Mi, Gi or Ti. Left out: the claim must exist */
    size?: string
    /** The storage class of that claim. Default: the cluster's */
    storageClass?: string
    nfs?: never
  } | {
    /** An NFS export, in place of a claim */
    nfs: {
      /** The NFS server: a host name or an IP address */
      server: string
      /** The exported folder, an absolute path */
      path: string
    }
    claim?: never
    size?: never
    storageClass?: never
  }
  /** Copies are encrypted before they leave the pod, with age. Left out: they are not */
  encrypt?: {
    /** The operators' public keys (`age-keygen`): each of them alone opens the copies. The private keys are kept outside the installation */
    recipients: string[]
    /** Where the private key of drills and restores is: a Secret of the namespace. Each system has a key of its own */
    drillIdentity: {
      /** The name of the Secret, in the namespace of the system */
      secret: string
      /** The name of the key in it, not the key's value */
      key: string
      /** The public key of the private key that drills and restores use. Copies are encrypted to it as well */
      recipient: string
    }
  }
  /** The volume that gets a copy of them; what else it holds is removed */
  replica: {
    /** A PersistentVolumeClaim of the namespace */
    claim: string
    /** The size of the claim that `deploy-backups` makes, in Mi, Gi or Ti. Left out: the claim must exist */
    size?: string
    /** The storage class of that claim. Default: the cluster's */
    storageClass?: string
    nfs?: never
  } | {
    /** An NFS export, in place of a claim */
    nfs: {
      /** The NFS server: a host name or an IP address */
      server: string
      /** The exported folder, an absolute path */
      path: string
    }
    claim?: never
    size?: never
    storageClass?: never
  }
}

/** A system of kind `kit`. */
export interface KitSystem<Cluster extends string, Store extends string> {
  /** Secrets of a namespace, encrypted to the operators */
  kind: "kit"
  /** Lower-case letters, digits and hyphens; at most 40 characters */
  name: string
  /** What it is, for people: shown on AWX and in reports */
  description: string
  /** When it runs: `{ every, minute | at, on, timezone }` */
  schedule: {
    /** Every hour */
    every: "hour"
    /** The minute of the hour, 0 to 59 */
    minute: number
    /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
    timezone?: string
  } | {
    /** Every day */
    every: "day"
    /** The time of day, `HH:MM`, 00:00 to 23:59 */
    at: string
    /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
    timezone?: string
  } | {
    /** Every week */
    every: "week"
    /** The weekday */
    on: "monday" | "tuesday" | "wednesday" | "thursday" | "friday" | "saturday" | "sunday"
    /** The time of day, `HH:MM`, 00:00 to 23:59 */
    at: string
    /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
    timezone?: string
  } | {
    /** Every month */
    every: "month"
    /** The day of the month, 1 to 31 */
    on: number
    /** The time of day, `HH:MM`, 00:00 to 23:59 */
    at: string
    /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
    timezone?: string
  }
  /** How many verified copies are kept */
  keep: number
  /** The bucket, used by this system alone */
  bucket: string
  /** How far back a restore must always be able to go, such as `28 days` or `2 years`; `validate` refuses it if `schedule` and `keep` cannot keep it. Left out: no promise */
  restorableFor?: string
  /** How much of the newest data a failure may lose, such as `1 h 10 min`; `validate` refuses it if `schedule` cannot keep it. Left out: no promise */
  loseAtMost?: string
  /** How the copies are kept from somebody who has the agent's key. The bucket must be set up for it: see docs/buckets.md. Left out: they are not */
  protect?: {
    /** `versioning`: the bucket keeps what is deleted or replaced, and the agent's key may not delete versions. `lock`: in addition the store lets nobody delete what was written in the last `days` */
    mode: "lock" | "versioning"
    /** For how many days a deleted or replaced copy can be brought back, 1 to 3650 */
    days: number
  }
  /** A second copy in another store, filled from the first by a job that AWX schedules. Left out: none */
  second?: {
    /** One of `otherStores` */
    store: NoInfer<Store>
    /** Its bucket there, used by this system alone */
    bucket: string
    /** How many verified copies are kept there */
    keep: number
    /** When it runs: `{ every, minute | at, on, timezone }` */
    schedule: {
      /** Every hour */
      every: "hour"
      /** The minute of the hour, 0 to 59 */
      minute: number
      /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
      timezone?: string
    } | {
      /** Every day */
      every: "day"
      /** The time of day, `HH:MM`, 00:00 to 23:59 */
      at: string
      /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
      timezone?: string
    } | {
      /** Every week */
      every: "week"
      /** The weekday */
      on: "monday" | "tuesday" | "wednesday" | "thursday" | "friday" | "saturday" | "sunday"
      /** The time of day, `HH:MM`, 00:00 to 23:59 */
      at: string
      /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
      timezone?: string
    } | {
      /** Every month */
      every: "month"
      /** The day of the month, 1 to 31 */
      on: number
      /** The time of day, `HH:MM`, 00:00 to 23:59 */
      at: string
      /** An IANA time zone, such as `Europe/London`. Default: `Etc/UTC` */
      timezone?: string
    }
    /** In a cluster: the Secret of the namespace with the second store's keys. Default: `backup-second-store` with `access_key_id`, `secret_access_key` */
    storeSecret?: {
      /** The Secret's name */
      name: string
      /** The key's name in the Secret */
      accessKeyId: string
      /** The key's name in the Secret */
      secretAccessKey: string
    }
    /** How the copies are kept from somebody who has the agent's key. The bucket must be set up for it: see docs/buckets.md. Left out: they are not */
    protect?: {
      /** `versioning`: the bucket keeps what is deleted or replaced, and the agent's key may not delete versions. `lock`: in addition the store lets nobody delete what was written in the last `days` */
      mode: "lock" | "versioning"
      /** For how many days a deleted or replaced copy can be brought back, 1 to 3650 */
      days: number
    }
  }
  /** One of `clusters` */
  cluster: NoInfer<Cluster>
  /** The namespace it runs in */
  namespace: string
  /** The image that does the work. Default: `agent.image`. One of the old images (`informaticsmatters/sql-backup`, `informaticsmatters/volume-replicator`) does it too, with the same environment */
  image?: string
  /** The service account of the pods. Default: `default`, without a token */
  serviceAccount?: string
  /** The key of a node label: the pod prefers nodes that have it. Left out: any node */
  nodePreference?: string
  /** The Secret with the store's keys. Default: `backup-store` with `access_key_id`, `secret_access_key` */
  storeSecret?: {
    /** The Secret's name */
    name: string
    /** The key's name in the Secret */
    accessKeyId: string
    /** The key's name in the Secret */
    secretAccessKey: string
  }
  /** Old CronJobs, which `deploy-backups` suspends. Default: none */
  replaces?: string[]
  /** The Secrets of the namespace that a recovery needs, with the keys to keep, and what else they are restored with */
  secrets: ({
    /** The Secret's name */
    name: string
    /** The names of its keys to keep */
    keys: string[]
    /** Its type, such as `kubernetes.io/tls`, which cannot be changed later. Default: `Opaque` */
    type?: string
    /** Its labels. Default: none */
    labels?: Record<string, string>
    /** Its annotations. Default: none */
    annotations?: Record<string, string>
    /** Whether its values cannot be changed. Default: false */
    immutable?: boolean
  })[]
  /** The operators' public keys (`age-keygen`): each of them alone can open the kit. The private keys are kept outside the installation */
  recipients: string[]
  /** Where the private key of the drills is: a Secret of the namespace whose Secrets the kit keeps. Each kit has a key of its own, so that who can read one namespace opens the kit of that namespace and no other. Left out: no drills */
  drillIdentity?: {
    /** The name of the Secret, in the namespace of the system */
    secret: string
    /** The name of the key in it, not the key's value */
    key: string
    /** The public key of that private key. The kit is encrypted to it as well */
    recipient: string
  }
}
