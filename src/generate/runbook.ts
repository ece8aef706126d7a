import type { Config } from '../config/index.ts'
import { generatedMark } from '../inventory/files.ts'
import { kindOf, kinds, recoveryOrder, type System } from '../kinds/index.ts'
import type { RunbookChapter, RunbookPage } from '../kinds/kind.ts'
import { launch } from '../kinds/runbook.ts'

/** A system with its kind's part of the runbook. */
interface Entry {
  readonly system: System
  readonly page: RunbookPage
}

/**
 * The runbook of a config: the full recovery from bare machines in order, and a chapter for each incident. What concerns
 * one kind of system is written in its kind; this puts the parts together. Every name in it is the config's own.
 */
export function runbook(config: Config): string {
  const entries = recoveryOrder(config.systems).map(
    (system): Entry => ({ system, page: kindOf(system).runbook(system, config) }),
  )
  const chapters: [title: string, text: string][] = [
    ['Before anything else', before(config, entries)],
    ['The whole recovery', whole(entries)],
    ['Afterwards', afterwards(entries)],
    ...incidents(config),
    ['Somebody deleted the copies', copiesDeleted(config)],
    ['The bucket is gone', bucketGone(config, entries)],
    ...storesGone(config),
    ['AWX is gone', awxGone(config)],
  ]
  const sections = [
    `<!-- ${generatedMark.replace(/^# /, '')} -->\n# Runbook`,
    `How to restore ${config.organisation} from its backups. Read "Before anything else" first; then the chapter about what happened, or "The whole recovery".`,
    chapters.map(([title]) => `- [${title}](#${title.toLowerCase().replaceAll(' ', '-')})`).join('\n'),
    ...chapters.map(([title, text]) => `## ${title}\n\n${text}`),
  ]
  return `${sections.join('\n\n')}\n`
}

function before(config: Config, entries: readonly Entry[]): string {
  const keepSafe = new Map(entries.flatMap(({ page }) => page.keepSafe.map(({ what, why }) => [what, why])))
  const contexts = config.clusters
    .map(
      ({
        name,
        api,
      }) => `kubectl config set-cluster ${name} --server=${api} --certificate-authority=<ca file> --embed-certs
kubectl config set-credentials ${name} --token=…
kubectl config set-context ${name} --cluster=${name} --user=${name}`,
    )
    .join('\n')
  const tools = "`rclone`, `kubectl`, `psql` of the server's version or later, `gunzip`, `jq` and `age`"
  return `1. **Stop what writes.** A restore into a system in use loses what is written during the restore. Scale applications down.
2. **Suspend the schedules**, so that no backup of a broken state runs: suspend the system's CronJob (\`kubectl --context <cluster> -n <namespace> patch cronjob <system> -p '{"spec":{"suspend":true}}'\`). The restore jobs do that themselves. A backup that runs loses nothing: a copy is never replaced by an empty or much smaller one, and the newest good copy is never pruned.
3. **Do a dry run first.** It is the default: it reads the whole copy and says what a restore would do.

A recovery needs these, and no system's own copy holds them. Keep them where they survive the installation (a password manager, a safe):

| what | why |
|---|---|
| the keys of the bucket store, ${config.store.endpoint} | all copies are there |
${config.clusters.map(({ name, api }) => `| the token and CA certificate of AWX's credential \`Kubernetes: ${name}\` | \`--local\` reaches ${api} with them |`).join('\n')}
| AWX's \`SECRET_KEY\` (the Secret \`<awx>-secret-key\` in AWX's namespace) | without it the restored AWX database cannot be read: every credential in it is encrypted with it |
${[...keepSafe].map(([what, why]) => `| ${what} | ${why} |`).join('\n')}
| the Rancher image and tag that ran last | a copy is started with the version that made it; it is also in the name of each archive and in its receipt |
| this repository, ${config.repository.url}, branch \`${config.repository.branch}\` | the config, the playbooks, this page |

How long it takes: each drill (job template "Test restore: …") writes a receipt; its \`details.seconds\` is the time the last one took:

\`\`\`sh
rclone cat "store:<bucket>/.receipts/drill.<system>/$(rclone lsf "store:<bucket>/.receipts/drill.<system>/" | tail -1)"
\`\`\`

The commands without this software are for bash. They need ${tools}. Name the store once:

\`\`\`bash
export RCLONE_CONFIG_STORE_TYPE=s3 RCLONE_CONFIG_STORE_PROVIDER=${config.store.provider} RCLONE_CONFIG_STORE_ENDPOINT=${config.store.endpoint} RCLONE_CONFIG_STORE_REGION=${config.store.region} RCLONE_CONFIG_STORE_NO_CHECK_BUCKET=true
export RCLONE_CONFIG_STORE_ACCESS_KEY_ID=… RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY=…
\`\`\`

and each cluster, as a context of kubectl that has the cluster's name:

\`\`\`bash
${contexts}
\`\`\`

The commands with this software: on AWX, launch the job template of that name; without AWX, run \`npm ci\`, write \`secrets.yml\` (each AWX credential's name, with its inputs below it), and add \`--local --credentials secrets.yml\` to the command.`
}

