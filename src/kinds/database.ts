import Type from 'typebox'
import {
  clusterGoodCopy,
  cronjobCopies,
  cronjobNames,
  cronjobVariables,
  imageFindings,
  ownImages,
  runNowTemplate,
  storeEnvironment,
} from './cronjob.ts'
import {
  clusterFields,
  commonFields,
  type SystemKind,
  secretKeySchema,
  type TemplateUse,
  volumeSchema,
} from './kind.ts'
import {
  answersTo,
  clusterCredential,
  drillSchedule,
  drillTemplate,
  oneOf,
  restoreQuestions,
  restoreVariables,
  verifyTemplate,
  words,
  yesOrNo,
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

/** PostgreSQL: a dump of one database or of the whole server, kept on a volume of the cluster and in a bucket. */
export const database: SystemKind<DatabaseSystem> = {
  kind: 'database',
  schema,
  cluster: system => system.cluster,
  places: system => [volumePlace(system, 'volume', system.volume, 'write')],
  images: ownImages,
  stage: system => (system.database === undefined ? 'shared-server' : 'database'),
  goodCopy: clusterGoodCopy,
  hostVariables(system, surroundings) {
    const store = storeEnvironment(system, surroundings)
    const user = system.user
    // 10001 is the agent image's own user.
    const runAs = { user: 10001, group: 10001, fs_group: 10001, capabilities: [] }
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
            mounts: [{ volume: 'backup', path: '/backup', read_only: false }],
          },
        ],
      }),
      ...restoreVariables(restoreRole, system, surroundings, {
        environment,
        secretEnvironment,
        volumes: { backup: system.volume },
        runAs,
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
  templates: system => [runNowTemplate(system), restoreTemplate(system), drillTemplate(system), verifyTemplate(system)],
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
    withoutBucket: `the backup volume (${volumeText(system, system.volume)}): the same copies, restored with \`--answer ${restoreRole}_from=volume\`. The next backup uploads the verified ones that the bucket lacks, newest first`,
    leftovers: 'databases named `before_…`',
  }),
  chapters: [
    {
      title: 'One database is gone',
      introduction: `Dropped, damaged, or changed by mistake; the server runs.

1. Which copy? \`npm run launch -- "Restore: <system>" --answer <…>_copy=NONE\` lists them. The newest taken **before** the mishap: answer its time, for example \`database_restore_copy=2026-01-31T03:07:00Z\`.
2. Not sure? Restore it beside (\`database_restore_into=<name>_check\`), look at it with psql, take from it what is missing.
3. Sure: restore it into its place.`,
      part: databaseGone,
      conclusion:
        "Without this software: the commands of the system's step above. It worked when the application does; the state of before is still there as `before_…`: `ALTER DATABASE … RENAME` takes you back.",
    },
  ],
}

const restoreRole = 'database_restore'

function restoreTemplate(system: DatabaseSystem): TemplateUse {
  const role = restoreRole
  const survey = restoreQuestions(role, system, [
    oneOf(`${role}_from`, 'From where?', 'The bucket, or the backup volume in the cluster', ['bucket', 'volume']),
    ...(system.database === undefined
      ? [words(`${role}_database`, 'Only one database?', 'Its name; empty: the whole server, with its roles')]
      : []),
    words(
      `${role}_into`,
      'Under another name?',
      'Restores one database beside the one that is there; empty: in its place',
    ),
    words(`${role}_host`, 'Into another server?', 'A server of the same admin name and password; empty: its own'),
    yesOrNo(
      `${role}_replace`,
      'Replace what is there?',
      'It is kept under another name, and is as it was until the copy is proven',
      'no',
    ),
    yesOrNo(
      `${role}_end_connections`,
      'End connections?',
      'Ends the sessions of others; else they are a reason to refuse',
      'no',
    ),
  ])
  return {
    name: `Restore: ${system.name}`,
    description: `Bring ${system.database ?? 'the databases'} back from a copy: checked whole, loaded beside what is there, compared, and only then put in its place. ${system.description}`,
    playbook: 'playbooks/restore-database.yml',
    limit: system.name,
    credentials: [clusterCredential(system)],
    survey,
    // The role's own limit is ten hours; applications and schedules are put back after it.
    timeout: 11 * 3600,
    scheduled: false,
    recovery: {
      answers: answersTo(survey, {
        [`${role}_replace`]: 'yes',
        [`${role}_end_connections`]: 'yes',
        [`${role}_dry_run`]: 'no',
        [`${role}_confirm`]: system.name,
      }),
    },
  }
}

/** A shell function that loads `dump.sql.gz` without the lines that a sed expression takes out; never without rows. */
export const loadByHand = String.raw`load() { gunzip -c dump.sql.gz | sed -E -e '/^COPY .* FROM stdin;$/,/^\\\.$/b' -e "$1" | psql -X -q -v ON_ERROR_STOP=1 -d "$2"; }`

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
      ? `load '/^(CREATE|DROP) ROLE (IF EXISTS )?'"$PGUSER"';$/d' postgres   # the admin's role is there`
      : `psql -X -d postgres -c 'CREATE DATABASE ${system.database} TEMPLATE template0'   # its owner's role must be there
load '' ${system.database}`
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
export PGUSER="${admin}" PGPASSWORD="${password}" PGHOST=127.0.0.1
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
}
