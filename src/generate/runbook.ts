import type { Config } from '../config/index.ts'
import { generatedMark } from '../inventory/files.ts'
import type { DatabaseSystem, KitSystem, MediaSystem, RancherSystem, System } from '../kinds/index.ts'
import { recoveryOrder } from '../kinds/order.ts'

/**
 * The runbook of a config: the whole recovery from bare machines in its order, and a page for each of the mishaps that
 * happen. Every name in it is the config's own. Commands come twice: with this software, and with nothing but `rclone`,
 * `gunzip`, `psql`, `tar` and `kubectl`.
 */
export function runbook(config: Config): string {
  const order = recoveryOrder(config.systems)
  const sections = [
    `<!-- ${generatedMark.replace(/^# /, '')} -->\n# Runbook`,
    `How to bring back ${config.organisation} from its backups. Read "Before anything else" first; then the page of what happened, or "The whole recovery".`,
    contents(),
    before(config),
    whole(order),
    ...order.map((system, index) => step(system, index + 1, config)),
    afterwards(order),
    databaseGone(config),
    fileDeleted(config),
    rancherDown(config),
    bucketGone(config),
    awxGone(config),
  ]
  return `${sections.join('\n\n')}\n`
}

const pages = [
  'Before anything else',
  'The whole recovery',
  'Afterwards',
  'One database is gone',
  'A file was deleted last week',
  'Rancher does not start',
  'The bucket is gone',
  'AWX is gone',
]

function contents(): string {
  return pages.map(page => `- [${page}](#${page.toLowerCase().replaceAll(' ', '-')})`).join('\n')
}

function before(config: Config): string {
  const secrets = [...new Set(config.systems.flatMap(secretsOf))].sort()
  return `## Before anything else

1. **Stop what writes.** A restore into a system in use loses what is written meanwhile. Scale applications down.
2. **Hold the schedules**, so that no backup of a broken state runs: suspend the system's CronJob (\`kubectl -n <namespace> patch cronjob <system> -p '{"spec":{"suspend":true}}'\`). The restore jobs do it themselves. Nothing is lost by a backup that runs: a copy is never replaced by an empty or much smaller one, and the newest good copy is never pruned.
3. **Rehearse**: every restore has a dry run, which reads the whole copy and says exactly what it would do. It is the default.

What a recovery needs that no system's own copy holds. Keep it where it survives the installation (a password manager, a safe):

| what | why |
|---|---|
| the keys of the bucket store, ${config.store.endpoint} | everything lies there |
| AWX's \`SECRET_KEY\` (the Secret \`<awx>-secret-key\` in AWX's namespace) | without it the restored AWX database cannot be read: every credential in it is encrypted with it |
${secrets.map(([where, what]) => `| the Secret ${where} | ${what} |`).join('\n')}
| the Rancher image and tag that ran last | a copy is started with the version that made it; it is in the name of each archive and in its receipt |
| this repository, ${config.repository.url}, branch \`${config.repository.branch}\` | the config, the playbooks, this page |

How long it takes: each rehearsal (job template "Rehearse the restore: …") keeps a receipt; its \`details.seconds\` is the time the last one took:

\`\`\`sh
rclone cat "store:<bucket>/.receipts/drill.<system>/$(rclone lsf "store:<bucket>/.receipts/drill.<system>/" | tail -1)"
\`\`\`

For the commands without this software, name the store once:

\`\`\`sh
export RCLONE_CONFIG_STORE_TYPE=s3 RCLONE_CONFIG_STORE_PROVIDER=${config.store.provider} RCLONE_CONFIG_STORE_ENDPOINT=${config.store.endpoint} RCLONE_CONFIG_STORE_REGION=${config.store.region}
export RCLONE_CONFIG_STORE_ACCESS_KEY_ID=… RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY=…
\`\`\`

For those with it: on AWX, launch the job template of the name given here; without AWX, \`npm ci\`, write \`secrets.yml\` (each AWX credential's name, below it its inputs), and add \`--local --credentials secrets.yml\` to the command.`
}