function whole(entries: readonly Entry[]): string {
  const rows = entries.map(
    ({ system, page }, index) => `| ${index + 1} | ${system.name} | ${system.description} | ${page.needs} |`,
  )
  const intro = `In this order, because each step needs those before it. On AWX the workflow "Recover everything" runs all of it but the kits, each step after an approval; "Recover everything: <cluster>" runs the steps of one cluster.

| step | system | what it is | needs |
|---|---|---|---|
${rows.join('\n')}

Before the first step in a cluster, you need the cluster itself (created with Rancher, or with its nodes still there), its namespaces, the Secrets above, and empty servers and volumes. Then launch "Deploy backups: <cluster>": it creates the claims and the store's Secret that restores use.`
  const steps = entries.map(({ system, page }, index) => `### Step ${index + 1}: ${system.name}\n\n${page.restore}`)
  return [intro, ...steps].join('\n\n')
}

function afterwards(entries: readonly Entry[]): string {
  const quoted = (verb: string) => entries.map(({ system }) => `"${verb}: ${system.name}"`).join(', ')
  const leftovers = new Set(entries.flatMap(({ page }) => page.leftovers ?? []))
  return `1. Run each backup once: ${quoted('Back up')}.
2. Verify: ${quoted('Verify')}.
3. Remove what the restores kept of the old state: ${[...leftovers].join('; ')}.`
}

/** The chapters that the kinds in use have about their incidents. */
function incidents(config: Config): [title: string, text: string][] {
  return Object.values(kinds).flatMap(kind => {
    const systems = config.systems.filter(system => kindOf(system) === (kind as unknown))
    if (systems.length === 0) return []
    return (kind.chapters as readonly RunbookChapter<System>[]).map(({ title, introduction, part, conclusion }) => {
      const text = [introduction, ...systems.map(system => part(system, config)), conclusion]
      return [title, text.filter(paragraph => paragraph !== undefined).join('\n\n')] as [string, string]
    })
  })
}

function copiesDeleted({ store, systems }: Config): string {
  const protectedSystems = systems.filter(({ protect }) => protect !== undefined)
  const others = systems.filter(({ protect }) => protect === undefined)
  const stop = `Somebody with a key of the store deleted or replaced copies, or a program did by mistake.

1. **Take the key away.** Ask the store's operators to disable it, and suspend the schedules (see "Before anything else").
2. Find out when it happened, from the store's access log or the first command below.`
  const left = others.map(({ name }) => `\`${name}\``).join(', ')
  const unprotected =
    others.length === 0
      ? []
      : [
          `The config protects no copies of ${left} (\`protect\`): if they are gone, ["The bucket is gone"](#the-bucket-is-gone) says what else holds their data.`,
        ]
  if (protectedSystems.length === 0)
    return [stop.replace(', or the first command below', ''), ...unprotected].join('\n\n')
  const rows = protectedSystems.map(
    ({ name, bucket, protect }) =>
      `| ${name} | \`S3_BUCKET_NAME=${bucket} BACKUP_PROTECT=${protect?.mode} BACKUP_PROTECT_DAYS=${protect?.days}\` |`,
  )
  return `${stop.replace(', or the first command below', ' or the first command below')}

These buckets keep what was deleted or replaced, for as many days as the variable says:

| system | its bucket |
|---|---|
${rows.join('\n')}

With this software, on any machine with Node and this repository (\`npm ci\`), and a key of the bucket's owner or a new one of the agent:

\`\`\`sh
export RCLONE_S3_ENDPOINT=${store.endpoint} AWS_DEFAULT_REGION=${store.region} AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=…
export …   # the variables of the bucket, from the table
node src/agent/main.ts undelete   # lists when objects were deleted and replaced
FROM_BACKUP=<time, UTC> RESTORE_DRY_RUN=yes node src/agent/main.ts undelete   # lists what would come back
FROM_BACKUP=<time, UTC> node src/agent/main.ts undelete
\`\`\`

The time is one before it happened: the whole bucket becomes what it was then. No version is removed by it, so that a second run with another time is possible.

Without it:

\`\`\`sh
rclone copy --s3-version-at <time, UTC> store:<bucket> ./<bucket>   # the bucket as it was
rclone copy ./<bucket> store:<bucket>
\`\`\`

It worked when "Verify: <system>" succeeds. Then put the new key in place, deploy, and run each backup once.${unprotected.map(text => `\n\n${text}`).join('')}`
}

