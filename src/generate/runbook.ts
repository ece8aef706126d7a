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
    ['The bucket is gone', bucketGone(config, entries)],
    ['AWX is gone', awxGone()],
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
  return `1. **Stop what writes.** A restore into a system in use loses what is written meanwhile. Scale applications down.
2. **Suspend the schedules**, so that no backup of a broken state runs: suspend the system's CronJob (\`kubectl -n <namespace> patch cronjob <system> -p '{"spec":{"suspend":true}}'\`). The restore jobs do it themselves. Nothing is lost by a backup that runs: a copy is never replaced by an empty or much smaller one, and the newest good copy is never pruned.
3. **Dry-run first**: every restore has a dry run, which reads the whole copy and says exactly what it would do. It is the default.

What a recovery needs that no system's own copy holds. Keep it where it survives the installation (a password manager, a safe):

| what | why |
|---|---|
| the keys of the bucket store, ${config.store.endpoint} | everything is stored there |
${config.clusters.map(({ name, api }) => `| the token and CA certificate of AWX's credential \`Kubernetes: ${name}\` | \`--local\` reaches ${api} with them |`).join('\n')}
| AWX's \`SECRET_KEY\` (the Secret \`<awx>-secret-key\` in AWX's namespace) | without it the restored AWX database cannot be read: every credential in it is encrypted with it |
${[...keepSafe].map(([what, why]) => `| ${what} | ${why} |`).join('\n')}
| the Rancher image and tag that ran last | a copy is started with the version that made it; it is in the name of each archive and in its receipt |
| this repository, ${config.repository.url}, branch \`${config.repository.branch}\` | the config, the playbooks, this page |

How long it takes: each drill (job template "Test restore: …") writes a receipt; its \`details.seconds\` is the time the last one took:

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

function whole(entries: readonly Entry[]): string {
  const rows = entries.map(
    ({ system, page }, index) => `| ${index + 1} | ${system.name} | ${system.description} | ${page.needs} |`,
  )
  const intro = `In this order, because each needs those before it. On AWX the workflow "Recover everything" runs all of it but the kits, each step after an approval; "Recover everything: <cluster>" runs the steps of one cluster.

| step | system | what it is | needs |
|---|---|---|---|
${rows.join('\n')}

Before the first step that touches a cluster: the cluster itself (made with Rancher, or its nodes are still there), its namespaces, the Secrets above, and the servers and volumes with nothing in them. Then "Deploy backups: <cluster>": it makes the claims and the store's Secret that restores use.`
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

function awxGone(): string {
  return `The CronJobs run without it; what is missing are the jobs that AWX schedules (Rancher's backup, drills, verification) and the alarms that AWX sends.

1. Everything AWX does, any machine with Node, Python and this repository does: \`npm ci\`, then \`npm run launch -- "<job template>" --local --credentials secrets.yml\`. Run Rancher's backup this way, weekly, until AWX is back.
2. Restore its database, from the system that holds it: ${launch('Restore: <system>', {})}.
3. Make AWX again by its operator, with the Secret of its **SECRET_KEY** in place first: with another one its credentials cannot be read.
4. No database, no key? \`npm run generate\`, and the playbook \`configure-awx\` makes all of it anew from the config; the credentials' values must then be entered again.

It worked when \`npm run plan\` shows no difference.`
}