function secretsOf(system: System): [string, string][] {
  switch (system.kind) {
    case 'rancher':
      return []
    case 'kit':
      return system.secrets.map(({ name, keys }): [string, string] => [
        `\`${system.namespace}/${name}\` (${system.cluster})`,
        `${keys.map(key => `\`${key}\``).join(', ')}; in the kit ${system.name}`,
      ])
    case 'database':
      return [
        [
          `\`${system.namespace}/${system.password.secret}\` (${system.cluster})`,
          `the admin password of the server of ${system.name}`,
        ],
      ]
    case 'media':
      return []
  }
}

function whole(order: readonly System[]): string {
  const needs: Record<System['kind'], string> = {
    kit: "an operator's private key, which lies outside of it all",
    rancher: 'a Docker host',
    database:
      'the cluster, and an empty PostgreSQL server of the same version or later, with the admin user and password of its Secret',
    media: 'the cluster, and an empty volume',
  }
  const rows = order.map(
    (system, index) => `| ${index + 1} | ${system.name} | ${system.description} | ${needs[system.kind]} |`,
  )
  return `## The whole recovery

In this order: the kits, whose Secrets the rest needs; Rancher, because it gives access to every cluster; the infrastructure databases, because they hold the logins and AWX itself; then the stack's database; then its media, which take longest. On AWX the workflow "Recover everything" does all but the first, each step after an approval; "Recover everything: <cluster>" those of one cluster.

| step | system | what it is | needs |
|---|---|---|---|
${rows.join('\n')}

Before the first step that touches a cluster: the cluster itself (made with Rancher, or its nodes are still there), its namespaces, the Secrets above, and the servers and volumes with nothing in them. Then "Deploy backups: <cluster>": it makes the claims and the store's Secret that restores use.`
}

function step(system: System, number: number, config: Config): string {
  const title = `### Step ${number}: ${system.name}`
  switch (system.kind) {
    case 'kit':
      return `${title}\n\n${kitSteps(system)}`
    case 'rancher':
      return `${title}\n\n${rancherSteps(system)}`
    case 'database':
      return `${title}\n\n${databaseSteps(system)}`
    case 'media':
      return `${title}\n\n${mediaSteps(system, config)}`
  }
}

function kitSteps(system: KitSystem): string {
  return `With any of the private keys that belong to its recipients (\`age-keygen\` made them; they are kept by the operators, not in the installation). There is no other way in.

\`\`\`sh
rclone lsf store:${system.bucket}/ | grep '^kit-' | sort | tail -3
rclone copyto store:${system.bucket}/<kit> kit.json.age
age -d -i <key file> kit.json.age | jq -r '.items[] | .kind + " " + .metadata.name'
kubectl create namespace ${system.namespace} --dry-run=client -o yaml | kubectl apply -f -
age -d -i <key file> kit.json.age | kubectl apply -f -   # once the cluster ${system.cluster} is there
\`\`\`

It worked when \`kubectl -n ${system.namespace} get secrets\` shows ${system.secrets.map(secret => `\`${secret.name}\``).join(', ')}.`
}

function rancherSteps(system: RancherSystem): string {
  const template = `Restore: ${system.name}`
  const confirm = { rancher_backup_restore_dry_run: 'no', rancher_backup_restore_confirm: system.name }
  return `On a new host, first make the container as Rancher's documentation does, from the image of the archive's version; it need not run: \`docker create --name ${system.container} --restart=unless-stopped --privileged -p 80:80 -p 443:443 -v ${system.dataDirectory}:/var/lib/rancher rancher/rancher:<tag>\`.

With this software: first the dry run, then the restore. Where AWX is away, with \`--local --credentials secrets.yml\`.

\`\`\`sh
${launch(template, { rancher_backup_restore_copy: 'LATEST' })}
${launch(template, confirm)}
\`\`\`

The archive is fetched, held against its receipt and unpacked beside the data before Rancher is touched; the data of before come back where it does not become healthy within ${system.healthyTimeoutSeconds} s. \`--answer rancher_backup_restore_copy=NONE\` lists the copies, a time in UTC takes the newest at or before it. A container of another version than the archive's is refused; \`--answer rancher_backup_restore_accept_version=yes\` lets it pass.

Without it, on the host ${system.host}, with the version and image tag from the archive's name:

\`\`\`sh
rclone lsf store:${system.bucket}/ | grep tar.gz | sort | tail -3
rclone copyto store:${system.bucket}/<archive> /var/tmp/rancher.tar.gz
gzip -t /var/tmp/rancher.tar.gz && tar tzf /var/tmp/rancher.tar.gz | head
docker stop ${system.container}; mv ${system.dataDirectory} ${system.dataDirectory}.before; mkdir -p ${system.dataDirectory}
tar xzpf /var/tmp/rancher.tar.gz -C ${system.dataDirectory} --strip-components=3   # the names above begin with var/lib/rancher
docker start ${system.container}
\`\`\`

It worked when \`curl -fsk ${system.healthUrl}\` says \`pong\` and the clusters show up as active. Go back: stop it, move \`${system.dataDirectory}.before\` back, start it.`
}