function bucketGone({ store }: Config, entries: readonly Entry[]): string {
  const rows = entries.map(({ system, page }) => `| ${system.name} | \`${system.bucket}\` | ${page.withoutBucket} |`)
  return `Nothing is lost while the systems run. What else holds a copy:

| system | bucket | what is left |
|---|---|---|
${rows.join('\n')}

1. Make the bucket again at ${store.endpoint}, with the same name and owner, private.
2. Run "Back up: <system>".
3. Until then a restore takes the nearer copy, as the table says.

It worked when "Verify: <system>" succeeds.`
}

/** The chapter about the second store, if there is one. */
function storesGone(config: Config): [title: string, text: string][] {
  const kept = config.systems.filter(({ second }) => second !== undefined)
  if (kept.length === 0) return []
  const rows = kept.map(({ name, second }) => {
    const store = config.otherStores?.find(other => other.name === second?.store)
    return `| ${name} | ${second?.store}, ${store?.endpoint} | \`${second?.bucket}\` |`
  })
  const questions = kept.flatMap(system => kindOf(system).templates(system)).flatMap(({ survey }) => survey)
  const variables = [...new Set(questions.map(({ variable }) => variable))].filter(name => name.endsWith('_store'))
  const others = config.systems.filter(({ second }) => second === undefined).map(({ name }) => `\`${name}\``)
  const text = `${config.store.endpoint} does not answer and will not for long, or its buckets are lost. These systems have a second copy:

| system | store | bucket there |
|---|---|---|
${rows.join('\n')}

1. Follow "The whole recovery" or the chapter about what happened. To a restore add ${variables.map(variable => `\`--answer ${variable}=second\``).join(', or ')}, as the job template asks; first the dry run.
2. In the commands without this software, name the second store in \`RCLONE_CONFIG_STORE_…\`, and use the bucket of the table.
3. \`npm run copies -- <system> --store <store> --credentials secrets.yml\` lists the second copies; \`npm run status -- --store <store> --credentials secrets.yml\` shows their state. The keys are \`Second store: <cluster or system>\` in \`secrets.yml\`.
4. Make the buckets again at the first store or another one, correct the config, deploy, and run each backup once.

It worked when "Verify: <system>" succeeds. Second copies are made of what the first store's receipts vouch for, so that they are as old as the job "Second copy: <system>" is late.${others.length > 0 ? `\n\nNo second copy: ${others.join(', ')}.` : ''}`
  return [['The first store is gone', text]]
}

function awxGone({ awx, systems }: Config): string {
  const known = (name: string) => systems.some(system => system.name === name)
  const database =
    awx && known(awx.server) && known(awx.kit)
      ? `Restore its database, which is on the server of ${awx.server}. Its name is in the kit ${awx.kit} (its step in the full recovery says how to download it):

   \`\`\`bash
   database=$(age -d -i "$KEY" ${awx.kit}.json.age | jq -r '.items[] | select(.metadata.name == "${awx.secret}") | .data.database | @base64d')
   ${launch(`Restore: ${awx.server}`, { backup_system_database: '"$database"', backup_system_dry_run: 'no', backup_system_confirm: awx.server })} --local --credentials secrets.yml
   \`\`\``
      : 'Restore its database, from the system that holds it.'
  return `The CronJobs run without it. What is missing are the jobs that AWX schedules (Rancher's backup, drills, verification) and the notifications that AWX sends.

1. Any machine with Node, Python and this repository can do what AWX does: \`npm ci\`, then \`npm run launch -- "<job template>" --local --credentials secrets.yml\`. Run the backups that AWX schedules this way until AWX is back.
2. ${database}
3. Install AWX again with its operator, with the Secret of its **SECRET_KEY** in place first: with another key its credentials cannot be read.
4. If the database or the key is lost, \`npm run configure -- --credentials secrets.yml\` creates everything again from the config; the credentials' values come from the file.

It worked when \`npm run plan\` shows no difference.`
}
