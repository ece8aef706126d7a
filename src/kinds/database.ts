import Type from 'typebox'
import {
  clusterGoodCopy,
  cronjobCopies,
  cronjobNames,
  cronjobVariables,
  imageFindings,
  inCluster,
  ownImages,
  runNowTemplate,
  storeEnvironment,
} from './cronjob.ts'
import { clusterFields, commonFields, type SystemKind, secretKeySchema, volumeSchema } from './kind.ts'
import type { JobOption, OptionTable } from './options.ts'
import {
  agentUser,
  clusterCredential,
  drillSchedule,
  drillTemplate,
  type RunAs,
  restoreTable,
  restoreTemplate,
  systemVariables,
  verifyTemplate,
} from './restore.ts'
import { launch } from './runbook.ts'
import { volumePlace, volumeText } from './volume.ts'

const schema = Type.Object(
  {
    kind: Type.Literal('database'),
    ...commonFields,
    ...clusterFields,
    service: Type.String({
      description: "The PostgreSQL server's Service in the namespace",
      format: 'kubernetes-name',
    }),
    user: Type.Union([Type.String({ minLength: 1 }), secretKeySchema], {
      description: "The server's admin user: a name, or a key of a Secret",
    }),
    password: secretKeySchema,
    database: Type.Optional(
      Type.String({ description: 'One database (`pg_dump`). Left out: the whole server (`pg_dumpall`)', minLength: 1 }),
    ),
    volume: volumeSchema,
    compression: Type.Optional(Type.Enum(['gzip', 'zstd'])),
  },
  { additionalProperties: false },
)
export type DatabaseSystem = Type.Static<typeof schema>

const from: JobOption = {
  name: 'from',
  question: 'From where?',
  help: 'Where the copy is read from: the bucket, or the backup volume in the cluster, which is nearer',
  type: 'choice',
  choices: ['bucket', 'volume'],
  default: 'bucket',
  environment: 'RESTORE_FROM',
}
const oneDatabase: JobOption = {
  name: 'database',
  question: 'Only one database?',
  help: "The name of one database of a whole server's copy; empty restores all databases and roles",
  type: 'text',
  default: '',
  environment: 'DATABASE',
}
const target: readonly JobOption[] = [
  {
    name: 'into',
    question: 'Under another name?',
    help: 'Restore one database under this name beside the existing one; empty replaces it',
    type: 'text',
    default: '',
    environment: 'RESTORE_INTO',
  },
  {
    name: 'host',
    question: 'Into another server?',
    help: "A server with the same admin name and password; empty is the system's own",
    type: 'text',
    default: '',
    environment: 'PGHOST',
  },
  {
    name: 'replace',
    question: 'Replace what is there?',
    help: 'Existing databases are kept under another name and stay unchanged until the copy has been verified',
    type: 'boolean',
    default: 'no',
    environment: 'RESTORE_REPLACE',
  },
  {
    name: 'end_connections',
    question: 'End connections?',
    help: 'End the sessions of other users; otherwise a restore is refused while there are any',
    type: 'boolean',
    default: 'no',
    environment: 'RESTORE_END_CONNECTIONS',
  },
]
// The backup volume must be writable for the agent's group.
const runAs: RunAs = { ...agentUser, fs_group: agentUser.group }

const ofServer = restoreTable([from, oneDatabase, ...target])
const ofDatabase = restoreTable([from, ...target])
const restoreOptions = (system: DatabaseSystem): OptionTable => (system.database === undefined ? ofServer : ofDatabase)