function launch(template: string, answers: Readonly<Record<string, string>>): string {
  const given = Object.entries(answers).map(([name, value]) => ` --answer ${name}=${value}`)
  return `npm run launch -- "${template}"${given.join('')}`
}

function databaseSteps(system: DatabaseSystem): string {
  const template = `Restore: ${system.name}`
  const confirm = { database_restore_dry_run: 'no', database_restore_confirm: system.name }
  const admin =
    typeof system.user === 'string'
      ? system.user
      : `$(kubectl -n ${system.namespace} get secret ${system.user.secret} -o jsonpath='{.data.${system.user.key}}' | base64 -d)`
  const password = `$(kubectl -n ${system.namespace} get secret ${system.password.secret} -o jsonpath='{.data.${system.password.key}}' | base64 -d)`
  const feed =
    system.database === undefined
      ? `# "role … already exists" and "current user cannot be dropped", of the admin alone, are expected
gunzip -c dump.sql.gz | psql -X -h 127.0.0.1 -U "$PGUSER" -d postgres`
      : `psql -X -h 127.0.0.1 -U "$PGUSER" -d postgres -c 'CREATE DATABASE ${system.database} TEMPLATE template0'   # its owner's role must be there
gunzip -c dump.sql.gz | psql -X -v ON_ERROR_STOP=1 -h 127.0.0.1 -U "$PGUSER" -d ${system.database}`
  return `With this software: first the dry run, then the restore.

\`\`\`sh
${launch(template, { database_restore_copy: 'LATEST' })}
${launch(template, confirm)}
\`\`\`

The copy is read whole before the server is touched; it is loaded under other names, compared row count by row count, and takes its place in one transaction. Where something is there already, it is refused; \`--answer database_restore_replace=yes\` replaces it and keeps it under a name that begins with \`before_\`, \`--answer database_restore_end_connections=yes\` ends the sessions of others.${
    system.database === undefined
      ? ' One database of the server alone: `--answer database_restore_database=<name>`; beside the one that is there: `--answer database_restore_into=<other name>`.'
      : ' Beside the one that is there: `--answer database_restore_into=<other name>`.'
  }

Without it:

\`\`\`sh
rclone lsf store:${system.bucket}/hourly/ | sort | tail -3
rclone copyto store:${system.bucket}/hourly/<copy> dump.sql.gz && gunzip -t dump.sql.gz && gunzip -c dump.sql.gz | tail -5 | grep 'dump complete'
kubectl -n ${system.namespace} port-forward service/${system.service} 5432:5432 &
export PGUSER="${admin}" PGPASSWORD="${password}"
${feed}
\`\`\`

psql must know \`\\restrict\` (releases since August 2025) for copies made since then; with an older one, drop the lines that begin with \`\\restrict\` and \`\\unrestrict\`.

It worked when ${
    system.database === undefined
      ? `the databases and roles are there (\`psql -l\`, \`\\du\`), the counts are those of the receipt (\`rclone cat store:${system.bucket}/.receipts/${system.name}/<latest>.json\`), and people can log in.`
      : `the counts are those of the receipt (\`rclone cat store:${system.bucket}/.receipts/${system.name}/<latest>.json\`: \`rows:…\`), and the application shows its data.`
  }`
}

function mediaSteps(system: MediaSystem, config: Config): string {
  const template = `Restore: ${system.name}`
  const replica =
    'nfs' in system.replica
      ? `${system.replica.nfs.server}:${system.replica.nfs.path}`
      : `the claim ${system.replica.claim}`
  const source =
    'claim' in system.source
      ? `the claim ${system.source.claim}`
      : `${system.source.nfs.server}:${system.source.nfs.path}`
  return `With this software: from the replica (${replica}) where it is left, which is nearest; else from the bucket. First the dry run, then the restore.

\`\`\`sh
${launch(template, { media_restore_from: 'bucket' })}
${launch(template, { media_restore_from: 'bucket', media_restore_dry_run: 'no', media_restore_confirm: system.name })}
\`\`\`

Only what differs is fetched, each file is held against its hash before it takes its place, and names, owners, modes, times, links and empty folders come from the manifest. Killed midway, run it again: it goes on from there.

Without it, in a pod that has ${source} at /volume-b and rclone (owners, modes, links and empty folders are then to be taken from the manifest, \`rclone cat store:${system.bucket}/.manifests/${system.name}/<latest> | gunzip\`):

\`\`\`sh
rclone copy store:${system.bucket} /volume-b --exclude '/.receipts/**' --exclude '/.manifests/**' --exclude '/.trash/**' --transfers 8 --progress
\`\`\`

or, from the replica: \`rsync -a /volume-a/ /volume-b\`.

It worked when a second dry run finds nothing to make or replace, and the application${config.systems.some(other => other.kind === 'database' && other.namespace === system.namespace) ? ' (its database restored)' : ''} shows its files.`
}

function afterwards(order: readonly System[]): string {
  return `## Afterwards

1. Run each backup once: ${order.map(system => `"Back up: ${system.name}"`).join(', ')}.
2. Verify: ${order.map(system => `"Verify: ${system.name}"`).join(', ')}.
3. Drop what was kept of before: databases named \`before_…\`, folders named \`.before-restore-…\` at the top of the media, \`*.before\` on the Rancher host.`
}

function databaseGone({ systems }: Config): string {
  const databases = systems.filter((system): system is DatabaseSystem => system.kind === 'database')
  return `## One database is gone

Dropped, damaged, or changed by mistake; the server runs.

1. Which copy? \`npm run launch -- "Restore: <system>" --answer <…>_copy=NONE\` lists them. The newest taken **before** the mishap: answer its time, for example \`database_restore_copy=2026-01-31T03:07:00Z\`.
2. Not sure? Restore it beside (\`database_restore_into=<name>_check\`), look at it with psql, take from it what is missing.
3. Sure: restore it into its place.

${databases
  .map(system => {
    const one = system.database ?? '<database>'
    const answers = {
      ...(system.database === undefined && { database_restore_database: one }),
      database_restore_replace: 'yes',
      database_restore_end_connections: 'yes',
      database_restore_dry_run: 'no',
      database_restore_confirm: system.name,
    }
    return `**${system.name}** (${system.description}):

\`\`\`sh
${launch(`Restore: ${system.name}`, answers)}
\`\`\``
  })
  .join('\n\n')}

Without this software: the commands of the system's step above; out of a dump of a whole server, one database is what stands between its \`\\connect\` and the next. It worked when the application does; the state of before is still there as \`before_…\`: \`ALTER DATABASE … RENAME\` takes you back.`
}

function fileDeleted({ systems }: Config): string {
  const media = systems.filter((system): system is MediaSystem => system.kind === 'media')
  return `## A file was deleted last week

Deleted and overwritten files stay in the bucket for 30 days, below \`.trash/<time of the run>/\`, and the manifests of that time with them.

${media
  .map(
    system => `**${system.name}**, as it was at a time before the mishap:

\`\`\`sh
${launch(`Restore: ${system.name}`, { media_restore_copy: '<time, UTC>', media_restore_paths: "'folder/file;another folder'" })}
\`\`\`

and again with \`--answer media_restore_dry_run=no --answer media_restore_confirm=${system.name}\`.

Without this software:

\`\`\`sh
rclone lsf -R --files-only store:${system.bucket}/.trash/ | grep 'file'
rclone copyto "store:${system.bucket}/.trash/<time>/folder/file" ./file
\`\`\``,
  )
  .join('\n\n')}