/** PostgreSQL: a dump of one database or of the whole server, kept on a volume of the cluster and in a bucket. */
export const database: SystemKind<DatabaseSystem> = {
  kind: 'database',
  schema,
  cluster: system => system.cluster,
  inCluster,
  places: system => [volumePlace(system, 'volume', system.volume, 'write')],
  images: ownImages,
  stage: system => (system.database === undefined ? 'shared-server' : 'database'),
  goodCopy: clusterGoodCopy,
  hostVariables(system, surroundings) {
    const store = storeEnvironment(system, surroundings)
    const user = system.user
    const backup = { volume: 'backup', path: '/backup', read_only: false }
    const environment = {
      ...store.plain,
      PGHOST: system.service,
      USE_RCLONE: 'yes',
      USE_RCLONE_BUCKET_AND_PATH: `/${system.bucket}`,
      ...(system.database !== undefined && { DATABASE: system.database }),
      ...(typeof user === 'string' && { PGUSER: user }),
    }
    const secretEnvironment = [
      ...(typeof user === 'string' ? [] : [{ name: 'PGUSER', ...user }]),
      { name: 'PGADMINPASS', ...system.password },
      ...store.secret,
    ]
    return {
      ...cronjobVariables(system, surroundings, {
        volumes: { backup: system.volume },
        runAs,
        steps: [
          {
            name: 'dump',
            environment: {
              ...environment,
              // Tier "hourly" is the one that makes a new dump, whatever the schedule; the others copy.
              BACKUP_TYPE: 'hourly',
              BACKUP_COUNT: String(system.keep),
              ...(system.compression !== undefined && { BACKUP_COMPRESSION: system.compression }),
            },
            secret_environment: secretEnvironment,
            mounts: [backup],
          },
        ],
      }),
      ...systemVariables(system, surroundings, {
        environment,
        secretEnvironment,
        volumes: { backup: system.volume },
        runAs,
        ages: clusterGoodCopy(system),
        // A dump is restored into a server, which only this image has.
        drillImage: surroundings.agent.drillImage,
        restore: {
          table: restoreOptions(system),
          mounts: { bucket: [backup], volume: [backup] },
          // The backup volume has room for a copy from the bucket while it is checked and loaded.
          environment: { RESTORE_WORK: '/backup/.recovery' },
        },
      }),
    }
  },
  copies: system => ({
    // The names that the old images give their dumps as well.
    objects: { prefix: 'hourly/', pattern: /^hourly\/backup-([\dT:-]+Z)-dumpall\.sql\.(?:gz|zst)$/ },
    keeps: { copies: system.keep },
    ...cronjobCopies(system),
    plainFiles: false,
    drills: drillSchedule,
  }),
  cronjobs: cronjobNames,
  check: system => [
    ...imageFindings(system, 'sql-backup'),
    ...(system.compression === 'zstd' && system.image !== undefined
      ? [
          {
            key: 'compression',
            message: `\`${system.image}\` cannot compress with zstd, only the agent can`,
            suggest: 'leave out `compression`, or `image`',
          },
        ]
      : []),
  ],
  options: [ofServer, ofDatabase],
  templates: system => [
    runNowTemplate(system),
    restoreTemplate(system, restoreOptions(system), {
      what: `Restore ${system.database ?? 'the databases'} from a copy: check it completely, load it beside the existing data, compare, and only then replace.`,
      playbook: 'playbooks/restore-system.yml',
      credentials: [clusterCredential(system)],
      // The role's own limit is ten hours; applications and schedules are restored after it.
      timeout: 11 * 3600,
      recovery: { replace: 'yes', end_connections: 'yes', dry_run: 'no', confirm: system.name },
    }),
    drillTemplate(system),
    verifyTemplate(system, [clusterCredential(system)]),
  ],
  runbook: system => ({
    needs:
      'the cluster, and an empty PostgreSQL server of the same version or later, with the admin user and password of its Secret',
    keepSafe: [
      {
        what: `the Secret \`${system.namespace}/${system.password.secret}\` (${system.cluster})`,
        why: `the admin password of the server of ${system.name}`,
      },
    ],
    restore: databaseSteps(system),
    withoutBucket: `the backup volume (${volumeText(system, system.volume)}): the same copies, restored with \`--answer backup_system_from=volume\`. The next backup uploads the verified ones that the bucket lacks, newest first`,
    leftovers: 'databases named `before_…`',
  }),
  chapters: [
    {
      title: 'One database is gone',
      introduction: `Dropped, damaged, or changed by mistake; the server runs.

1. Which copy? \`npm run launch -- "Restore: <system>" --answer <…>_copy=NONE\` lists them. The newest taken **before** the mishap: answer its time, for example \`backup_system_copy=2026-01-31T03:07:00Z\`.
2. Not sure? Restore it beside (\`backup_system_into=<name>_check\`), look at it with psql, take from it what is missing.
3. Sure: restore it into its place.`,
      part: databaseGone,
      conclusion:
        "Without this software: the commands of the system's step above. It worked when the application does; the state of before is still there as `before_…`: `ALTER DATABASE … RENAME` takes you back.",
    },
  ],
}

/** A shell function that loads `dump.sql.gz` without the lines that a sed expression takes out; never without rows. */
export const loadByHand = String.raw`load() { gunzip -c dump.sql.gz | sed -E -e '/^COPY .* FROM stdin;$/,/^\\\.$/b' -e "$1" | psql -X -q -v ON_ERROR_STOP=1 -d "$2"; }`

function databaseSteps(system: DatabaseSystem): string {
  const template = `Restore: ${system.name}`
  const confirm = { backup_system_dry_run: 'no', backup_system_confirm: system.name }
  const admin =
    typeof system.user === 'string'
      ? system.user
      : `$(kubectl -n ${system.namespace} get secret ${system.user.secret} -o jsonpath='{.data.${system.user.key}}' | base64 -d)`
  const password = `$(kubectl -n ${system.namespace} get secret ${system.password.secret} -o jsonpath='{.data.${system.password.key}}' | base64 -d)`
  const feed =
    system.database === undefined
      ? `load '/^(CREATE|DROP) ROLE (IF EXISTS )?'"$PGUSER"';$/d' postgres   # the admin's role is there`
      : `psql -X -d postgres -c 'CREATE DATABASE ${system.database} TEMPLATE template0'   # its owner's role must be there
load '' ${system.database}`
  return `With this software: first the dry run, then the restore.

\`\`\`sh
${launch(template, {})}
${launch(template, confirm)}
\`\`\`

The copy is read whole before the server is touched; it is loaded under other names, compared row count by row count, and takes its place in one transaction. Where something is there already, it is refused; \`--answer backup_system_replace=yes\` replaces it and keeps it under a name that begins with \`before_\`, \`--answer backup_system_end_connections=yes\` ends the sessions of others.${
    system.database === undefined
      ? ' One database of the server alone: `--answer backup_system_database=<name>`; beside the one that is there: `--answer backup_system_into=<other name>`.'
      : ' Beside the one that is there: `--answer backup_system_into=<other name>`.'
  }

Without it:

\`\`\`sh
rclone lsf store:${system.bucket}/hourly/ | sort | tail -3
rclone copyto store:${system.bucket}/hourly/<copy> dump.sql.gz && gunzip -t dump.sql.gz && gunzip -c dump.sql.gz | tail -5 | grep 'dump complete'
kubectl -n ${system.namespace} port-forward service/${system.service} 5432:5432 &
export PGUSER="${admin}" PGPASSWORD="${password}" PGHOST=127.0.0.1
export PGOPTIONS='-c default_transaction_read_only=off -c role=none'   # whatever a database or a role sets
${loadByHand}
${feed}
\`\`\`

\`load\` stops at the first error: rows that follow a failed COPY would be run as SQL. If the error is \`unrecognized parameter "x"\` or \`unrecognized configuration parameter "x"\`, the line holds no data, and the server does not know it: leave it out and load again (a single database: drop and create it first), naming all such parameters, as in \`load '/^(SET |ALTER .* SET \\(?"?)(x|y)\\>/d' …\`.${
    system.database === undefined
      ? ' Join the two expressions by `;`.'
      : ' The first lines that begin with `-- database:` say how the database was created.'
  }

psql must know \`\\restrict\` (releases since August 2025) for copies made since then; with an older one, drop the lines that begin with \`\\restrict\` and \`\\unrestrict\`.

It worked when ${
    system.database === undefined
      ? `the databases and roles are there (\`psql -l\`, \`\\du\`), the counts are those of the receipt (\`rclone cat store:${system.bucket}/.receipts/${system.name}/<latest>.json\`), and people can log in.`
      : `the counts are those of the receipt (\`rclone cat store:${system.bucket}/.receipts/${system.name}/<latest>.json\`: \`rows:…\`), and the application shows its data.`
  }`
}

function databaseGone(system: DatabaseSystem): string {
  const one = system.database ?? '<database>'
  const answers = {
    ...(system.database === undefined && { backup_system_database: one }),
    backup_system_replace: 'yes',
    backup_system_end_connections: 'yes',
    backup_system_dry_run: 'no',
    backup_system_confirm: system.name,
  }
  return `**${system.name}** (${system.description}):

\`\`\`sh
${launch(`Restore: ${system.name}`, answers)}
\`\`\``
}