It worked when the file is there with its size and time. Replaced files are kept in \`.before-restore-<time>/\` at the top of the volume.`
}

function rancherDown({ systems }: Config): string {
  const ranchers = systems.filter((system): system is RancherSystem => system.kind === 'rancher')
  return `## Rancher does not start

The clusters run without it; only their management is away. There is time to look.

${ranchers
  .map(
    system => `On ${system.host}:

\`\`\`sh
docker ps -a --filter name=${system.container}; docker logs --tail 50 ${system.container}; df -h ${system.dataDirectory}
docker start ${system.container}; curl -fsk ${system.healthUrl}
\`\`\`

1. Stopped by a backup that did not come back? The guard on the host starts it within ${system.stopDeadlineSeconds} s, and says what it did: \`docker logs ${system.container}-guard\`. If it did not, \`docker start ${system.container}\`.
2. A full disk: free it (an archive that did not reach the bucket in ${system.stagingDirectory}), start again.
3. Its data are damaged: step "${system.name}" of the whole recovery, on this same host. The state of before is kept aside until Rancher is healthy.
4. It runs again, and the guard had acted: no backup stops it before a person has understood why. Then, once: \`${launch(`Back up: ${system.name}`, { rancher_backup_accept_previous: 'yes', rancher_backup_ignore_window: 'yes' })}\`.`,
  )
  .join('\n\n')}`
}

/** Where a system's data are beside its bucket, a row of a table. */
function elsewhere(system: System): string {
  switch (system.kind) {
    case 'rancher':
      return `| ${system.name} | \`${system.bucket}\` | the data themselves, in ${system.dataDirectory} on ${system.host} |`
    case 'kit':
      return `| ${system.name} | \`${system.bucket}\` | the Secrets themselves, in ${system.namespace} |`
    case 'database':
      return `| ${system.name} | \`${system.bucket}\` | the backup volume (${'claim' in system.volume ? `claim ${system.namespace}/${system.volume.claim}` : `${system.volume.nfs.server}:${system.volume.nfs.path}`}): the same copies |`
    case 'media':
      return `| ${system.name} | \`${system.bucket}\` | the replica (${'nfs' in system.replica ? `${system.replica.nfs.server}:${system.replica.nfs.path}` : `claim ${system.namespace}/${system.replica.claim}`}), and the source itself |`
  }
}

function bucketGone({ systems, store }: Config): string {
  const where = systems.map(elsewhere)
  return `## The bucket is gone

Nothing is lost while the systems run. What else holds a copy:

| system | bucket | what is left |
|---|---|---|
${where.join('\n')}

1. Make the bucket again at ${store.endpoint}, with the same name and owner, private.
2. Run "Back up: <system>": a database's run brings the verified copies of its volume that the bucket lacks, newest first; media is sent whole.
3. Until then a restore takes the nearer copy: \`--answer database_restore_from=volume\`, \`--answer media_restore_from=replica\`.

It worked when "Verify: <system>" is green.`
}

function awxGone({ systems }: Config): string {
  const server = systems.find(
    (system): system is DatabaseSystem =>
      system.kind === 'database' && system.database === undefined && /AWX/.test(system.description),
  )
  return `## AWX is gone

The CronJobs run without it; what is missing are the Rancher backup, the rehearsals and the alarms that AWX sends.

1. Everything AWX does, any machine with Node, Python and this repository does: \`npm ci\`, then \`npm run launch -- "<job template>" --local --credentials secrets.yml\`. Run "Back up: …" of Rancher so, weekly, until AWX is back.
2. ${
    server
      ? `Its database is on the server of ${server.name}. Restore it: \`${launch(`Restore: ${server.name}`, { database_restore_database: 'awx', database_restore_dry_run: 'no', database_restore_confirm: server.name })} --local --credentials secrets.yml\`.`
      : 'Restore its database, from the system that holds it.'
  }
3. Make AWX again by its operator, with the Secret of its **SECRET_KEY** in place first: with another one its credentials cannot be read.
4. No database, no key? \`npm run generate\`, and the playbook \`configure-awx\` makes all of it anew from the config; the credentials' values are then to be entered again.

It worked when \`npm run plan\` shows no difference.`
}
